"""How pools stand: what is left, who holds it, how long it lasts; and values that are burned by hand."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, or_, select, update

from factory.errors import UsageError
from factory.ledger import pool_agreement, pool_leases
from factory.ledger import pool_cells as cells
from factory.ledger.attempts import newest_of
from factory.ledger.errors import Refused
from factory.ledger.pool_imports import range_of
from factory.ledger.pool_records import PoolState
from factory.ledger.pool_tables import pool_cells, pool_ranges, pools
from factory.ledger.pool_tables import pool_leases as pool_leases_table
from factory.ledger.records import as_text, as_time
from factory.ledger.schema import units
from factory.ledger.store import Writer, utc_now
from factory.values import Event, Finding, InvalidValue, Mac, Severity, UnitState
from factory.values.pools import Numbered, PoolKind, shown_value, text_of

# The present rate is that of so many cells given last, up to now.
_RATE_OF = 500
_LEAST = 60.0  # seconds that a rate is told of
_DAY = 86400.0
_CLOSED = [str(UnitState.QUARANTINED), str(UnitState.SCRAPPED)]


def states(connection: Connection, now: datetime) -> tuple[PoolState, ...]:
    """Every pool, by product and name."""
    rows = connection.execute(select(pools).order_by(pools.c.product, pools.c.name))
    return tuple(_state(connection, row, now) for row in rows.all())


def findings(connection: Connection) -> Iterator[Finding]:
    """Pools that run low."""
    for state in states(connection, utc_now()):
        if state.is_low:
            yield Finding(
                "POOL-LOW",
                Severity.WARNING,
                f"pool {state.name} of product {state.product}",
                f"values for {state.remaining} more units, and {state.low_water} is its low water{lasting(state)}",
                "Order further ranges now, and bring them in by `factory pool import`.",
            )


def faults(connection: Connection) -> Iterator[Finding]:
    """What is wrong with the pools themselves: what was given and no row knows, counters that no writer leaves."""
    hint = "Stop giving from it, and compare with the last backup."
    for place, what in (*pool_agreement.faults(connection), *pool_agreement.contradictions(connection)):
        yield Finding("LEDGER-POOL", Severity.ERROR, place, what, hint)


def lasting(state: PoolState) -> str:
    """How long a pool lasts, as the end of a sentence."""
    days = state.days_left
    return "" if days is None else f"; at the present rate they last {days:.1f} days"


def burn(writer: Writer, value: str, reason: str) -> Event:
    """Take the cell that a value belongs to out of its pool, for ever; the unit that it was given to gets another.

    Raises UsageError for a value of no pool, one that is burned already, and an empty reason; Refused
    (`pool.in-use`) for one that a unit of the ledger has.
    """
    if not reason.strip():
        raise UsageError("a reason is needed", hint="Say why in a few words: --reason TEXT.")
    number, lies_in = _find(writer.connection, value)
    first = _first_of(number, lies_in)
    if first is None:
        raise UsageError(f"{value} lies in pool {lies_in.pool_name} but in no cell of it: it is never given")
    mine = (pool_cells.c.kind == str(number.kind)) & (pool_cells.c.value == first)
    row = writer.connection.execute(select(pool_cells).where(mine).with_for_update()).first()
    pool = writer.connection.execute(select(pools).where(pools.c.id == lies_in.pool)).one()
    if row is None:
        cells.put(writer, pool, first, cells.BURNED, key=None, slot=None, reason=reason.strip())
        return writer.events[-1]
    if row.state == cells.BURNED:
        raise UsageError(f"{value} is burned already, since {row.changed[:16].replace('T', ' ')} UTC: {row.reason}")
    _require_unused(writer.connection, row)
    changed = {"state": cells.BURNED, "reason": reason.strip(), "changed": as_text(writer.now)}
    writer.connection.execute(update(pool_cells).where(mine).values(**changed))
    return cells.tell(writer, "pool.burned", pool, first, attempt=row.attempt, key=row.key, reason=reason.strip())


def burn_stray(writer: Writer, value: str, reason: str) -> None:
    """Burn a value that a unit shows and that nobody was given; nothing for one of no pool, or that is told already."""
    for kind in PoolKind:
        with contextlib.suppress(InvalidValue):
            number = Numbered.parse(kind, value)
            lies_in = range_of(writer.connection, number)
            first = None if lies_in is None else _first_of(number, lies_in)
            mine = (pool_cells.c.kind == str(kind)) & (pool_cells.c.value == first)
            if lies_in is not None and writer.connection.execute(select(pool_cells).where(mine)).first() is None:
                pool = writer.connection.execute(select(pools).where(pools.c.id == lies_in.pool)).one()
                if first is not None:
                    cells.put(writer, pool, first, cells.BURNED, key=None, slot=None, reason=reason)


def of_pools(connection: Connection, macs: Collection[Mac]) -> frozenset[Mac]:
    """Those of the addresses that lie in a pool's range."""
    found = {mac: range_of(connection, Numbered.parse(PoolKind.MAC, mac.plain)) for mac in macs}
    return frozenset(mac for mac, lies_in in found.items() if lies_in is not None)


