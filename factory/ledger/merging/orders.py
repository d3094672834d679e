"""Orders that both ledgers have: the same file imported twice is one order, and a row is one unit's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, select

from factory.ledger.merging.conflicts import Conflict
from factory.ledger.merging.plan import Plan, place_of
from factory.ledger.merging.sides import parts
from factory.ledger.schema import order_keys, order_rows, orders


def of_orders(plan: Plan) -> None:
    """Find the orders that are here already, and rows that say something else here."""
    for order in plan.source.execute(select(orders).order_by(orders.c.id)).all():
        ours = _same(plan, order)
        if ours is not None:
            plan.numbers["orders"][order.id] = ours
        rows = plan.source.execute(select(order_rows).where(order_rows.c.order_id == order.id)).all()
        for part in parts(rows):
            _rows(plan, order, ours, part)


def _same(plan: Plan, order: Row[Any]) -> int | None:
    """Our order of the same lot and file; of several the one that was imported in the same moment."""
    same = (orders.c.lot == order.lot) & (orders.c.sha256 == order.sha256)
    found = plan.target.execute(select(orders).where(same).order_by(orders.c.id)).all()
    moment = (order.at, plan.station(order.station))
    best = next((row for row in found if (row.at, row.station) == moment), found[0] if found else None)
    return None if best is None else int(best.id)


def _rows(plan: Plan, order: Row[Any], ours: int | None, rows: Any) -> None:
    numbers = [row.number for row in rows]
    there = (order_rows.c.order_id == ours) & order_rows.c.number.in_(numbers)
    known = {} if ours is None else {row.number: row for row in plan.target.execute(select(order_rows).where(there))}
    keys: Mapping[int, list[Row[Any]]] = _keys(plan, order.id, numbers)
    taken = _taken(plan, order.lot, [key for own in keys.values() for key in own])
    bound = _bound(plan, order.lot, rows)
    for row in rows:
        place = f"{order.file} row {row.number} of lot {order.lot}"
        other = known.get(row.number)
        if other is not None and other.cells != row.cells:
            _leave_out(plan, row, keys[row.number])
            _conflict(plan, place, "says something else", other, row)
            continue
        clash = next((one for key in keys[row.number] for one in taken.get((key.kind, key.value), ())
                      if (one.order_id, one.number) != (ours, row.number)), None)  # fmt: skip
        if clash is not None and other is None:
            _leave_out(plan, row, keys[row.number])
            _conflict(plan, place, f"has a value of another row ({clash.kind} {clash.value})", None, row)
        elif row.unit is not None:
            _unit(plan, place, row, other, bound)


def _unit(plan: Plan, place: str, row: Row[Any], other: Row[Any] | None, bound: Mapping[int, Row[Any]]) -> None:
    unit = plan.unit(row.unit)
    if other is not None and other.unit is not None and other.unit != unit:
        _conflict(plan, place, "was given to two units", other, row)
    elif unit is not None and unit in bound and (other is None or bound[unit].number != other.number):
        plan.unbound.add((row.order_id, row.number))
        _conflict(plan, place, "was given to a unit that has another row here", bound[unit], row)


def _bound(plan: Plan, lot: str, rows: Any) -> dict[int, Row[Any]]:
    """The rows of the lot that units of theirs have here."""
    units = [unit for unit in (plan.unit(row.unit) for row in rows) if unit is not None]
    mine = (order_rows.c.lot == lot) & order_rows.c.unit.in_(units)
    return {row.unit: row for row in plan.target.execute(select(order_rows).where(mine))} if units else {}


def _keys(plan: Plan, order: int, numbers: list[int]) -> dict[int, list[Row[Any]]]:
    found: dict[int, list[Row[Any]]] = defaultdict(list)
    mine = (order_keys.c.order_id == order) & order_keys.c.number.in_(numbers)
    for row in plan.source.execute(select(order_keys).where(mine)):
        found[row.number].append(row)
    return found


def _taken(plan: Plan, lot: str, keys: list[Row[Any]]) -> dict[tuple[str, str], list[Row[Any]]]:
    found: dict[tuple[str, str], list[Row[Any]]] = defaultdict(list)
    for part in parts(sorted({key.value for key in keys})):
        mine = (order_keys.c.lot == lot) & order_keys.c.value.in_(part)
        for row in plan.target.execute(select(order_keys).where(mine)):
            found[row.kind, row.value].append(row)
    return found


def _leave_out(plan: Plan, row: Row[Any], keys: list[Row[Any]]) -> None:
    plan.leave_out(order_rows, row)
    plan.left_out |= {place_of(order_keys, key) for key in keys}


def _conflict(plan: Plan, place: str, what: str, ours: Row[Any] | None, row: Row[Any]) -> None:
    here = "another row of the lot has it" if ours is None else f"unit {ours.unit or 'none yet'}, {ours.cells[:120]}"
    units = () if ours is None or ours.unit is None else (ours.unit,)
    sources = () if row.unit is None else (row.unit,)
    there = f"unit {row.unit or 'none yet'}, {row.cells[:120]}"
    plan.conflicts.append(Conflict("order", f"{place} {what}", here, there, units, sources))
