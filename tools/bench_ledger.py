"""How fast the ledger is: against bare commits, on both engines. What becomes of it with age is in bench_scale.

`ledger`: a unit is five commits (admitted, flashing, flashed, proved, passed), each with its event in the chain. The
bare loops commit one row each time and do nothing else: no rules, no chain, no second table.
"""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path

from sqlalchemy import text

from factory.ledger import Binding, Ledger, open_ledger
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
from tools.measure import Ratio, compare

LOT = "bench"
BINDING = Binding("bench", "a" * 64, "b" * 64, 1)
COMMITS = 5
_CODE = "12345678-9abc-def0-1234-56789abcdef0"
_RECEIPT = Receipt("c" * 64, "files", "ssh:x", {"hardware_id.txt": "d" * 64}, 1000, "sha256sum", 1.5)
_PROOF = Proof("soft", "one", "two", ("hardware_id.txt",), True, "ssh:x", 20.0)
_STATES = (AttemptState.FLASHING, AttemptState.FLASHED, AttemptState.PROVED)
_PROCESSES = 16
_WARM = 320
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
    """One station on a file; sixteen on a server."""
    with tempfile.TemporaryDirectory(prefix="factory-bench-") as folder:
        yield _one_station(Path(folder))
        yield from _many_stations()


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
    runs = int(os.environ.get("FACTORY_BENCH_RUNS", "3"))
    share = total // _PROCESSES
    with server() as base:
        url = schema(base, "bench")
        plain = base.set(drivername="postgresql").render_as_string(hide_password=False)
        with _opened(url) as ledger:
            for number in range(_WARM):
                make(ledger, number)
            with ledger._store.writing() as writer:
                # As the server does by itself after a minute: without it a young table is read from end to end.
                writer.connection.execute(text("ANALYZE"))
        ours: list[float] = []
        admits: list[float] = []
        other: list[float] = []
        for run in range(runs):
            took, waits = _fan_out(_station, url, _WARM + run * total, share)
            ours.append(took)
            admits += waits
            other.append(_fan_out(_bare_station, plain, run * total, share)[0])
        with _opened(url, "office") as ledger:
            passed = ledger.show(last=1).lots[0].units
            assert passed == {"passed": _WARM + runs * share * _PROCESSES}, passed
            assert ledger.verify() == ()
            with ledger._store.reading() as connection:
                deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
                assert connection.execute(text(deadlocks)).scalar_one() == 0
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
    with open_ledger(url, station=f"S{(first - _WARM) // count % _PROCESSES}", operator="bench") as ledger:
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
