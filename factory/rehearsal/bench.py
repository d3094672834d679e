"""A bench of simulated units for one station."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from factory.errors import UsageError
from factory.rehearsal.bench_file import toml_text
from factory.rehearsal.faults import Fault
from factory.rehearsal.plan import ZERO, UnitPlan
from factory.rehearsal.requests import carry_out
from factory.rehearsal.started import StartedBench
from factory.rehearsal.unit import SimulatedUnit


class SimulatedBench(StartedBench[SimulatedUnit]):
    """Simulated units in slots. `baud` None carries serial bytes as fast as possible; `boot_seconds` is how long a
    boot takes. Raises UsageError for a directory that cannot be used, NotStartedError when the computer lacks a shell,
    tools or pseudo terminals.
    """

    def __init__(
        self, directory: Path, plans: Sequence[UnitPlan], *, baud: int | None = 115200, boot_seconds: float = 1.5
    ) -> None:
        super().__init__(directory, resolved(plans), baud=baud)
        self._boot_seconds = boot_seconds

    def unit_toml(self) -> str:
        """Return the [unit] section of a product.toml that fits these units."""
        return "\n".join(
            (
                "[unit]",
                "simulated = true",
                'connectd_dir = "etc/connectd"',
                'interfaces_dir = "sys/class/net"',
                'mounts_file = "proc/mounts"',
                "",
                "[unit.login]",
                'user = "root"',
                f"password = {toml_text(f'file:{self.password_file}')}",
                "",
            )
        )

    def _make(self, plan: UnitPlan, password: str) -> SimulatedUnit:
        return SimulatedUnit(
            self.directory / "units" / plan.name,
            self.directory / "ports" / plan.name,
            plan,
            password,
            baud=self._baud,
            boot_seconds=self._boot_seconds,
        )

    def _obeying(self, unit: SimulatedUnit) -> Callable[[str], None]:
        return partial(carry_out, unit)

    def _check_directory(self) -> None:
        if ":" in str(self.directory) or "\n" in str(self.directory):
            raise UsageError(
                f"simulated units cannot live in {self.directory}: a colon cuts a shell's PATH in two",
                hint="Use a folder without colons.",
                code="rehearsal.directory",
            )
        if (self.directory / "units").exists():
            raise UsageError(
                f"{self.directory} holds simulated units of an earlier or another run",
                hint="Use a new folder, or remove that one if nothing runs there.",
                code="rehearsal.directory",
            )


def resolved(plans: Sequence[UnitPlan]) -> tuple[UnitPlan, ...]:
    """Return the plans with addresses that fit the faults `clone` and `zero-mac`. Raises UsageError for a clone
    that has no other unit to be a clone of, and for two units of one name.
    """
    names = [plan.name for plan in plans]
    if len(set(names)) < len(names):
        raise UsageError("two simulated units have the same name", code="rehearsal.plan")
    sound = [plan for plan in plans if Fault.ZERO_MAC not in plan.faults]
    clones = [plan for plan in sound if Fault.CLONE in plan.faults]
    if clones and len(sound) < 2:
        raise UsageError("a clone needs another unit to be a clone of", hint="Plan one more unit: --units 2 or more.")
    # Where every unit is to be a clone, all are clones of the first.
    origin = next((plan for plan in sound if plan not in clones), clones[0] if clones else None)
    result = []
    for plan in plans:
        macs = plan.macs
        if Fault.ZERO_MAC in plan.faults:
            macs = dict.fromkeys(plan.macs, ZERO)
        elif plan in clones and origin and not any(plan.macs == other.macs for other in sound if other is not plan):
            macs = origin.macs
        result.append(replace(plan, macs=macs))
    return tuple(result)
