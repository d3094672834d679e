"""A whole small factory floor for tests: simulated units on a bench, a product folder, a ledger, and the line."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from factory.config import Bench, Product, load_bench, load_product
from factory.config.starter import BULK, write_product_folder
from factory.identity import KeySource
from factory.images import open_builder
from factory.ledger import Ledger, open_ledger
from factory.line import Line, Row, Summary, Timing, open_line
from factory.rehearsal.bench import SimulatedBench
from factory.rehearsal.faults import Fault
from factory.rehearsal.plan import UnitPlan
from factory.rehearsal.unit import SimulatedUnit
from factory.values import Event, HardwareId

LOT = "L1"
CODE = "0F1E2D3C-4B5A-4978-8695-A4B3C2D1E0F1"
FAST = Timing(gone_after=0.8, probe_every=0.3, answer_within=0.3, tick=0.05, retry_pause=0.1, enter_after=0.5)
SERIAL, SSH = frozenset({"serial"}), frozenset({"ssh"})
BOTH = SERIAL | SSH


def plan(number: int, routes: frozenset[str] = SSH, *faults: Fault, **changes: Any) -> UnitPlan:
    """A unit with two MACs and a serial of its own."""
    values: dict[str, Any] = {
        "name": f"u{number}",
        "macs": {"eth0": f"b8:27:eb:00:{number:02x}:00", "wlan0": f"b8:27:eb:00:{number:02x}:01"},
        "serial": f"SN{number:06d}",
        "routes": routes,
        "faults": frozenset(faults),
    }
    return UnitPlan(**{**values, **changes})


@dataclass
class Running:
    """A line at work in a thread of its own."""

    line: Line
    thread: threading.Thread
    events: list[Event] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    summary: Summary | None = None
    error: BaseException | None = None

    def heard(self, event: Event) -> None:
        with self.changed:
            self.events.append(event)
            self.changed.notify_all()

    def wait(self, kind: str, *, seconds: float = 60.0, count: int = 1, **data: object) -> Event:
        """The `count`-th event of this kind, slot and data; fails when it does not come."""
        until = time.monotonic() + seconds
        with self.changed:
            while True:
                found = [event for event in self.events if event.kind == kind and matches(event, data)]
                if len(found) >= count:
                    return found[count - 1]
                if not self.changed.wait(until - time.monotonic()):
                    said = "\n".join(f"{event.kind} {event.slot} {dict(event.data)}" for event in self.events)
                    raise AssertionError(f"no {kind} {data} within {seconds} s; there were:\n{said}")

    def stop(self) -> Summary:
        self.line.cancel()
        return self.ended()

    def ended(self, seconds: float = 40.0) -> Summary:
        self.thread.join(seconds)
        assert not self.thread.is_alive(), "the line did not end"
        if self.error is not None:
            raise self.error
        assert self.summary is not None
        return self.summary


def matches(event: Event, data: Mapping[str, object]) -> bool:
    wanted = dict(data)
    slot = wanted.pop("slot", event.slot)
    return event.slot == slot and all(event.data.get(key) == value for key, value in wanted.items())


class Floor:
    """Context manager. `settings` are dotted keys of product.toml."""

    def __init__(
        self,
        folder: Path,
        plans: Sequence[UnitPlan],
        *,
        settings: Mapping[str, Any] | None = None,
        boot_seconds: float = 0.3,
        kind: str = BULK,
    ) -> None:
        self.folder = folder
        self.events: list[Event] = []
        self.bench = SimulatedBench(folder / "sim", plans, baud=None, boot_seconds=boot_seconds)
        self._settings = dict(settings or {})
        self._kind = kind
        self.ledger: Ledger

    def __enter__(self) -> Self:
        self.bench.start()
        self.bench_file = self.folder / "bench.toml"
        self.bench.write_bench_toml(self.bench_file, station="S1")
        timeouts = {"boot": 12.0, "login": 6.0, "command": 5.0, "flash": 15.0, "reboot": 12.0}
        self.product_file = write_product_folder(
            self.folder / "product",
            self._kind,
            bulk_identification_code=CODE if self._kind == BULK else None,
            settings={
                "unit.simulated": True,
                "unit.connectd_dir": "etc/connectd",
                "unit.interfaces_dir": "sys/class/net",
                "unit.mounts_file": "proc/mounts",
                "unit.login.user": "root",
                "unit.login.password": f"file:{self.bench.password_file}",
                "prove.first_article": False,  # most tests are about slots that do not wait for each other
                **{f"unit.timeouts.{name}": seconds for name, seconds in timeouts.items()},
                **self._settings,
            },
        )
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ledger.close()
        self.bench.close()

    def open(self) -> None:
        """Open ledger, product and bench, as a new process would."""
        self.ledger = open_ledger("sqlite:///ledger.db", station="S1", operator="Kim", folder=self.folder)
        self.product: Product = load_product(self.product_file)
        self.config: Bench = load_bench(self.bench_file)
        self.keys = KeySource.open(self.product.identity.key, self.product.folder)

    def unit(self, number: int) -> SimulatedUnit:
        return next(unit for unit in self.bench.units if unit.name == f"u{number}")

    def clear_leftovers(self, number: int) -> None:
        """Take away what an earlier registration left on the unit, which preflight refuses."""
        for folder in ("dfiles", "pfiles", "available", "active", "services"):
            for path in (self.unit(number).root / "etc/connectd" / folder).iterdir():
                path.unlink()

    def line(self, **changes: Any) -> Line:
        given: dict[str, Any] = {"timing": FAST, "images_out": self.folder / "images", "debug": True, **changes}
        product = self.product
        builder = open_builder(product.image, product.folder, product.product.name, product.registration)
        return open_line(
            self.product, self.config, LOT, ledger=self.ledger, builder=builder, keys=self.keys, operator="Kim", **given
        )

    def run(self, units: int, **changes: Any) -> Summary:
        """Run until so many attempts are finished; the events are in `events`."""
        return self.line(**changes).run(units=units, on_event=self.events.append)

    @contextmanager
    def running(self, units: int | None = None, **changes: Any) -> Iterator[Running]:
        """A line at work while the block runs; cancelled at its end."""
        line = self.line(**changes)

        def work() -> None:
            try:
                running.summary = line.run(units=units, on_event=running.heard)
            except BaseException as error:  # noqa: BLE001 - raised in the test by ended()
                running.error = error

        running = Running(line, threading.Thread(target=work, name="line"))
        running.thread.start()
        try:
            yield running
        finally:
            running.stop()

    def transcripts(self) -> list[Path]:
        return sorted((self.folder / "transcripts").iterdir())

    def secrets(self) -> list[str]:
        """The password, the master secret, and every registration key that a unit of this floor would get."""
        master = (self.folder / "product" / "master.secret").read_text().strip()
        passed = self.ledger.passed_units(LOT)
        keys = [self.keys.derive(self.product.product.name, HardwareId.parse(unit.hardware_id)).text for unit in passed]
        return [self.bench.units[0].password, master, *keys]


def by_slot(summary: Summary) -> dict[str, Row]:
    """The rows by slot; a slot has one in these tests."""
    rows = {row.slot: row for row in summary.rows}
    assert len(rows) == len(summary.rows)
    return rows


def outcomes(summary: Summary) -> dict[str, tuple[str, str | None]]:
    return {slot: (str(row.outcome), row.code) for slot, row in by_slot(summary).items()}


def eventually(true: Callable[[], bool], seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "did not happen in time"
        time.sleep(0.02)
