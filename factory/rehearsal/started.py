"""What every bench of Linux units without hardware does: start its units together, describe them, clean up."""

from __future__ import annotations

import secrets
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from factory import files
from factory.rehearsal.bench_file import Slotted, bench_toml
from factory.rehearsal.control import Control
from factory.rehearsal.plan import UnitPlan


class Startable(Slotted, Protocol):
    """A unit that can be switched on and taken down."""

    def power_on(self) -> None:
        """Give it power."""

    def wait_until_settled(self) -> None:
        """Return when it has booted, or is held where its faults hold it."""

    def close(self) -> None:
        """End it and what belongs to it. May be called again."""


UnitT = TypeVar("UnitT", bound=Startable)


class StartedBench(ABC, Generic[UnitT]):
    """Units in slots. A context manager: entering starts all units and waits until they have booted, leaving ends
    every process, thread and pseudo terminal and removes the units' folders. `directory` holds everything (units,
    ports, password); it is made when it is missing.
    """

    def __init__(self, directory: Path, plans: Sequence[UnitPlan], *, baud: int | None) -> None:
        self.directory = directory.absolute()
        self.password_file = self.directory / "password"
        self.units: tuple[UnitT, ...] = ()
        self._plans = tuple(plans)
        self._baud = baud
        self._control: Control | None = None

    @abstractmethod
    def _check_directory(self) -> None:
        """Raise UsageError for a directory that cannot be used."""

    @abstractmethod
    def _make(self, plan: UnitPlan, password: str) -> UnitT:
        """Make a unit that has no power yet."""

    @abstractmethod
    def _obeying(self, unit: UnitT) -> Callable[[str], None]:
        """What hears and carries out the requests to a unit."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Make all units, switch them on, and wait until each has booted or is held where its faults hold it."""
        self._check_directory()
        password = secrets.token_urlsafe(12)
        try:
            for folder in (self.directory, self.directory / "ports", self.directory / "units"):
                files.make_folder(folder, mode=0o700)
            files.write_text(self.password_file, f"{password}\n", mode=files.PRIVATE)
            self._control = Control()
            for plan in self._plans:
                unit = self._make(plan, password)
                self.units += (unit,)
                self._control.add(unit.control, self._obeying(unit))
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
