"""A bench of QEMU units for one station."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from factory.errors import UsageError
from factory.rehearsal.plan import UnitPlan
from factory.rehearsal.qemu.kernel import Kernel
from factory.rehearsal.qemu.plan import Machine
from factory.rehearsal.qemu.unit import QemuUnit
from factory.rehearsal.requests import answered
from factory.rehearsal.started import StartedBench


class QemuBench(StartedBench[QemuUnit]):
    """QEMU units in slots. `machines` gives hardware and tools by unit name; the others get the usual.

    Raises UsageError for a directory in use, NotStartedError when something that is needed is missing.
    """

    def __init__(
        self, directory: Path, plans: Sequence[UnitPlan], kernel: Kernel,
        *, machines: Mapping[str, Machine] | None = None, baud: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__(directory, plans, baud=baud)
        self._kernel = kernel
        self._machines = dict(machines or {})

    def _check_directory(self) -> None:
        if (self.directory / "units").exists():
            raise UsageError(f"{self.directory} holds units of another run", code="rehearsal.directory")

    def _make(self, plan: UnitPlan, password: str) -> QemuUnit:
        return QemuUnit(
            self.directory / "units" / plan.name, self.directory / "ports" / plan.name, plan, password, self._kernel,
            machine=self._machines.get(plan.name), baud=self._baud,
        )  # fmt: skip

    def _obeying(self, unit: QemuUnit) -> Callable[[str], None]:
        return partial(answered, unit.control, partial(_obey, unit))


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
