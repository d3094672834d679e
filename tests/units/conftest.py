from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from factory.config import SerialSection, TimeoutsSection
from factory.rehearsal.bench import SimulatedBench
from factory.rehearsal.faults import Fault
from factory.rehearsal.plan import UnitPlan
from factory.rehearsal.unit import SimulatedUnit
from factory.secrets import Secret
from factory.units.deadline import Deadline
from factory.units.login import Login
from factory.units.serial_unit import SerialUnit, open_serial
from tests.units.transcripts import Kept
from tests.units.wires import Spoil, Wire, untouched

TOOLS = (
    "sh cat head base64 od hexdump xxd sha256sum md5sum cksum stty gunzip gzip tar ls wc uname sleep printf tr dd id"
)
QUICK = TimeoutsSection(boot=8, login=8, command=10)
MACS = {"eth0": "b8:27:eb:00:00:01", "wlan0": "b8:27:eb:00:00:02"}


def link_tools(folder: Path, left_out: Sequence[str] = ()) -> Path:
    """A folder with links to a few tools of this computer: what a small unit has, and no `dmesg`."""
    folder.mkdir(parents=True)
    for name in TOOLS.split():
        target = shutil.which(name)
        if name not in left_out and target is not None:
            (folder / name).symlink_to(target)
    return folder


class Oracle:
    """Real shells on real ttys behind wires, opened as serial units and closed at the end of the test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._wires: list[Wire] = []
        self._units: list[SerialUnit] = []

    def wire(
        self,
        argv: Sequence[str] = ("/bin/sh", "-i"),
        *,
        left_out: Sequence[str] = (),
        up: Spoil = untouched,
        down: Spoil = untouched,
    ) -> Wire:
        number = len(self._wires)
        tools = link_tools(self._folder / f"bin{number}", left_out)
        home = self._folder / f"home{number}"
        home.mkdir()
        wire = Wire(argv, home, env={"PATH": str(tools), "HOME": str(home)}, up=up, down=down)
        self._wires.append(wire)
        return wire

    def open(
        self, wire: Wire, *, login: Login | None = None, transcript: Kept | None = None, seconds: float = 30
    ) -> SerialUnit:
        unit = open_serial(
            SerialSection(port=wire.port),
            login or Login("root", Secret("swordfish")),
            timeouts=QUICK,
            transcript=transcript or Kept(),
            deadline=Deadline(seconds),
            enter_after=0.4,
        )
        self._units.append(unit)
        return unit

    def home(self, wire: Wire) -> Path:
        """The working directory of the shell behind a wire."""
        return self._folder / f"home{self._wires.index(wire)}"

    def close(self) -> None:
        for unit in self._units:
            unit.close()
        for wire in self._wires:
            wire.close()


@pytest.fixture
def oracle(tmp_path: Path) -> Iterator[Oracle]:
    made = Oracle(tmp_path)
    yield made
    made.close()


Simulate = Callable[..., SimulatedUnit]


@pytest.fixture
def simulate(tmp_path: Path) -> Iterator[Simulate]:
    """Start one simulated unit with faults: `simulate(Fault.NO_BASE64, baud=None)`."""
    benches: list[SimulatedBench] = []

    def start(*faults: Fault, baud: int | None = None, name: str = "u1") -> SimulatedUnit:
        plan = UnitPlan(name, MACS, "10000000aaaa0001", faults=frozenset(faults))
        bench = SimulatedBench(tmp_path / f"bench{len(benches)}", [plan], baud=baud, boot_seconds=0.1)
        benches.append(bench)
        bench.start()
        return bench.units[0]

    yield start
    for bench in benches:
        bench.close()
