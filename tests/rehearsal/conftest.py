from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from factory.rehearsal.bench import SimulatedBench
from factory.rehearsal.faults import Fault
from factory.rehearsal.plan import UnitPlan
from factory.rehearsal.unit import SimulatedUnit

MACS = {"eth0": "b8:27:eb:00:00:10", "wlan0": "b8:27:eb:00:00:11"}
Start = Callable[..., SimulatedUnit]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a bench of one unit with faults; unpaced and quick to boot unless told."""
    with contextlib.ExitStack() as stack:

        def begin(
            *faults: Fault, routes: str = "serial ssh", baud: int | None = None, boot_seconds: float = 0.15
        ) -> SimulatedUnit:
            plan = UnitPlan("unit-01", MACS, "100000001234abcd", frozenset(routes.split()), faults=frozenset(faults))
            bench = SimulatedBench(tmp_path / "bench", [plan], baud=baud, boot_seconds=boot_seconds)
            return stack.enter_context(bench).units[0]

        yield begin
