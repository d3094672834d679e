"""A bench of units at their boot loader: made, switched by their slots' power control, cleaned up at the end."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from factory import files
from factory.errors import UsageError
from factory.rehearsal.bench_file import bench_toml
from factory.rehearsal.control import Control
from factory.rehearsal.plan import UnitPlan
from factory.rehearsal.requests import answered
from factory.rehearsal.uboot.machine import DEFAULTS
from factory.rehearsal.uboot.unit import UbootUnit


@dataclass(frozen=True, slots=True)
class UbootSlot:
    """One unit in its slot, as a bench file describes it."""

    unit: UbootUnit
    plan: UnitPlan
    control: Path
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def serial_port(self) -> str | None:
        """What pyserial opens."""
        return str(self.unit.port)

    @property
    def ssh_address(self) -> tuple[str, int] | None:
        """None: it has no Linux yet."""
        return None


class UbootBench:
    """Units that have U-Boot and nothing behind it, without power at first. A context manager. Their addresses and
    serials stand in their environments. Raises UsageError for a directory in use.
    """

    def __init__(self, directory: Path, plans: Sequence[UnitPlan], *, baud: int | None = None) -> None:
        self.directory = directory.absolute()
        self.slots: tuple[UbootSlot, ...] = ()
        self._plans = tuple(plans)
        self._baud = baud
        self._control: Control | None = None

    def __enter__(self) -> Self:
        if self.directory.exists():
            raise UsageError(f"{self.directory} holds units of another run", code="rehearsal.directory")
        try:
            self._control = Control()
            for plan in self._plans:
                self._add(plan, self._control)
            self._control.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End everything and remove what the units left. May be called again."""
        control, self._control = self._control, None
        if control is not None:
            control.close()
        for slot in self.slots:
            slot.unit.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def write_bench_toml(self, path: Path, *, station: str = "rehearsal", ledger: str = "sqlite:///ledger.db") -> None:
        """Write the bench file that describes these slots. Raises FileError."""
        files.write_text(path, bench_toml(self.slots, self._baud, station=station, ledger=ledger))

    def _add(self, plan: UnitPlan, control: Control) -> None:
        folder = self.directory / plan.name
        files.make_folder(folder / "control", mode=0o700)
        # Where this computer has lrzsz, its `rb` receives, as a real loader's YMODEM does; else the unit's own code.
        unit = UbootUnit(folder, baud=self._baud, lrzsz=shutil.which("rb") is not None)
        unit.machine.environment = DEFAULTS | {"ethaddr": plan.macs["eth0"], "serial#": plan.serial}
        unit.machine.save()
        slot = UbootSlot(unit, plan, folder / "control")
        self.slots += (slot,)
        control.add(slot.control, partial(answered, slot.control, partial(_obey, slot)))


def _obey(slot: UbootSlot, words: list[str]) -> None:
    with slot.lock:
        match words:
            case ["on"]:
                slot.unit.on()
            case ["off"]:
                slot.unit.off()
            case _:
                raise UsageError(f"a unit at its boot loader does not know the request '{' '.join(words)}': on, off")
