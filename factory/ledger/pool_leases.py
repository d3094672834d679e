"""Leases of stations: whoever holds one gives from it alone, also while nobody else can be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from factory.errors import UsageError
from factory.ledger.errors import Refused
from factory.ledger.journal import append
from factory.ledger.pool_imports import find
from factory.ledger.pool_tables import pool_leases, pool_ranges
from factory.ledger.records import as_text
from factory.ledger.store import Writer
from factory.values.pools import text_of

# Ranges looked at in one go; a list of single values has many.
_AT_ONCE = 50
_taken = update(pool_ranges).where(pool_ranges.c.id == bindparam("range")).values(taken=bindparam("now"))


def lease(writer: Writer, product: str, name: str, station: str, cells: int) -> int:
    """Let a station have so many cells beyond what it has; returns how many there were to have.

    Raises UsageError for an unknown pool.
    """
    pool = find(writer.connection, product, name)
    if pool is None:
        raise no_pool(product, name)
    return take(writer, pool.id, name, station, cells)


def take(writer: Writer, pool: int, name: str, station: str, cells: int) -> int:
    """Lease up to so many cells of a pool, the oldest ranges first; returns how many."""
    signed = {"at": as_text(writer.now), **writer.signature.columns(), "station": station}
    left = cells
    leased: list[dict[str, Any]] = []
    while left:
        mine = pool_ranges.c
        open_ranges = select(pool_ranges).where(mine.pool == pool, mine.taken < mine.cells).order_by(mine.id)
        rows = writer.connection.execute(open_ranges.limit(_AT_ONCE).with_for_update()).all()
        if not rows:
            break
        taken = []
        for row in rows[:left]:
            count = min(left, row.cells - row.taken)
            if count:
                leased.append(_lease_from(row, count) | signed)
                taken.append({"range": row.id, "now": row.taken + count})
                left -= count
        writer.connection.execute(_taken, taken)
    if leased:
        writer.connection.execute(insert(pool_leases), leased)
        _tell(writer, name, station, leased)
    return cells - left


def next_cell(writer: Writer, pool: int, station: str) -> str | None:
    """Take the next cell from the station's own leases; None when they are used up. The caller gives it, or burns it:
    it never comes again.
    """
    mine = pool_leases.c
    query = select(pool_leases).where(mine.pool == pool, mine.station == station, mine.next < mine.cells)
    row = writer.connection.execute(query.order_by(mine.id).limit(1).with_for_update()).first()
    if row is None:
        return None
    writer.connection.execute(update(pool_leases).where(mine.id == row.id).values(next=row.next + 1))
    return text_of(row.kind, row.prefix, row.width, row.first + row.next * row.stride)


def remaining(connection: Connection, pool: int, enough: int) -> int:
    """Cells that no station has given yet, by whomever they are leased. Exact below `enough`; from there on it only
    says that there are so many: a list of single values has a range for each.
    """
    ranges, leases = pool_ranges.c, pool_leases.c
    free = select((ranges.cells - ranges.taken).label("left")).where(ranges.pool == pool, ranges.taken < ranges.cells)
    leased = select((leases.cells - leases.next).label("left")).where(leases.pool == pool, leases.next < leases.cells)
    total = 0
    for query in (leased, free):
        # Each of them has one cell at least.
        some = query.limit(enough + 1).subquery()
        total += int(connection.execute(select(func.coalesce(func.sum(some.c.left), 0))).scalar_one())
    return total


def leased_to(connection: Connection, pool: int) -> dict[str, int]:
    """What each station has leased and not given yet."""
    mine = pool_leases.c
    query = select(mine.station, func.sum(mine.cells - mine.next)).where(mine.pool == pool, mine.next < mine.cells)
    return {station: int(count) for station, count in connection.execute(query.group_by(mine.station))}


def exhausted(connection: Connection, pool: int, name: str, station: str) -> Refused:
    """What to say when there is no cell for a unit."""
    others = {place: count for place, count in leased_to(connection, pool).items() if place != station}
    elsewhere = ", ".join(f"{count} at station {place}" for place, count in sorted(others.items()))
    return Refused(
        f"pool {name} is used up: there is nothing left for this unit",
        hint="Import further ranges: factory pool import FILE --product PRODUCT --bench BENCH. "
        + (f"Leased to others and not given yet: {elsewhere}." if elsewhere else "Nothing was written to the unit."),
        code="pool.exhausted",
    )


def no_pool(product: str, name: str) -> UsageError:
    """For a pool that nothing was ever imported for."""
    return UsageError(
        f"the ledger has no pool {name} of product {product}",
        hint=f"Import its ranges first: factory pool import FILE --product PRODUCT --bench BENCH --pool {name}.",
        code="pool.unknown",
    )


def _lease_from(row: Row[Any], count: int) -> dict[str, Any]:
    """The lease of a range's next cells."""
    values = {column: getattr(row, column) for column in ("pool", "kind", "prefix", "width", "stride")}
    return values | {"first": row.first + row.taken * row.stride, "cells": count, "next": 0}


def _tell(writer: Writer, name: str, station: str, leased: Sequence[Mapping[str, Any]]) -> None:
    """One event for all that was leased: the first value and the last, and in how many pieces."""
    first, last = leased[0], leased[-1]
    end = last["first"] + (last["cells"] - 1) * last["stride"]
    told = {
        "pool": name,
        "station": station,
        "cells": sum(one["cells"] for one in leased),
        "pieces": len(leased),
        "first": text_of(first["kind"], first["prefix"], first["width"], first["first"]),
        "last": text_of(last["kind"], last["prefix"], last["width"], end),
    }
    append(writer, "pool.leased", data=told)
