"""A bench of QEMU units for one station: made, started, described in a bench.toml, cleaned up at the end."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from factory import files
from factory.errors import UsageError
from factory.rehearsal.bench import bench_toml
from factory.rehearsal.control import Control
from factory.rehearsal.plan import UnitPlan
from factory.rehearsal.qemu.kernel import Kernel
from factory.rehearsal.qemu.plan import Machine
from factory.rehearsal.qemu.unit import QemuUnit
from factory.rehearsal.requests import answered


class QemuBench:
    """QEMU units in slots. A context manager: entering starts all units and waits until they have booted, leaving ends
    them and removes their folders. `machines` gives hardware and tools by unit name; the others get the usual.

    Raises UsageError for a directory in use, NotStartedError when something that is needed is missing.
    """

    def __init__(
        self, directory: Path, plans: Sequence[UnitPlan], kernel: Kernel,
        *, machines: Mapping[str, Machine] | None = None, baud: int | None = None,
    ) -> None:  # fmt: skip
        self.directory = directory.absolute()
        self.password_file = self.directory / "password"
        self.units: tuple[QemuUnit, ...] = ()
        self._plans = tuple(plans)
        self._kernel = kernel
        self._machines = dict(machines or {})
        self._baud = baud
        self._control: Control | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Make all units, switch them on, and wait until each has booted."""
        if (self.directory / "units").exists():
            raise UsageError(f"{self.directory} holds units of another run", code="rehearsal.directory")
        password = secrets.token_urlsafe(12)
        try:
            files.make_folder(self.directory, mode=0o700)
            files.make_folder(self.directory / "ports", mode=0o700)
            files.make_folder(self.directory / "units", mode=0o700)
            files.write_text(self.password_file, f"{password}\n", mode=files.PRIVATE)
            self._control = Control()
            for plan in self._plans:
                self._add(plan, password)
            self._control.start()
            for unit in self.units:
                unit.power_on()
            for unit in self.units:
                unit.wait_until_settled()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End everything and remove what the units left. May be called again."""
        control, self._control = self._control, None
        if control is not None:
            control.close()
        for unit in self.units:
            unit.close()
        for name in ("units", "ports"):
            shutil.rmtree(self.directory / name, ignore_errors=True)
        self.password_file.unlink(missing_ok=True)

    def write_bench_toml(self, path: Path, *, station: str = "rehearsal", ledger: str = "sqlite:///ledger.db") -> None:
        """Write the bench file that describes these slots. Raises FileError."""
        files.write_text(path, bench_toml(self.units, self._baud, station=station, ledger=ledger))

    def _add(self, plan: UnitPlan, password: str) -> None:
        assert self._control is not None
        folder = self.directory / "units" / plan.name
        unit = QemuUnit(
            folder, self.directory / "ports" / plan.name, plan, password, self._kernel,
            machine=self._machines.get(plan.name), baud=self._baud,
        )  # fmt: skip
        self.units += (unit,)
        self._control.add(unit.control, partial(answered, unit.control, partial(_obey, unit)))


def _obey(unit: QemuUnit, words: list[str]) -> None:
    match words:
        case ["on"]:
            unit.power_on()
        case ["off" | "kill"]:
            unit.power_off()
        case ["reset"]:
            unit.reset()
        case _:
            raise UsageError(f"a QEMU unit does not know the request '{' '.join(words)}': on, off, reset")
