"""Ranges of a pool come in: whole or not at all, and none that anybody has already."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from factory.errors import Exit, FactoryError, UsageError
from factory.ledger.journal import append
from factory.ledger.pool_overlaps import overlaps
from factory.ledger.pool_records import PlacedRun, PoolFile, PoolImported
from factory.ledger.pool_tables import pool_gate, pool_ranges, pools
from factory.ledger.records import as_text, as_time
from factory.ledger.store import Writer
from factory.values.pools import Numbered, PoolSpec

_SHOWN = 10
_MOST = 1000
_GATE = 1


class PoolTaken(FactoryError):  # noqa: N818 - reads as what happened
    """Ranges were not imported: somebody has values of theirs. `reasons` has one line each."""

    code = "pool.overlap"
    exit_code = Exit.FAILED

    def __init__(self, file: str, reasons: tuple[str, ...]) -> None:
        lines = "".join(f"\n  {reason}" for reason in reasons[:_SHOWN])
        more = f"\n  and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
        count = f"at least {_MOST}" if len(reasons) >= _MOST else len(reasons)
        super().__init__(
            f"{file} was not imported: {count} overlaps with what somebody has{lines}{more}",
            hint="A value is given once. Ask the supplier for other ranges, or leave these out of the file.",
        )
        self.reasons = reasons


def take_in(writer: Writer, spec: PoolSpec, file: PoolFile, runs: Sequence[PlacedRun]) -> PoolImported:
    """Add runs, which do not overlap each other, to a pool; the first import makes it.

    Raises PoolTaken naming every overlap with a range or a unit, UsageError (`pool.changed`) where the product
    declares another pool than this was, `pool.nothing` where no run has room for one cell.
    """
    _pass_gate(writer)
    pool = bound(writer, spec)
    _require_new(writer.connection, file)
    reasons = tuple(itertools.islice(overlaps(writer.connection, runs), _MOST))
    if reasons:
        raise PoolTaken(file.name, reasons)
    rows = list(_rows(writer, pool, spec, file, runs))
    values, cells = sum(placed.run.size for placed in runs), sum(row["cells"] for row in rows)
    if not rows:
        raise UsageError(
            f"{file.name} has no room for one unit of pool {spec.name}: {spec.count} values, the first of them a "
            f"multiple of {spec.align}",
            code="pool.nothing",
        )
    writer.connection.execute(insert(pool_ranges), rows)
    imported = PoolImported(values, cells, values - cells * spec.count, len(rows))
    told = {"product": spec.product, "pool": spec.name, "file": file.name, "sha256": file.sha256}
    counts = {"ranges": len(rows), "values": values, "cells": cells, "left_over": imported.left_over}
    append(writer, "pool.imported", data={**told, **counts}, about=(file.name, file.sha256))
    return imported


def bound(writer: Writer, spec: PoolSpec) -> int:
    """The pool's number; it is made where there is none. Raises UsageError (`pool.changed`)."""
    row = find(writer.connection, spec.product, spec.name)
    if row is None:
        values = {"product": spec.product, "name": spec.name, "kind": str(spec.kind), "each": spec.count}
        values |= {"align": spec.align, "low_water": spec.low_water, "at": as_text(writer.now)}
        made = writer.connection.execute(insert(pools).values(**values, **writer.signature.columns()))
        assert made.inserted_primary_key is not None
        return int(made.inserted_primary_key[0])
    require_same(row, spec)
    if row.low_water != spec.low_water:
        writer.connection.execute(update(pools).where(pools.c.id == row.id).values(low_water=spec.low_water))
    return int(row.id)


def find(connection: Connection, product: str, name: str) -> Row[Any] | None:
    """A pool's row."""
    return connection.execute(select(pools).where(pools.c.product == product, pools.c.name == name)).first()


def require_same(row: Row[Any], spec: PoolSpec) -> None:
    """Raise UsageError (`pool.changed`) where a product's pool is not what it was when it was imported."""
    was = {"kind": row.kind, "count": row.each, "align": row.align}
    now = {"kind": str(spec.kind), "count": spec.count, "align": spec.align}
    differs = [f"{name} was {was[name]} and is {now[name]}" for name in was if was[name] != now[name]]
    if differs:
        raise UsageError(
            f"pool {spec.name} of product {spec.product} is not what it was when it was imported: {', '.join(differs)}",
            hint="Its cells were cut then. Give the changed pool another name, and import ranges for it.",
            code="pool.changed",
        )


def range_of(connection: Connection, value: Numbered) -> Row[Any] | None:
    """The imported range that a value lies in, whether or not a cell reaches it."""
    mine = pool_ranges.c
    row = (mine.kind == str(value.kind)) & (mine.prefix == value.prefix) & (mine.width == value.width)
    query = select(pool_ranges, pools.c.product, pools.c.name.label("pool_name"), pools.c.each).join(pools)
    below = query.where(row, mine.low <= value.number).order_by(mine.low.desc()).limit(1)
    found = connection.execute(below).first()
    return found if found is not None and value.number <= found.high else None


def _require_new(connection: Connection, file: PoolFile) -> None:
    """Raise UsageError (`pool.imported`) for a file that came in before: that is no overlap but a second try."""
    row = connection.execute(select(pool_ranges).where(pool_ranges.c.sha256 == file.sha256).limit(1)).first()
    if row is not None:
        at = f"{as_time(row.at):%Y-%m-%d %H:%M:%S} UTC"
        raise UsageError(
            f"{file.name} was imported already, as {row.file} at {at}",
            hint="Nothing was changed.",
            code="pool.imported",
        )


def _pass_gate(writer: Writer) -> None:
    if writer.connection.execute(select(pool_gate).with_for_update()).first() is None:
        writer.connection.execute(insert(pool_gate).values(id=_GATE))


def _rows(
    writer: Writer, pool: int, spec: PoolSpec, file: PoolFile, runs: Sequence[PlacedRun]
) -> Iterator[dict[str, Any]]:
    told = {"file": file.name, "sha256": file.sha256, "at": as_text(writer.now), **writer.signature.columns()}
    for placed in runs:
        run = placed.run
        cut = spec.cut(run)
        if cut.cells:
            row = {"pool": pool, "kind": str(run.kind), "prefix": run.prefix, "width": run.width, "low": run.low}
            row |= {"high": run.high, "first": cut.first, "cells": cut.cells, "stride": cut.stride, "taken": 0}
            yield row | told | {"place": placed.place}
