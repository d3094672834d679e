"""Findings: something wrong, with its place."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is: an error refuses the unit or the row, a warning is shown and passes."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `place` is where on the bench or in the configuration ("mac.eth0",
    "identity.hardware_id"); `value` is escaped and bounded, and empty for secrets.
    """

    code: str
    severity: Severity
    place: str
    message: str
    hint: str = ""
    value: str = ""

    def __str__(self) -> str:
        hint = f" {self.hint}" if self.hint else ""
        return f"{self.place}: {self.message}.{hint} [{self.code}]"
