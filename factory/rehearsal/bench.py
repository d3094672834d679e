"""A bench of simulated units for one station: started together, described in a bench.toml, cleaned up at the end."""

from __future__ import annotations

import json
import secrets
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from factory import files
from factory.errors import UsageError
from factory.rehearsal.control import Control
from factory.rehearsal.faults import Fault
from factory.rehearsal.plan import ZERO, UnitPlan
from factory.rehearsal.requests import carry_out
from factory.rehearsal.unit import SimulatedUnit

_STATION_BAUD = 115200


class SimulatedBench:
    """Simulated units in slots. A context manager: entering starts all units and waits until they have booted,
    leaving ends every process, thread and pseudo terminal and removes the units' folders.

    `directory` holds everything (units, ports, password); it is made when it is missing. `baud` None carries serial
    bytes as fast as possible. `boot_seconds` is how long a boot takes. Raises UsageError for a directory that
    cannot be used, NotStartedError when the computer lacks a shell, tools or pseudo terminals.
    """

    def __init__(
        self, directory: Path, plans: Sequence[UnitPlan], *, baud: int | None = 115200, boot_seconds: float = 1.5
    ) -> None:
        self.directory = directory.absolute()
        self.password_file = self.directory / "password"
        self.units: tuple[SimulatedUnit, ...] = ()
        self._plans = resolved(plans)
        self._baud = baud
        self._boot_seconds = boot_seconds
        self._control: Control | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Build all units, switch them on, and wait until each has booted or is held where its faults hold it."""
        self._check_directory()
        password = secrets.token_urlsafe(12)
        try:
            files.make_folder(self.directory, mode=0o700)
            files.make_folder(self.directory / "ports", mode=0o700)
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
                f"password = {_text(f'file:{self.password_file}')}",
                "",
            )
        )

    def _add(self, plan: UnitPlan, password: str) -> None:
        assert self._control is not None
        unit = SimulatedUnit(
            self.directory / "units" / plan.name,
            self.directory / "ports" / plan.name,
            plan,
            password,
            baud=self._baud,
            boot_seconds=self._boot_seconds,
        )
        self.units += (unit,)
        self._control.add(unit.control, partial(carry_out, unit))

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


class Slotted(Protocol):
    """A unit as a bench file describes it."""

    @property
    def serial_port(self) -> str | None:
        """What pyserial opens."""

    @property
    def ssh_address(self) -> tuple[str, int] | None:
        """Host and port."""

    @property
    def control(self) -> Path:
        """The folder in which requests are heard."""


def bench_toml(units: Sequence[Slotted], baud: int | None, *, station: str, ledger: str) -> str:
    """Return the bench file that describes these units, one slot for each."""
    lines = ["[station]", f"name = {_text(station)}", f"ledger = {_text(ledger)}"]
    for number, unit in enumerate(units, 1):
        lines += ["", "[[slot]]", f'name = "slot-{number:02d}"']
        if unit.serial_port is not None:
            lines.append(f"serial = {{ port = {_text(unit.serial_port)}, baud = {baud or _STATION_BAUD} }}")
        if unit.ssh_address is not None:
            host, port = unit.ssh_address
            lines.append(f"ssh = {{ host = {_text(host)}, port = {port} }}")
            lines.append('host_key = "per-unit"')
        switches = (f"{state} = [{', '.join(_text(word) for word in _switch(unit, state))}]" for state in ("on", "off"))
        lines.append(f"power = {{ {', '.join(switches)} }}")
    return "\n".join(lines) + "\n"


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


def _switch(unit: Slotted, state: str) -> list[str]:
    return [sys.executable, "-m", "factory.rehearsal.power", str(unit.control), state]


def _text(value: str) -> str:
    # What JSON writes for a string is a TOML basic string too.
    return json.dumps(value, ensure_ascii=False)
