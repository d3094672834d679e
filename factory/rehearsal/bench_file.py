"""The bench file that describes a bench of units without hardware."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

_STATION_BAUD = 115200


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
    lines = ["[station]", f"name = {toml_text(station)}", f"ledger = {toml_text(ledger)}"]
    for number, unit in enumerate(units, 1):
        lines += ["", "[[slot]]", f'name = "slot-{number:02d}"']
        if unit.serial_port is not None:
            lines.append(f"serial = {{ port = {toml_text(unit.serial_port)}, baud = {baud or _STATION_BAUD} }}")
        if unit.ssh_address is not None:
            host, port = unit.ssh_address
            lines.append(f"ssh = {{ host = {toml_text(host)}, port = {port} }}")
            lines.append('host_key = "per-unit"')
        switches = (
            f"{state} = [{', '.join(toml_text(word) for word in _switch(unit, state))}]" for state in ("on", "off")
        )
        lines.append(f"power = {{ {', '.join(switches)} }}")
    return "\n".join(lines) + "\n"


def _switch(unit: Slotted, state: str) -> list[str]:
    return [sys.executable, "-m", "factory.rehearsal.power", str(unit.control), state]


def toml_text(value: str) -> str:
    """A text as TOML writes it."""
    # What JSON writes for a string is a TOML basic string too.
    return json.dumps(value, ensure_ascii=False)
