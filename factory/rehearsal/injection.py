"""Which part of a simulated unit each fault changes, and with which parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from factory.errors import UsageError
from factory.rehearsal.faults import Fault

if TYPE_CHECKING:
    from factory.rehearsal.flaws import Flaws
    from factory.rehearsal.unit import SimulatedUnit

_DEFAULTS: dict[Fault, dict[str, float]] = {
    Fault.SLOW_ECHO: {"delay": 0.4},
    Fault.DROPPED_BYTES: {"rate": 0.0005, "at": -1},
    Fault.CHANGED_BYTES: {"rate": 0.0005, "at": -1},
    Fault.FIFO_OVERRUN: {"room": 64},
    Fault.CABLE_CUT: {"at": 2000},
    Fault.GARBAGE: {"baud": 57600},
    Fault.KERNEL_MESSAGES: {"every": 300},
    Fault.DISK_FULL: {"room": 0},
    Fault.UNIT_SWAPPED: {"after": 12},
}


def apply(unit: SimulatedUnit, fault: Fault, parameters: Mapping[str, float]) -> None:
    """Make `fault` true of `unit`. Raises UsageError for a parameter that the fault does not have."""
    defaults = _DEFAULTS.get(fault, {})
    unknown = sorted(set(parameters) - set(defaults))
    if unknown:
        raise UsageError(
            f"the fault {fault} has no parameter {', '.join(unknown)}",
            hint=f"{fault}: {fault.help}",
            code="rehearsal.fault",
        )
    values = {**defaults, **parameters}
    if "at" in parameters and "rate" in values and "rate" not in parameters:
        values["rate"] = 0.0
    board = unit.board
    board.faults.add(fault)
    if fault in _WIRE:
        if unit.serial is not None:
            _WIRE[fault](unit.serial.flaws, values)
    elif fault is Fault.WRONG_PASSWORD:
        board.forget_password()
    elif fault is Fault.DISK_FULL:
        board.fill_disk(int(values["room"]))
    elif fault is Fault.UNIT_SWAPPED:
        unit.swap_after(int(values["after"]))
    else:
        board.folder.apply(fault)


def _late(flaws: Flaws, values: Mapping[str, float]) -> None:
    flaws.delay = values["delay"]


def _drop(flaws: Flaws, values: Mapping[str, float]) -> None:
    flaws.drop(values["rate"], _place(values))


def _change(flaws: Flaws, values: Mapping[str, float]) -> None:
    flaws.change(values["rate"], _place(values))


def _overrun(flaws: Flaws, values: Mapping[str, float]) -> None:
    flaws.overrun_room = int(values["room"])


def _cut(flaws: Flaws, values: Mapping[str, float]) -> None:
    flaws.cut(int(values["at"]))


def _garble(flaws: Flaws, values: Mapping[str, float]) -> None:
    flaws.far_baud = int(values["baud"])


def _interrupt(flaws: Flaws, values: Mapping[str, float]) -> None:
    flaws.kernel_every = int(values["every"])


def _silence(flaws: Flaws, _: Mapping[str, float]) -> None:
    flaws.dead = True


def _place(values: Mapping[str, float]) -> int | None:
    return int(values["at"]) if values["at"] >= 0 else None


_WIRE: dict[Fault, Callable[[Flaws, Mapping[str, float]], None]] = {
    Fault.SLOW_ECHO: _late,
    Fault.DROPPED_BYTES: _drop,
    Fault.CHANGED_BYTES: _change,
    Fault.FIFO_OVERRUN: _overrun,
    Fault.CABLE_CUT: _cut,
    Fault.GARBAGE: _garble,
    Fault.KERNEL_MESSAGES: _interrupt,
    Fault.SILENT: _silence,
}
