"""How fast the ledger is: against bare commits, on both engines, and when it is a million units old.

`ledger`: a unit is five commits (admitted, flashing, flashed, proved, passed), each with its event in the chain. The
bare loops commit one row each time and do nothing else: no rules, no chain, no second table.
"""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path

from sqlalchemy import insert, text

from factory.ledger import Binding, Ledger, LotRecord, UploadFile, open_ledger
from factory.ledger.schema import attempts, events, identity_values, passes, sightings, stations, units
from factory.values import (
    AttemptState,
    BulkIdentificationCode,
    DeviceName,
    Facts,
    HardwareId,
    Identity,
    Mac,
    Proof,
    Receipt,
    RegistrationKey,
)
from tools.measure import Ratio, compare, seconds

LOT = "bench"
BINDING = Binding("bench", "a" * 64, "b" * 64, 1)
COMMITS = 5
_CODE = "12345678-9abc-def0-1234-56789abcdef0"
_RECEIPT = Receipt("c" * 64, "files", "ssh:x", {"hardware_id.txt": "d" * 64}, 1000, "sha256sum", 1.5)
_PROOF = Proof("soft", "one", "two", ("hardware_id.txt",), True, "ssh:x", 20.0)
_STATES = (AttemptState.FLASHING, AttemptState.FLASHED, AttemptState.PROVED)
_PROCESSES = 16
_EVENT = "x" * 600  # what an event and its columns come to, on average


def make(ledger: Ledger, number: int) -> float:
    """Bring one unit from admission to its pass; returns the seconds that the admission took."""
    mac = Mac(bytes.fromhex("b827eb") + number.to_bytes(3, "big"))
    identity = Identity(
        HardwareId.parse(mac.plain),
        RegistrationKey.parse("K7SECRETSECRETSECRETSECRETSECRET"),
        DeviceName.parse(f"unit {mac.plain}"),
        BulkIdentificationCode.parse(_CODE),
        {"eth0": mac},
        f"SN{number}",
    )
    facts = Facts({"eth0": mac}, serial=f"SN{number}", boot_id="one", kernel="6.1", routes=("ssh:x",))
    began = time.perf_counter()
    attempt = ledger.admit(identity, facts, lot=LOT, slot="1", fingerprint="hmac:1")
    took = time.perf_counter() - began
    for state in _STATES:
        ledger.advance(attempt.id, state, {"bytes": 1000}, image=_RECEIPT.image if state is _STATES[0] else None)
    ledger.passed(attempt.id, _RECEIPT, _PROOF)
    return took


def ratios() -> Iterator[Ratio]:
    """One station on a file; sixteen on a server; and the same when the ledger is a million units old."""
    with tempfile.TemporaryDirectory(prefix="factory-bench-") as folder:
        yield _one_station(Path(folder))
        yield from _many_stations()
        yield from _at_scale(Path(folder))


def _opened(url: str, station: str = "S1") -> Ledger:
    ledger = open_ledger(url, station=station, operator="bench")
    ledger.bind_lot(LOT, BINDING)
    return ledger


def _one_station(folder: Path, count: int = 200) -> Ratio:
    bare = sqlite3.connect(folder / "bare.db", isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        bare.execute(f"PRAGMA {pragma}").close()
    bare.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, data TEXT)")
    numbers = iter(range(1, 10**6))

    def loop() -> None:
        for _ in range(count * COMMITS):
            bare.execute("BEGIN IMMEDIATE")
            bare.execute("INSERT INTO events (data) VALUES (?)", (_EVENT,))
            bare.execute("COMMIT")

    with _opened(str(folder / "ledger.db")) as ledger:
        name = f"one station, SQLite: {count} units : as many bare commits"
        ratio = compare(name, lambda: [make(ledger, next(numbers)) for _ in range(count)], loop, at_most=4.0)
    bare.close()
    return ratio


