"""What of a supplier's ranges somebody has already: another range, or a unit of the ledger. One pass over either."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterable, Iterator

from sqlalchemy import Connection, select

from factory.errors import FactoryError
from factory.ledger.attempts import newest_of
from factory.ledger.claim import HARDWARE_ID, MAC, SERIAL
from factory.ledger.pool_records import PlacedRun
from factory.ledger.pool_tables import pool_ranges, pools
from factory.ledger.records import as_time
from factory.ledger.schema import identity_values
from factory.values.pools import Numbered, PoolKind, Run

# Values of units that are named for one range.
_NAMED = 3


def overlaps(connection: Connection, runs: Iterable[PlacedRun]) -> Iterator[str]:
    """One sentence for each overlap. The runs do not overlap each other."""
    rows: dict[tuple[PoolKind, str, int], list[PlacedRun]] = {}
    for placed in runs:
        rows.setdefault((placed.run.kind, placed.run.prefix, placed.run.width), []).append(placed)
    for of_row in rows.values():
        yield from _Row(of_row).overlaps(connection)


class _Row:
    """The runs of one row of values, to be found by their numbers."""

    def __init__(self, runs: Iterable[PlacedRun]) -> None:
        self._runs = sorted(runs, key=lambda one: one.run.low)
        self._lows = [placed.run.low for placed in self._runs]
        first = self._runs[0].run
        self._span = Run(first.kind, first.prefix, first.width, first.low, self._runs[-1].run.high)
        self._told: Counter[int] = Counter()

    def overlaps(self, connection: Connection) -> Iterator[str]:
        """First the ranges; the units of what is a range here already need not be told one by one."""
        yield from self._ranges(connection)
        yield from self._owned(connection)

    def _ranges(self, connection: Connection) -> Iterator[str]:
        span, mine = self._span, pool_ranges.c
        row = (mine.kind == str(span.kind)) & (mine.prefix == span.prefix) & (mine.width == span.width)
        query = select(pool_ranges, pools.c.product, pools.c.name.label("pool_name")).join(pools)
        query = query.where(row, mine.low <= span.high, mine.high >= span.low).order_by(mine.low)
        for other in connection.execute(query.execution_options(yield_per=500)):
            at = max(0, bisect.bisect_right(self._lows, other.low) - 1)
            while at < len(self._runs) and self._lows[at] <= other.high:
                placed = self._runs[at]
                if placed.run.high >= other.low:
                    self._told[at] = _NAMED
                    theirs = Run(span.kind, span.prefix, span.width, other.low, other.high)
                    yield (
                        f"{_where(placed)} overlaps {theirs} of pool {other.pool_name} of product {other.product}, "
                        f"imported from {other.file} {other.place} at {as_time(other.at):%Y-%m-%d %H:%M:%S} UTC"
                    )
                at += 1

    def _owned(self, connection: Connection) -> Iterator[str]:
        """Texts of one length with one beginning sort as their numbers do."""
        span, values = self._span, identity_values.c
        kinds = (MAC,) if span.kind is PoolKind.MAC else (SERIAL, HARDWARE_ID)
        between = values.value.between(span.text(span.low), span.text(span.high))
        query = select(values.value, values.unit).where(values.kind.in_(kinds), between).order_by(values.value)
        for value, unit in connection.execute(query.execution_options(yield_per=500)):
            at = self._place_of(value)
            if at is None or self._told[at] >= _NAMED:
                continue
            self._told[at] += 1
            last = newest_of(connection, unit)
            yield f"{_where(self._runs[at])} has {value}, which unit {last.hardware_id} owns: {last.place()}"

    def _place_of(self, text: str) -> int | None:
        """Which of the runs a value lies in."""
        span = self._span
        try:
            found = Numbered.parse(span.kind, text)
        except FactoryError:  # a hardware id of another form is none of the row's values
            return None
        if (found.prefix, found.width) != (span.prefix, span.width):
            return None
        at = bisect.bisect_right(self._lows, found.number) - 1
        return at if at >= 0 and found.number <= self._runs[at].run.high else None


def _where(placed: PlacedRun) -> str:
    return f"{placed.place} ({placed.run})"
