"""Cells of pools and the units that have them. The same unit gets the same cell at every attempt, and no cell ever
goes to a second one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, insert, or_, select, update

from factory.ledger import pool_leases
from factory.ledger.attempts import OPEN_STATES, newest_of
from factory.ledger.claim import MAC, SERIAL
from factory.ledger.errors import Refused
from factory.ledger.journal import append
from factory.ledger.pool_imports import find, range_of, require_same
from factory.ledger.pool_records import Given, Want
from factory.ledger.pool_tables import pool_cells, pools
from factory.ledger.records import Attempt, as_text
from factory.ledger.schema import identity_values, units
from factory.ledger.store import Writer
from factory.values import Event, Facts, UnitState, Work, sentinel
from factory.values.pools import Numbered, PoolKind, PoolSpec, shown_value, text_of

GIVEN = "given"
BURNED = "burned"
_DONE = (UnitState.PASSED, UnitState.SHIPPED)
_CLOSED = (UnitState.QUARANTINED, UnitState.SCRAPPED)


def give(writer: Writer, wants: Sequence[Want], facts: Facts, *, slot: str) -> tuple[Given, ...]:
    """The unit's cell of each pool, its own where it has one. Nothing was written to the unit yet, and nothing must be
    where this raises.

    Raises UsageError `pool.unknown` and `pool.changed`; Refused `pool.foreign`, `pool.not-given`, `pool.burned`
    (what the unit shows), `pool.in-work`, `pool.key-passed`, `pool.key-closed`, `pool.known-unit` (who it is),
    `pool.exhausted`.
    """
    from_pools = [_pool(writer.connection, want.spec) for want in wants]
    own = [_cell_of(writer.connection, pool.id, want.key) for pool, want in zip(from_pools, wants, strict=True)]
    values = {(row.kind, row.value) for row in own if row is not None}
    for want in wants:
        _judge_shown(writer.connection, want, values)
    mine = {row.unit for row in own if row is not None and row.unit is not None}
    changes = any(_differs(want, row) for want, row in zip(wants, own, strict=True))
    if changes:
        _judge_unit(writer.connection, mine, facts)
    return tuple(
        _given(want, row.value, fresh=False) if row is not None else _give_next(writer, pool, want, slot)
        for pool, want, row in zip(from_pools, wants, own, strict=True)
    )


def objection(connection: Connection, work: Work | None, unit: int | None) -> Refused | None:
    """What speaks against admitting a unit with its cells: another unit has one of them, or it was burned."""
    for row in _rows_of(connection, work):
        what = shown_value(row.kind, row.value)
        if row.state == BURNED:
            return _burned(row, what)
        if row.unit is not None and row.unit != unit:
            other = newest_of(connection, row.unit)
            return Refused(
                f"{what} of a pool belongs to unit {other.hardware_id}, which was in {other.place()}",
                hint="Two boards show the same key: put both aside, and compare their serials with the labels.",
                code="pool.cell-taken",
                other=other,
            )
    return None


def are_of(connection: Connection, work: Work | None, unit: int) -> bool:
    """Whether the cells that a unit's keys stand for say that it is this unit."""
    rows = _rows_of(connection, work)
    return bool(rows) and all(row.unit == unit and row.state == GIVEN for row in rows)


def bind(writer: Writer, work: Work | None, unit: int, attempt: int) -> None:
    """Make the cells the unit's own, at its first admission with them. Call `objection` before."""
    for row in _rows_of(writer.connection, work):
        if row.unit is None:
            mine = (pool_cells.c.kind == row.kind) & (pool_cells.c.value == row.value)
            values = {"unit": unit, "attempt": attempt, "changed": as_text(writer.now)}
            writer.connection.execute(update(pool_cells).where(mine).values(**values))
            pool = writer.connection.execute(select(pools).where(pools.c.id == row.pool)).one()
            tell(writer, "pool.bound", pool, row.value, attempt=attempt, key=row.key, given=row.at)


def _pool(connection: Connection, spec: PoolSpec) -> Row[Any]:
    row = find(connection, spec.product, spec.name)
    if row is None:
        raise pool_leases.no_pool(spec.product, spec.name)
    require_same(row, spec)
    return row