def _first_of(number: Numbered, lies_in: Row[Any]) -> str | None:
    """The first value of the cell that a value belongs to; None where no cell reaches it."""
    index, offset = divmod(number.number - lies_in.first, lies_in.stride)
    if not (0 <= index < lies_in.cells and offset < lies_in.each):
        return None
    return text_of(number.kind, number.prefix, number.width, number.number - offset)


def _find(connection: Connection, value: str) -> tuple[Numbered, Row[Any]]:
    for kind in PoolKind:
        try:
            number = Numbered.parse(kind, value.strip())
        except InvalidValue:  # a value of the other kind
            continue
        lies_in = range_of(connection, number)
        if lies_in is not None:
            return number, lies_in
    raise UsageError(f"no pool of the ledger has {value}", hint="See: factory pool show.", code="pool.unknown-value")


def _require_unused(connection: Connection, row: Row[Any]) -> None:
    if row.unit is None:
        return
    state = connection.execute(select(units.c.state).where(units.c.id == row.unit)).scalar_one()
    if state not in _CLOSED:
        last = newest_of(connection, row.unit)
        raise Refused(
            f"{shown_value(row.kind, row.value)} is that of unit {last.hardware_id}, which is {state}",
            hint="Quarantine or scrap the unit: factory unit quarantine VALUE --reason TEXT.",
            code="pool.in-use",
            other=last,
        )


def _state(connection: Connection, row: Row[Any], now: datetime) -> PoolState:
    ranges, mine = pool_ranges.c, pool_cells.c
    total, taken = connection.execute(
        select(func.coalesce(func.sum(ranges.cells), 0), func.coalesce(func.sum(ranges.taken), 0)).where(
            ranges.pool == row.id
        )
    ).one()
    out = or_(mine.state == cells.BURNED, units.c.state.in_(_CLOSED))
    joined = pool_cells.outerjoin(units, units.c.id == mine.unit)
    burned = connection.execute(select(func.count()).select_from(joined).where(mine.pool == row.id, out)).scalar_one()
    every = connection.execute(select(func.count()).where(mine.pool == row.id)).scalar_one()
    files = select(ranges.file, ranges.at).where(ranges.pool == row.id).distinct().order_by(ranges.at)
    last = connection.execute(select(func.max(mine.at)).where(mine.pool == row.id)).scalar()
    free, leased = int(total) - int(taken), pool_leases.leased_to(connection, row.id)
    for station in _burned_ahead(connection, row.id):
        if station is None:
            free -= 1
        else:
            leased[station] -= 1
    return PoolState(
        product=row.product,
        name=row.name,
        kind=PoolKind(row.kind),
        count=row.each,
        align=row.align,
        low_water=row.low_water,
        total=int(total),
        given=int(every) - int(burned),
        burned=int(burned),
        leased={station: count for station, count in leased.items() if count},
        free=free,
        per_day=_rate(connection, row.id, now),
        files=tuple(dict.fromkeys(connection.execute(files).scalars())),
        last_given=as_time(last) if last else None,
    )


def _burned_ahead(connection: Connection, pool: int) -> Iterator[str | None]:
    """For each cell that was burned before its turn: the station that has it leased, None where none has."""
    mine, leases = pool_cells.c, pool_leases_table.c
    burned = select(mine.kind, mine.value).where(mine.pool == pool, mine.state == cells.BURNED, mine.key.is_(None))
    for kind, value in connection.execute(burned).all():
        cell = Numbered.parse(PoolKind(kind), value)
        row = (leases.kind == kind) & (leases.prefix == cell.prefix) & (leases.width == cell.width)
        query = select(pool_leases_table).where(row, leases.first <= cell.number).order_by(leases.first.desc())
        lease = connection.execute(query.limit(1)).first()
        index = None if lease is None else (cell.number - lease.first) // lease.stride
        if lease is None or index is None or index >= lease.cells:
            yield None
        elif index >= lease.next:
            yield lease.station


def _rate(connection: Connection, pool: int, now: datetime) -> float | None:
    """Cells per day: the last ones given, over the time from the first of them to now. A clock that went back tells
    nothing.
    """
    mine = pool_cells.c
    query = select(mine.at).where(mine.pool == pool, mine.key.is_not(None)).order_by(mine.at.desc()).limit(_RATE_OF)
    times = [as_time(at) for at in connection.execute(query).scalars()]
    if len(times) < 2:
        return None
    seconds = (max(now, times[0]) - times[-1]).total_seconds()
    return None if seconds < _LEAST else (len(times) - 1) * _DAY / seconds