def _many_stations() -> Iterator[Ratio]:
    """Sixteen processes, each with a share of the units, against as many that only commit."""
    from tests.postgres import schema, server

    total = int(os.environ.get("FACTORY_BENCH_UNITS", "4800"))
    with server() as base:
        url = schema(base, "bench")
        _opened(url).close()
        plain = base.set(drivername="postgresql").render_as_string(hide_password=False)
        ours: list[float] = []
        admits: list[float] = []
        other: list[float] = []
        for run in range(3):
            took, waits = _fan_out(_station, url, run * total, total // _PROCESSES)
            ours.append(took)
            admits += waits
            other.append(_fan_out(_bare_station, plain, run * total, total // _PROCESSES)[0])
        with _opened(url, "office") as ledger:
            passed = ledger.show(last=1).lots[0].units
            assert passed == {"passed": 3 * (total // _PROCESSES) * _PROCESSES}, passed
            assert ledger.verify() == ()
    left, right = statistics.median(ours), statistics.median(other)
    spread = (max(ours) / min(ours), max(other) / min(other))
    name = f"{_PROCESSES} stations, one PostgreSQL: {total} units : bare"
    yield Ratio(name, left, right, left / right, spread, "at most 3.3", left / right <= 10 / 3)
    admits.sort()
    half, late = admits[len(admits) // 2], admits[int(len(admits) * 0.99)]
    yield Ratio("  admit: 99th of 100 : the middle one", late, half, late / half, (1, 1), "reported", True)


Station = Callable[[str, int, int, Barrier, "multiprocessing.Queue[tuple[float, float, list[float]]]"], None]


def _fan_out(station: Station, url: str, first: int, count: int) -> tuple[float, list[float]]:
    """Wall time from the first start to the last end of all processes' work, and what each of them measured."""
    spawn = multiprocessing.get_context("spawn")
    barrier, queue = spawn.Barrier(_PROCESSES), spawn.Queue()
    children = [
        spawn.Process(target=station, args=(url, first + index * count, count, barrier, queue))
        for index in range(_PROCESSES)
    ]
    for child in children:
        child.start()
    told = [queue.get(timeout=600) for _ in children]
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    return max(end for _, end, _ in told) - min(start for start, _, _ in told), [
        one for *_, all_ in told for one in all_
    ]


def _station(
    url: str,
    first: int,
    count: int,
    barrier: Barrier,
    queue: multiprocessing.Queue[tuple[float, float, list[float]]],
) -> None:
    with open_ledger(url, station=f"S{first // count % _PROCESSES}", operator="bench") as ledger:
        ledger.recover()
        barrier.wait(300)
        began = time.monotonic()
        waits = [make(ledger, number) for number in range(first, first + count)]
        queue.put((began, time.monotonic(), waits))


def _bare_station(
    url: str,
    first: int,
    count: int,
    barrier: Barrier,
    queue: multiprocessing.Queue[tuple[float, float, list[float]]],
) -> None:
    import psycopg

    with psycopg.connect(url) as connection:
        if first // count % _PROCESSES == 0:
            connection.execute("CREATE TABLE IF NOT EXISTS bare (id BIGSERIAL PRIMARY KEY, data TEXT)")
            connection.commit()
        barrier.wait(300)
        began = time.monotonic()
        for _ in range(count * COMMITS):
            connection.execute("INSERT INTO bare (data) VALUES (%s)", (_EVENT,))
            connection.commit()
        queue.put((began, time.monotonic(), []))


def _at_scale(folder: Path) -> Iterator[Ratio]:
    """A unit's admission, its trace, a look for doubles and an export of 1000 rows, old ledger against new."""
    total = int(os.environ.get("FACTORY_BENCH_LEDGER", "1000000"))
    old, new = folder / "old.db", folder / "new.db"
    _opened(str(new)).close()
    fill(old, total)
    print(f"        {total:,} units in the ledger: {old.stat().st_size / total:,.0f} bytes a unit", file=sys.stderr)
    with _opened(str(old)) as aged, _opened(str(new)) as fresh:
        for ledger, first in ((aged, total + 100), (fresh, total + 100)):
            for number in range(first, first + 1000):
                make(ledger, number)
        numbers = {id(ledger): iter(range(total + 2000, total + 100_000)) for ledger in (aged, fresh)}

        def both(name: str, work: Callable[[Ledger], object], runs: int = 7) -> Ratio:
            return compare(name, lambda: work(aged), lambda: work(fresh), at_most=2.0, runs=runs)

        size = f"{total:,} units"
        yield both(f"{size} : none; five commits of a unit", lambda one: make(one, next(numbers[id(one)])), 50)
        yield both(f"{size} : none; trace of a unit", lambda one: one.trace(f"SN{total + 110}"), 30)
        values = [f"b827eb{number:06x}" for number in range(total + 100, total + 1100)]
        yield both(f"{size} : none; 1000 ids looked up for doubles", lambda one: one.holders(values))
        yield _export(aged, fresh, size, total)


def _export(aged: Ledger, fresh: Ledger, size: str, total: int) -> Ratio:
    """One export of a lot's 1000 rows each; it cannot be repeated, so it is timed once."""
    took = []
    for ledger in (aged, fresh):
        ledger.bind_lot("thousand", BINDING)
        took.append(seconds(lambda book=ledger: _export_lot(book, total)))  # type: ignore[misc]
    ratio = took[0] / took[1]
    name = f"{size} : none; export of a 1000-row lot, in the ledger"
    return Ratio(name, took[0], took[1], ratio, (1, 1), "at most 2", ratio <= 2.0)


def _export_lot(ledger: Ledger, total: int) -> LotRecord:
    wanted = {f"b827eb{number:06x}" for number in range(total + 100, total + 1100)}
    passed = ledger.passed_units(LOT)
    chosen = tuple(unit.unit for unit in passed if unit.hardware_id in wanted)[:1000]
    ledger.mark_exported(LOT, [UploadFile("bench.csv", ledger.next_upload(LOT), "f" * 64, chosen)])
    return ledger.lot(LOT)


def fill(path: Path, count: int) -> None:
    """Make a ledger of many passed units in lots of a thousand, straight into its tables: only for measuring."""
    with _opened(str(path)) as ledger:
        make(ledger, 0xFFFFFF)  # the form of a real unit
        store = ledger._store
        with store.reading() as connection:
            event = dict(connection.execute(text("SELECT * FROM events WHERE kind='attempt.passed'")).mappings().one())
            one = dict(connection.execute(text("SELECT * FROM attempts")).mappings().one())
            unit = dict(connection.execute(text("SELECT * FROM units")).mappings().one())
        for first in range(0, count, 10_000):
            with store.writing() as writer:
                span = range(first + 10, min(first + 10_000, count) + 10)
                connection = writer.connection
                lots = sorted({f"lot-{number // 1000:06d}" for number in span})
                connection.execute(
                    text(
                        "INSERT OR IGNORE INTO lots SELECT :lot, product, product_sha256, template_sha256, "
                        "key_version, bound_at, station, operator, software FROM lots WHERE name = 'bench'"
                    ),
                    [{"lot": lot} for lot in lots],
                )
                connection.execute(
                    insert(units), [unit | {"id": n, "serial": f"SN{n}", "state": "passed"} for n in span]
                )
                rows = [one | {"id": n, "unit": n, "lot": f"lot-{n // 1000:06d}", "serial": f"SN{n}"} for n in span]
                connection.execute(insert(attempts), [row | {"hardware_id": f"b827eb{row['id']:06x}"} for row in rows])
                owned = (
                    (kind, value)
                    for n in span
                    for kind, value in (
                        ("mac", f"b827eb{n:06x}"), ("serial", f"SN{n}"), ("hardware-id", f"b827eb{n:06x}"),
                        ("hardware-id-folded", f"b827eb{n:06x}"), ("device-name", f"unit b827eb{n:06x}"),
                    )
                )  # fmt: skip
                listed = [
                    {"kind": kind, "value": value, "unit": span[index // 5], "name": ""}
                    for index, (kind, value) in enumerate(owned)
                ]
                connection.execute(insert(identity_values), listed)
                seen = [{"kind": row["kind"], "value": row["value"], "attempt": row["unit"]} for row in listed]
                connection.execute(insert(sightings), seen)
                passed = [
                    {"id": n, "unit": n, "attempt": n, "lot": f"lot-{n // 1000:06d}", "at": unit["first_seen"]}
                    for n in span
                ]
                connection.execute(insert(passes), passed)
                told = [
                    event | {"station": "filled", "seq": n * COMMITS + step, "attempt": n}
                    for n in span
                    for step in range(COMMITS)
                ]
                connection.execute(insert(events), told)
        with store.writing() as writer:
            head = {"name": "filled", "seq": count * COMMITS, "hash": event["hash"], "at": event["at"]}
            writer.connection.execute(insert(stations).values(**head))