def _cell_of(connection: Connection, pool: int, key: str) -> Row[Any] | None:
    mine = pool_cells.c
    query = select(pool_cells).where(mine.pool == pool, mine.key == key, mine.state == GIVEN)
    return connection.execute(query).first()


def _rows_of(connection: Connection, work: Work | None) -> Sequence[Row[Any]]:
    if work is None or not work.cells:
        return ()
    mine = [and_(pool_cells.c.kind == kind, pool_cells.c.value == value) for kind, value in work.cells]
    return connection.execute(select(pool_cells).where(or_(*mine))).all()


def _differs(want: Want, row: Row[Any] | None) -> bool:
    """Whether the unit would be written to."""
    if not want.writes:
        return row is None
    if row is None:
        return True
    values = _values(want.spec, row.value)
    if want.spec.kind is PoolKind.SERIAL:
        return [one.text() for one in want.shows.values()] != [row.value]
    shown = {name: one.text() for name, one in want.shows.items()}
    return any(shown.get(name) != values[offset] for name, offset in want.spec.offsets.items())


def _judge_shown(connection: Connection, want: Want, own: set[tuple[str, str]]) -> None:
    """Refuse a unit that shows a pool's value which is not its own."""
    for interface, value in want.shows.items():
        lies_in = range_of(connection, value)
        if lies_in is None:
            continue
        index, offset = divmod(value.number - lies_in.first, lies_in.stride)
        cell = None
        if 0 <= index < lies_in.cells and offset < lies_in.each:
            first = text_of(value.kind, value.prefix, value.width, value.number - offset)
            cell = _cell(connection, str(value.kind), first)
            if (str(value.kind), first) in own:
                continue
        what = f"{shown_value(value.kind, value.text())}{f' at {interface}' if interface else ''}"
        if cell is None:
            raise Refused(
                f"the unit shows {what} of pool {lies_in.pool_name}, which was never given to any unit",
                hint="Somebody wrote it by hand, or the pool's ranges are in use elsewhere. Put the unit aside, and "
                f"burn the value: factory pool burn {shown_value(value.kind, value.text())} --reason TEXT.",
                code="pool.not-given",
            )
        if cell.state == BURNED:
            raise _burned(cell, what)
        raise _foreign(connection, cell, what, lies_in.pool_name, want.key)


def _judge_unit(connection: Connection, mine: set[int], facts: Facts) -> None:
    """Refuse to give and write where the ledger knows the unit otherwise: nothing may be overwritten."""
    for unit in sorted(mine):
        row = connection.execute(select(units).where(units.c.id == unit)).one()
        last = newest_of(connection, unit)
        state = UnitState(row.state)
        if last.state in OPEN_STATES:
            hint = "Two boards show the same key, or its station was cut off: then start that station again."
            raise _known(last, "is in work", "pool.in-work", hint)
        if state in _CLOSED:
            raise _known(last, f"is {state}", "pool.key-closed", "Put it aside; see factory ledger trace.")
        if state in _DONE:
            hint = "If it is the same board and lost its values: factory unit rework. Else two boards show one key."
            raise _known(last, f"is {state}, and this one does not show its values", "pool.key-passed", hint)
    for unit in sorted(set(_owners(connection, facts)) - mine):
        last = newest_of(connection, unit)
        hint = "What it has would be overwritten. A unit that was made already keeps its values: see factory unit."
        raise _known(last, "owns what this unit shows, and has no value of the pool", "pool.known-unit", hint)


def _owners(connection: Connection, facts: Facts) -> Iterator[int]:
    """The units that own an address or the serial of what was read."""
    shown = {(MAC, mac.plain) for mac in facts.interfaces.values() if mac.defect() is None}
    if facts.serial and not sentinel(facts.serial):
        shown.add((SERIAL, facts.serial))
    if shown:
        query = select(identity_values).where(identity_values.c.value.in_([value for _, value in shown]))
        yield from (row.unit for row in connection.execute(query) if (row.kind, row.value) in shown)


