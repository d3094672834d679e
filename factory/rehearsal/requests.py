"""What a simulated unit can be asked for from outside, one line each (see control.py and power.py)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from factory.errors import FactoryError, UsageError
from factory.rehearsal.control import DONE
from factory.rehearsal.faults import Fault

if TYPE_CHECKING:
    from factory.rehearsal.unit import SimulatedUnit


def carry_out(unit: SimulatedUnit, line: str) -> None:
    """Carry out one line from the unit's fifo, `REQUEST #TOKEN`, and leave the answer for who waits for the token:
    a file that is empty, or says why the request was refused.
    """
    answered(unit.control, partial(_obey, unit), line)


def answered(control: Path, obey: Callable[[list[str]], None], line: str) -> None:
    """Let `obey` carry out the words of one line, and leave the answer in the control folder."""
    request, _, token = line.partition(" #")
    answer = ""
    try:
        obey(request.split())
    except FactoryError as error:
        answer = error.message
    if token:
        part = control / f"part.{token}"
        part.write_text(answer)
        part.rename(control / f"{DONE}{token}")


def _obey(unit: SimulatedUnit, words: list[str]) -> None:
    match words:
        case ["reboot"]:
            unit.reboot()
        case ["on" | "power-on"]:
            unit.power_on()
        case ["off" | "power-off"]:
            unit.power_off()
        case ["pull"]:
            unit.pull()
        case ["plug" | "mend"]:
            unit.plug()
        case ["swap"]:
            unit.swap()
        case ["fault", name, *rest] if name in set(Fault):
            unit.inject(Fault(name), **_parameters(rest))
        case _:
            raise UsageError(f"a simulated unit does not know the request '{' '.join(words)}'")


def _parameters(words: list[str]) -> dict[str, float]:
    try:
        return {name: float(value) for name, _, value in (word.partition("=") for word in words)}
    except ValueError as error:
        raise UsageError(f"parameters of a fault are written NAME=NUMBER, not '{' '.join(words)}'") from error
