"""Pools that both ledgers have: ranges or leases that overlap, and cells that were given twice. A value that stands
against another is burned: it is on a unit, and nobody gets it again.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, select, tuple_

from factory.ledger.merging.conflicts import Conflict
from factory.ledger.merging.plan import Plan
from factory.ledger.merging.sides import parts
from factory.ledger.pool_tables import pool_cells, pool_leases, pool_ranges, pools
from factory.values.pools import shown_value, text_of

_BOUND = ("kind", "each", "align")


def of_pools(plan: Plan) -> None:
    """Find the pools that are here already, and what of theirs contradicts ours."""
    for row in plan.source.execute(select(pools).order_by(pools.c.id)).all():
        same = (pools.c.product == row.product) & (pools.c.name == row.name)
        ours = plan.target.execute(select(pools).where(same)).first()
        if ours is None:
            continue
        plan.numbers["pools"][row.id] = ours.id
        if any(getattr(row, name) != getattr(ours, name) for name in _BOUND):
            here, there = [", ".join(f"{name} {getattr(one, name)}" for name in _BOUND) for one in (ours, row)]
            plan.conflicts.append(Conflict("pool", f"pool {row.name} of {row.product} is made otherwise", here, there))
    for row in plan.source.execute(select(pool_ranges).order_by(pool_ranges.c.id)).all():
        _range(plan, row)
    for part in parts(plan.source.execute(select(pool_cells).order_by(pool_cells.c.value)).all()):
        values = [(row.kind, row.value) for row in part]
        known = plan.target.execute(select(pool_cells).where(tuple_(pool_cells.c.kind, pool_cells.c.value).in_(values)))
        held = {(row.kind, row.value): row for row in known}
        for row in part:
            _cell(plan, row, held.get((row.kind, row.value)))
    if not plan.is_journal:  # what a journal gives from is a lease of ours
        for row in plan.source.execute(select(pool_leases).order_by(pool_leases.c.id)).all():
            _lease(plan, row)


def _range(plan: Plan, row: Row[Any]) -> None:
    mine = pool_ranges.c
    same = (mine.kind == row.kind) & (mine.prefix == row.prefix) & (mine.width == row.width)
    for ours in plan.target.execute(select(pool_ranges).where(same, mine.low <= row.high, mine.high >= row.low)):
        shape = ("low", "high", "first", "cells", "stride")
        if all(getattr(ours, name) == getattr(row, name) for name in shape) and ours.pool == _pool(plan, row):
            continue
        plan.leave_out(pool_ranges, row)
        what = "ranges of pools overlap, so that both ledgers could give the same values"
        here, there = [f"{one.file} {one.place}, imported at {one.at} by {one.station}" for one in (ours, row)]
        plan.conflicts.append(Conflict("pool", what, here, there))


def _lease(plan: Plan, row: Row[Any]) -> None:
    """Two stations that lease the same cells give them twice: each gives without asking."""
    mine = pool_leases.c
    same = (mine.kind == row.kind) & (mine.prefix == row.prefix) & (mine.width == row.width)
    # Ours do not overlap each other, so that the last one which begins before theirs ends is the first to reach it.
    below = select(pool_leases).where(same, mine.first <= _end(row)).order_by(mine.first.desc()).limit(1)
    ours = plan.target.execute(below).first()
    if ours is None or _end(ours) < row.first:
        return
    theirs = (plan.station(row.station), row.first, row.cells, row.stride)
    if (ours.station, ours.first, ours.cells, ours.stride) == theirs:
        return
    plan.leave_out(pool_leases, row)
    here, there = [_leased(one) for one in (ours, row)]
    plan.conflicts.append(Conflict("pool", "the same values are leased by both ledgers", here, there))


def _end(lease: Row[Any]) -> int:
    end: int = lease.first + (lease.cells - 1) * lease.stride
    return end


def _leased(lease: Row[Any]) -> str:
    ends = [
        shown_value(lease.kind, text_of(lease.kind, lease.prefix, lease.width, number))
        for number in (lease.first, _end(lease))
    ]
    return f"{lease.cells} from {' to '.join(ends)}, leased to station {lease.station} at {lease.at}"


def _cell(plan: Plan, row: Row[Any], ours: Row[Any] | None) -> None:
    mine, pool = pool_cells.c, _pool(plan, row)
    if ours is not None:
        if ours.key != row.key:
            _conflict(plan, f"{row.kind} {row.value} was given twice", ours, row)
        elif _differs(plan, row, ours):
            _conflict(plan, f"{row.kind} {row.value} was changed here and there", ours, row)
        return
    if row.state != "given" or pool is None:
        return
    live = (mine.pool == pool) & (mine.key == row.key) & (mine.state == "given")
    ours = plan.target.execute(select(pool_cells).where(live)).first()
    if ours is not None and not _burned_there(plan, ours):
        # Taken over as burned (`merge`): the value is on a unit, or may be.
        _conflict(plan, f"one unit ({row.key}) got two values", ours, row)


def _differs(plan: Plan, row: Row[Any], ours: Row[Any]) -> bool:
    """Whether a value was bound to two units, or burned by one of the two while the other went on with it."""
    if row.unit is not None and ours.unit is not None and ours.unit != plan.unit(row.unit):
        return True
    return bool(row.state != ours.state and plan.both_changed(row.changed, ours.changed))


def _burned_there(plan: Plan, ours: Row[Any]) -> bool:
    same = (pool_cells.c.kind == ours.kind) & (pool_cells.c.value == ours.value)
    row = plan.source.execute(select(pool_cells).where(same)).first()
    return row is not None and row.state != "given" and row.changed > ours.changed


def _pool(plan: Plan, row: Row[Any]) -> int | None:
    return plan.numbers["pools"].get(row.pool)


def _conflict(plan: Plan, what: str, ours: Row[Any], row: Row[Any]) -> None:
    plan.leave_out(pool_cells, row)
    here, there = [
        f"{one.value} for {one.key or 'nobody'}, {one.state} at {one.at} by {one.station}, slot {one.slot or '-'}"
        for one in (ours, row)
    ]
    units = () if ours.unit is None else (ours.unit,)
    sources = () if row.unit is None else (row.unit,)
    plan.conflicts.append(Conflict("pool", what, here, there, units, sources))