def _give_next(writer: Writer, pool: Row[Any], want: Want, slot: str) -> Given:
    spec, station = want.spec, writer.signature.station
    while True:
        value = pool_leases.next_cell(writer, pool.id, station)
        if value is None:
            if not pool_leases.take(writer, pool.id, spec.name, station, spec.lease):
                raise pool_leases.exhausted(writer.connection, pool.id, spec.name, station)
            continue
        if _cell(writer.connection, pool.kind, value) is not None:
            continue  # burned before its turn came
        owner = _owner(writer.connection, spec, value)
        if owner is not None:
            # Another product's unit brought it along: whoever made that one, it is not free.
            reason = f"unit {newest_of(writer.connection, owner).hardware_id} has it, and not from the pool"
            put(writer, pool, value, BURNED, key=None, slot=slot, reason=reason)
            continue
        put(writer, pool, value, GIVEN, key=want.key, slot=slot, reason=None)
        remaining = pool_leases.remaining(writer.connection, pool.id, spec.low_water)
        return _given(want, value, fresh=True, remaining=remaining)


def put(
    writer: Writer, pool: Row[Any], value: str, state: str, *, key: str | None, slot: str | None, reason: str | None
) -> None:
    """Insert a cell and tell it."""
    now = as_text(writer.now)
    row = {"kind": pool.kind, "value": value, "pool": pool.id, "key": key, "state": state, "reason": reason}
    row |= {"slot": slot, "at": now, "changed": now}
    writer.connection.execute(insert(pool_cells).values(**row, **writer.signature.columns()))
    tell(writer, f"pool.{state}", pool, value, slot=slot, key=key, reason=reason)


def tell(
    writer: Writer,
    kind: str,
    pool: Row[Any],
    value: str,
    *,
    slot: str | None = None,
    attempt: int | None = None,
    **more: object,
) -> Event:
    """Append what became of a cell; it is found by every value of the cell and by its unit's key."""
    values = cell_values(PoolKind(pool.kind), value, pool.each)
    data: dict[str, object] = {"product": pool.product, "pool": pool.name}
    data["values"] = [shown_value(pool.kind, one) for one in values]
    data |= {name: one for name, one in more.items() if one is not None}
    key = more.get("key")
    about = (*values, key) if isinstance(key, str) else values
    return append(writer, kind, slot=slot, attempt=attempt, data=data, about=about)


def _owner(connection: Connection, spec: PoolSpec, value: str) -> int | None:
    kind = MAC if spec.kind is PoolKind.MAC else SERIAL
    mine = identity_values.c
    query = select(mine.unit).where(mine.kind == kind, mine.value.in_(_values(spec, value)))
    return connection.execute(query.limit(1)).scalar()


def _cell(connection: Connection, kind: str, value: str) -> Row[Any] | None:
    query = select(pool_cells).where(pool_cells.c.kind == kind, pool_cells.c.value == value)
    return connection.execute(query).first()


def _values(spec: PoolSpec, value: str) -> tuple[str, ...]:
    return cell_values(spec.kind, value, spec.count)


def cell_values(kind: PoolKind, value: str, count: int) -> tuple[str, ...]:
    """All values of a cell by its first one."""
    first = Numbered.parse(kind, value)
    numbers = range(first.number, first.number + count)
    return tuple(text_of(first.kind, first.prefix, first.width, number) for number in numbers)


def _given(want: Want, value: str, *, fresh: bool, remaining: int | None = None) -> Given:
    return Given(want.spec.name, want.spec.kind, want.key, _values(want.spec, value), fresh, remaining)


def _known(last: Attempt, what: str, code: str, hint: str) -> Refused:
    return Refused(f"unit {last.hardware_id} {what}; it was in {last.place()}", hint=hint, code=code, other=last)


def _burned(cell: Row[Any], what: str) -> Refused:
    return Refused(
        f"the unit has {what}, which is burned since {cell.changed}: {cell.reason}",
        hint="Put the unit aside: a burned value goes to no unit, for ever.",
        code="pool.burned",
    )


def _foreign(connection: Connection, cell: Row[Any], what: str, pool: str, key: str) -> Refused:
    other = None if cell.unit is None else newest_of(connection, cell.unit)
    owner = (
        f"the unit with key {cell.key} in slot {cell.slot} of station {cell.station} at {cell.at}"
        if other is None
        else f"unit {other.hardware_id} (key {cell.key}), which was in {other.place()}"
    )
    return Refused(
        f"the unit shows {what}, and pool {pool} gave that to {owner}; this one has key {key}",
        hint="One of them is a clone. Put both aside, and compare them with their labels.",
        code="pool.foreign",
        other=other,
    )
