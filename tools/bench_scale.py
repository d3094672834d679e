"""How the ledger bears its age: one ledger that grows to a million units, measured at every power of ten.

`scale` on a file, `scale-server` on PostgreSQL. Each figure is a ratio to a ledger that is nearly empty, both in turn.
FACTORY_BENCH_LEDGER says how many units at most.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import text

from factory.ledger import Ledger, UploadFile, open_ledger
from tools.bench_ledger import BINDING, LOT, make
from tools.many_units import LOT_SIZE, fill, lot_of
from tools.measure import Ratio, compare, seconds

_FRESH = 1_500_000  # numbers of units that are made in the usual way, above all that are filled
_LOTS = 5


def ratios() -> Iterator[Ratio]:
    """On a file."""
    with tempfile.TemporaryDirectory(prefix="factory-bench-") as folder:
        names = ("aged", "empty", "five")
        yield from _grow([str(Path(folder, f"{name}.db")) for name in names])


def server_ratios() -> Iterator[Ratio]:
    """On a server."""
    from tests.postgres import schema, server

    with server() as base:
        yield from _grow([schema(base, f"scale_{name}") for name in ("aged", "empty", "five")])


def _grow(urls: list[str]) -> Iterator[Ratio]:
    most = int(os.environ.get("FACTORY_BENCH_LEDGER", "1000000"))
    with contextlib.ExitStack() as stack:
        # A server holds a station's name in all its schemas.
        aged, empty, five = (stack.enter_context(_opened(url, f"S{index}")) for index, url in enumerate(urls))
        fill(five, make, 0, _LOTS * LOT_SIZE, told=lambda _: None)
        numbers = {id(ledger): iter(range(_FRESH, _FRESH + 200_000)) for ledger in (aged, empty)}
        for _ in range(50):
            make(empty, next(numbers[id(empty)]))
        before, size = 0, 1000
        while size <= most:
            took = seconds(lambda: fill(aged, make, before, size - before, told=_told))  # noqa: B023
            print(
                f"        {size:,} units: {_bytes(aged) / size:,.0f} bytes a unit, {took:.0f} s to fill",
                file=sys.stderr,
            )
            yield from _compared(aged, empty, five, size, numbers)
            before, size = size, size * 10
        if most <= 100_000:
            assert aged.verify() == ()


def _compared(
    aged: Ledger, empty: Ledger, five: Ledger, size: int, numbers: dict[int, Iterator[int]]
) -> Iterator[Ratio]:
    some = random.Random(size)
    name = f"{size:,} units : 50"
    several: dict[int, Callable[[], str]] = {
        id(aged): lambda: f"SN{some.randrange(size)}",
        id(empty): lambda: f"SN{some.randrange(_FRESH, _FRESH + 50)}",
    }

    def both(what: str, work: Callable[[Ledger], object], runs: int) -> Ratio:
        return compare(f"{name}; {what}", lambda: work(aged), lambda: work(empty), at_most=2.0, runs=runs)

    yield both("admit and the other four commits", lambda one: make(one, next(numbers[id(one)])), 100)
    yield both("trace of any unit", lambda one: one.trace(several[id(one)]()), 50)
    mine = [f"b827eb{number:06x}" for number in some.sample(range(size), 500)]
    mine += [f"sn{number}" for number in some.sample(range(size), 500)]
    # Of values that nobody has there is only the looking; what is found is told as well, a row each.
    free = [f"00a0c9{number:06x}" for number in range(500)] + [f"free{number}" for number in range(500)]
    yield both("1000 values looked up, nobody's", lambda one: one.holders(free), 7)
    named = f"{size:,} units : 5,000; 1000 values looked up, all found"
    theirs = [f"b827eb{number:06x}" for number in range(500)] + [f"sn{number}" for number in range(500, 1000)]
    yield compare(named, lambda: aged.holders(mine), lambda: five.holders(theirs), at_most=2.0, runs=7)
    yield both("what a station asks when it starts", lambda one: one.recover(), 20)
    yield _export(aged, five, size)


def _export(aged: Ledger, five: Ledger, size: int) -> Ratio:
    """A lot can be exported once: each time another one; what was exported is taken back."""
    last = size // LOT_SIZE
    took: tuple[list[float], list[float]] = ([], [])
    for ledger, times, lots in ((aged, took[0], last), (five, took[1], _LOTS)):
        for turn in range(3):
            lot = lot_of((lots - 1 - turn) % lots * LOT_SIZE)
            name = f"{lot}-{size}-{turn}"
            times.append(seconds(lambda: _export_lot(ledger, lot, name)))  # noqa: B023
            _forget(ledger)
    left, right = sorted(took[0])[1], sorted(took[1])[1]
    spread = (max(took[0]) / min(took[0]), max(took[1]) / min(took[1]))
    name = f"{size:,} units : 5,000; export of a 1000-row lot, in the ledger"
    return Ratio(name, left, right, left / right, spread, "at most 2", left / right <= 2.0)


def _export_lot(ledger: Ledger, lot: str, name: str) -> None:
    chosen = tuple(unit.unit for unit in ledger.passed_units(lot))
    assert len(chosen) == LOT_SIZE
    ledger.mark_exported(lot, [UploadFile(f"{name}.csv", ledger.next_upload(lot), "f" * 64, chosen)])


def _forget(ledger: Ledger) -> None:
    with ledger._store.writing() as writer:
        for table in ("upload_rows", "uploads"):
            writer.connection.execute(text(f"DELETE FROM {table}"))


def _bytes(ledger: Ledger) -> int:
    with ledger._store.reading() as connection:
        if connection.dialect.name == "sqlite":
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            return int(pages) * int(connection.exec_driver_sql("PRAGMA page_size").scalar_one())
        total = "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = "
        return int(connection.exec_driver_sql(f"{total} current_schema()::regnamespace").scalar_one())


def _told(count: int) -> None:
    if count % 100_000 == 0:
        print(f"        {count:,} units filled", file=sys.stderr)


def _opened(url: str, station: str) -> Ledger:
    ledger = open_ledger(url, station=station, operator="bench")
    ledger.bind_lot(LOT, BINDING)
    return ledger
