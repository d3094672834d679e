"""What a station takes along from the server while it is there, so that it can go on when it is not.

The journal is filled anew each time, and only while nothing was done in it. What it gives away it has leased in its own
name, so that the server gives nothing of it meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, delete, insert, select, tuple_

from factory.ledger.articles import carried_name, every_settled
from factory.ledger.attempts import newest_of
from factory.ledger.carried import HEADS, JOURNAL, carried, packed
from factory.ledger.claim import CLOUD_ID, HARDWARE_ID, MAC, SERIAL, Value, in_words
from factory.ledger.pool_tables import pool_cells, pool_leases, pool_ranges, pools
from factory.ledger.records import as_text
from factory.ledger.schema import (
    attempts,
    host_keys,
    identity_values,
    lots,
    order_keys,
    order_rows,
    orders,
    stations,
    units,
)
from factory.ledger.store import Writer
from factory.values import UnitState

DEBT = "debt:"
_AT_ONCE = 500
# In an order in which no row goes before what refers to it.
_FILLED = (order_keys, order_rows, orders, pool_cells, pool_leases, pool_ranges, pools, host_keys, lots)
_GOES_ON = (UnitState.OPEN, UnitState.REWORK)


def take_along(server: Connection, journal: Writer, lot: str) -> None:
    """Fill the journal with what its station needs to make units of a lot: the lot, its orders, pools with what is
    leased to the journal, host keys, first articles that are settled, and the units that are done.
    """
    for table in _FILLED:
        journal.connection.execute(delete(table))
    keep = carried.c.name.startswith(DEBT) | (carried.c.name == JOURNAL)
    journal.connection.execute(delete(carried).where(~keep))
    for table, rows in _rows(server, lot, journal.signature.station):
        for start in range(0, len(rows), _AT_ONCE):
            journal.connection.execute(insert(table), rows[start : start + _AT_ONCE])
    at = as_text(journal.now)
    names = [packed(name, data, at) for name, data in _carried(server, lot)]
    for start in range(0, len(names), _AT_ONCE):
        journal.connection.execute(insert(carried), names[start : start + _AT_ONCE])


def learn_cells(server: Connection, journal: Writer, values: Collection[Value]) -> None:
    """Tell the journal of values that the station gave to a unit just now: it gets the same ones there."""
    named = tuple_(pool_cells.c.kind, pool_cells.c.value).in_(sorted(values))
    rows = [row._asdict() | {"unit": None, "attempt": None} for row in server.execute(select(pool_cells).where(named))]
    known = set(journal.connection.execute(select(pools.c.id)).scalars())
    journal.connection.execute(delete(pool_cells).where(named))
    if fresh := [row for row in rows if row["pool"] in known]:
        journal.connection.execute(insert(pool_cells), fresh)


def copy_along(before: Connection, journal: Writer) -> None:
    """Fill a new journal with what the one before had taken along: until the server is asked again it is as good. Its
    leases are not: what is left of them the server says.
    """
    for table in reversed(_FILLED):
        rows = [] if table is pool_leases else [row._asdict() for row in before.execute(select(table))]
        none = {name: None for name in ("unit", "attempt") if name in table.c and table.c[name].nullable}
        for start in range(0, len(rows), _AT_ONCE):
            journal.connection.execute(insert(table), [row | none for row in rows[start : start + _AT_ONCE]])
    mine = carried.c.name.startswith(DEBT) | (carried.c.name == JOURNAL)
    names = [row._asdict() for row in before.execute(select(carried).where(~mine))]
    for start in range(0, len(names), _AT_ONCE):
        journal.connection.execute(insert(carried), names[start : start + _AT_ONCE])


def value_name(value: Value) -> str:
    """What a value of a unit is called that the server knows."""
    return f"value:{value[0]}:{value[1]}"


def _rows(server: Connection, lot: str, station: str) -> Iterator[tuple[Table, list[dict[str, Any]]]]:
    product = server.execute(select(lots.c.product).where(lots.c.name == lot)).scalar()
    pool_ids = select(pools.c.id).where(pools.c.product == product)
    macs = select(identity_values.c.value).where(identity_values.c.kind == MAC, identity_values.c.unit.in_(_units(lot)))
    mine = (pool_leases.c.station == station) & pool_leases.c.pool.in_(pool_ids)
    # A row's unit and attempt are the server's; nothing can be leased where nobody else can be asked.
    wanted: Sequence[tuple[Table, Any, Mapping[str, Any]]] = (
        (lots, lots.c.name == lot, {}),
        (orders, orders.c.lot == lot, {}),
        (order_rows, order_rows.c.lot == lot, {"unit": None}),
        (order_keys, order_keys.c.lot == lot, {}),
        (pools, pools.c.product == product, {}),
        (pool_ranges, pool_ranges.c.pool.in_(pool_ids), {"taken": pool_ranges.c.cells}),
        (pool_leases, mine, {}),
        (pool_cells, pool_cells.c.pool.in_(pool_ids), {"unit": None, "attempt": None}),
        (host_keys, host_keys.c.mac.in_(macs), {}),
    )
    for table, condition, changes in wanted:
        found = server.execute(select(table).where(condition).order_by(*table.primary_key))
        yield table, [_changed(row, changes) for row in found]


def _changed(row: Row[Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    values = row._asdict()
    return values | {name: values["cells"] if name == "taken" else value for name, value in changes.items()}


def _carried(server: Connection, lot: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    yield HEADS, {row.name: row.seq for row in server.execute(select(stations))}
    for kind in every_settled(server):
        yield carried_name(kind), {}
    yield from _known(server, identity_values.c.unit.in_(_units(lot)))


def learn_unit(server: Connection, journal: Writer, attempt: int) -> None:
    """Tell the journal of a unit that has passed just now."""
    mine = select(attempts.c.unit).where(attempts.c.id == attempt)
    at = as_text(journal.now)
    rows = [packed(name, data, at) for name, data in _known(server, identity_values.c.unit.in_(mine))]
    if rows:
        journal.connection.execute(delete(carried).where(carried.c.name.in_([row["name"] for row in rows])))
        journal.connection.execute(insert(carried), rows)


def _known(server: Connection, which: ColumnElement[bool]) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Values of units that the server has done with."""
    told: dict[int, dict[str, object]] = {}
    query = select(identity_values, units.c.state).join(units, units.c.id == identity_values.c.unit)
    rows = server.execute(query.where(which)).all()
    # Who has a cloud id has it for ever; here it would get another one.
    fixed = {row.unit for row in rows if UnitState(row.state) not in _GOES_ON or row.kind == CLOUD_ID}
    for row in rows:
        if row.unit in fixed and row.kind in (MAC, SERIAL, HARDWARE_ID):
            if row.unit not in told:
                told[row.unit] = {"state": row.state, "place": newest_of(server, row.unit).place()}
            said = told[row.unit] | {"what": in_words({(row.kind, row.value)})}
            yield value_name((row.kind, row.value)), said


def _units(lot: str) -> Any:
    return select(attempts.c.unit).where(attempts.c.lot == lot, attempts.c.unit.is_not(None)).distinct()
