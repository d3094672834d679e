"""One check of a stage: a command on the unit, and whether what it printed is what the product asks for."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

from factory.config import CheckSection
from factory.config.stages import expected
from factory.errors import FactoryError
from factory.line.masking import Masks
from factory.line.searching import SearchFailed, search
from factory.units.deadline import Cancelled, Deadline, DeadlineExpired
from factory.units.protocol import Completed, Unit, UnitError, UnitGone
from factory.units.terminal import excerpt

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_LONGEST_NUMBER = 64
_SHOWN = 200
"""Characters of an answer that are kept."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one check came to. `value` is what the unit printed, as text (a number as the unit spells it), masked and
    bounded; `why` is empty where it is as it should be.
    """

    name: str
    value: str
    status: int | None
    limits: Mapping[str, str]
    milliseconds: int
    why: str

    @property
    def ok(self) -> bool:
        """True when the check is passed."""
        return not self.why

    def __str__(self) -> str:
        return f"check {self.name}: {self.value} ({self.why or 'ok'})"

    def as_json(self) -> dict[str, object]:
        """The measurement as canonical JSON values: numbers stay texts, so that they stay what the unit said."""
        return {
            "name": self.name,
            "value": self.value,
            "status": self.status,
            **self.limits,
            "milliseconds": self.milliseconds,
            "ok": self.ok,
            "why": self.why,
        }


class CheckFailed(FactoryError):  # noqa: N818 - reads as what happened
    """A check of a stage failed; the code is `check.NAME`, so that causes can be counted."""

    def __init__(self, measured: Measurement, more: int) -> None:
        also = f"; {more} more failed" if more else ""
        super().__init__(
            f"check {measured.name}: {measured.why}{also}",
            hint="Put the unit aside, or mend it and put it in again: the stage is then done anew.",
            code=f"check.{measured.name}",
        )


def run_check(
    unit: Unit, check: CheckSection, known: Mapping[str, str], masks: Masks, deadline: Deadline
) -> Measurement:
    """Run one check. `known` are the unit's own values, which `expect` may name. Raises UnitGone, Cancelled."""
    began = time.monotonic()
    answer: Completed | None = None
    try:
        answer = unit.run(check.command, deadline=deadline)
        value, why = _judge(check, answer, known, deadline)
    except DeadlineExpired:
        value, why = "", f"no answer within {check.timeout:g} s"
    except (UnitGone, Cancelled):
        raise
    except UnitError as error:
        value, why = "", error.message
    milliseconds = round(1000 * (time.monotonic() - began))
    status = None if answer is None else answer.status
    return Measurement(check.name, masks.text(value), status, _limits(check), milliseconds, masks.text(why))


def _judge(check: CheckSection, answer: Completed, known: Mapping[str, str], deadline: Deadline) -> tuple[str, str]:
    """What the unit said, and what is wrong with it."""
    said = answer.stdout.decode("utf-8", "backslashreplace").strip()
    shown = excerpt(answer.stdout, _SHOWN)
    value = " ".join(shown.strip('"').split()) if said else ""
    if answer.status != check.status:
        also = excerpt(answer.stderr or answer.stdout, _SHOWN)
        return value, f"ended with status {answer.status} and not {check.status}: {also}"
    if check.expect is not None:
        try:
            found = search(expected(check.expect, dict(known)), said, deadline)
        except SearchFailed as error:
            return value, f"{shown}: expect {error.message}"
        if found is None:
            return value, f"{shown} does not match {_spelled(check.expect, known)}"
        said = said if found.group is None else found.group
    if not check.measures:
        return value, ""
    said = said.strip()
    if len(said) > _LONGEST_NUMBER or not _NUMBER.fullmatch(said):
        return value, f"{shown} holds no number to compare"
    number = float(said)
    if check.min is not None and number < check.min:
        return said, f"{said} is below {check.min:g}"
    if (check.max is not None and number > check.max) or not math.isfinite(number):
        return said, f"{said} is above {check.max:g}" if check.max is not None else f"{said} is no finite number"
    return said, ""


def _spelled(pattern: str, known: Mapping[str, str]) -> str:
    for name, value in known.items():
        pattern = pattern.replace(f"{{{name}}}", value)
    return pattern


def _limits(check: CheckSection) -> dict[str, str]:
    limits = {"expect": check.expect, "min": check.min, "max": check.max}
    return {
        name: value if isinstance(value, str) else f"{value:g}" for name, value in limits.items() if value is not None
    }
