"""Copying the rows of one table: numbers become ours, what we have is ours already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, insert, select, tuple_, update

from factory.ledger.label_tables import LIVE, labels
from factory.ledger.merging.plan import Plan
from factory.ledger.merging.sides import AT_ONCE
from factory.ledger.merging.tables import Merged
from factory.ledger.pool_tables import pool_cells, pool_ranges
from factory.ledger.records import as_text
from factory.ledger.schema import order_rows
from factory.ledger.stage_tables import lot_stops
from factory.ledger.store import Writer

Values = dict[str, Any]


def copy_rows(writer: Writer, plan: Plan, spec: Merged) -> int:
    """Take over the rows of one table; returns how many are new here.

    What changed goes first: a row that has made room there must have made room here when the new one comes.
    """
    fresh: list[tuple[int | None, Values]] = []
    seen: set[tuple[Any, ...]] = set()
    ordered = select(spec.table).order_by(*spec.table.primary_key).execution_options(yield_per=AT_ONCE)
    for part in plan.source.execute(ordered).partitions(AT_ONCE):
        mapped = [(row, _as_here(plan, spec, row)) for row in part]
        wanted = [(row, values) for row, values in mapped if values is not None]
        ours = _ours(plan.target, spec, [values for _, values in wanted])
        for row, values in wanted:
            key = _key(spec, values)
            number = None if spec.number is None else getattr(row, spec.number)
            if key in ours:
                if not plan.is_left_out(spec.table, row):
                    _change(plan, spec, number, values, ours[key])
            elif key not in seen:
                seen.add(key)
                fresh.append((number, values))
    rows = _made_room(writer, plan, spec, fresh)
    for start in range(0, len(rows), AT_ONCE):
        _insert(plan, spec, rows[start : start + AT_ONCE])
    return len(rows)


def _as_here(plan: Plan, spec: Merged, row: Row[Any]) -> Values | None:
    """A row of theirs with our numbers and names; None for one that is not taken over."""
    if plan.is_left_out(spec.table, row):
        return _burned(plan, row) if spec.table is pool_cells else None
    values = row._asdict()
    if spec.number is not None:
        number = values.pop(spec.number)
        if spec.table.name == "orders" and number in plan.numbers["orders"]:
            return None
    if "station" in values:
        values["station"] = plan.station(values["station"])
    for column, table in spec.refs.items():
        if values[column] is None:
            continue
        found = plan.numbers[table].get(values[column])
        if found is None and spec.stands_in and table == "units":
            found = _stands_in(plan, values[column])
        if found is None and not spec.table.c[column].nullable:
            return None  # of a unit that was put aside: its events tell it
        values[column] = found
    if spec.table is order_rows and (row.order_id, row.number) in plan.unbound:
        values["unit"] = None
    return values


def _burned(plan: Plan, row: Row[Any]) -> Values | None:
    """A value that was given against another one: it is on a unit, and comes here as one that is never given."""
    pool = plan.numbers["pools"].get(row.pool)
    if pool is None:
        return None
    values = row._asdict() | {"pool": pool, "unit": None, "attempt": None, "state": "burned"}
    return values | {"station": plan.station(row.station), "reason": "given against another value by two ledgers"}


def _stands_in(plan: Plan, unit: int) -> int | None:
    place = plan.places.get(unit)
    return None if place is None or place.here is None else place.here.unit


def _ours(target: Connection, spec: Merged, rows: Sequence[Values]) -> dict[tuple[Any, ...], Row[Any]]:
    columns = [spec.table.c[name] for name in spec.key]
    keys = [_key(spec, values) for values in rows]
    if not keys:
        return {}
    among = columns[0].in_([key[0] for key in keys]) if len(columns) == 1 else tuple_(*columns).in_(keys)
    found = target.execute(select(spec.table).where(among))
    return {tuple(getattr(row, name) for name in spec.key): row for row in found}


def _key(spec: Merged, values: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(values[name] for name in spec.key)


def _change(plan: Plan, spec: Merged, number: int | None, values: Values, ours: Row[Any]) -> None:
    if spec.number is not None and number is not None:
        plan.numbers.setdefault(spec.table.name, {})[number] = getattr(ours, spec.number)
    if spec.table is pool_ranges and plan.is_journal:
        return  # a journal took its ranges along as ones of which nothing is left to lease
    known = ours._asdict()
    changed = {name: value for name, value in spec.known(values, known).items() if value != known[name]}
    if changed:
        same = and_(*(column == known[column.name] for column in spec.table.primary_key))
        plan.target.execute(update(spec.table).where(same).values(**changed))


def _insert(plan: Plan, spec: Merged, rows: Sequence[tuple[int | None, Values]]) -> None:
    values = [row for _, row in rows]
    if spec.number is None:
        plan.target.execute(insert(spec.table), values)
        return
    column = spec.table.c[spec.number]
    made = plan.target.execute(insert(spec.table).returning(column, sort_by_parameter_order=True), values).scalars()
    numbers = plan.numbers.setdefault(spec.table.name, {})
    numbers |= {number: ours for (number, _), ours in zip(rows, made, strict=True) if number is not None}


def _made_room(
    writer: Writer, plan: Plan, spec: Merged, fresh: list[tuple[int | None, Values]]
) -> list[tuple[int | None, Values]]:
    """What has one place in the whole ledger: a unit's live label, and a lot's open stop."""
    if spec.table is labels:
        _relabel(writer, plan.target, [values for _, values in fresh])
    if spec.table is lot_stops:
        standing = set(plan.target.execute(select(lot_stops.c.lot).where(lot_stops.c.accepted.is_(None))).scalars())
        return [one for one in fresh if one[1]["accepted"] is not None or one[1]["lot"] not in standing]
    return fresh


def _relabel(writer: Writer, target: Connection, fresh: Sequence[Values]) -> None:
    """Labels count on from ours, and a unit keeps one live label at most."""
    units = sorted({values["unit"] for values in fresh})
    last: dict[int, int] = {}
    for start in range(0, len(units), AT_ONCE):
        part = units[start : start + AT_ONCE]
        for row in target.execute(select(labels.c.unit, labels.c.number).where(labels.c.unit.in_(part))):
            last[row.unit] = max(last.get(row.unit, 0), row.number)
    for values in fresh:
        if values["unit"] in last:
            last[values["unit"]] += 1
            values["number"] = last[values["unit"]]
            if values["state"] in LIVE:
                _void_one(writer, target, values)


def _void_one(writer: Writer, target: Connection, values: Values) -> None:
    """Of two live labels that of the later attempt is the unit's. Two of one attempt were printed again here and there,
    and nobody knows which is on the unit: neither counts.
    """
    before = (labels.c.unit == values["unit"]) & labels.c.state.in_(LIVE)
    ours = target.execute(select(labels.c.attempt).where(before)).scalar()
    if ours is None:
        return
    reason = "printed again by two ledgers" if ours == values["attempt"] else "the unit was made again elsewhere"
    void = {"state": "void", "voided_at": as_text(writer.now), "reason": reason}
    if ours <= values["attempt"]:
        target.execute(update(labels).where(before).values(**void))
    if ours >= values["attempt"]:
        values |= void
