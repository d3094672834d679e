"""A rule: what its code means, how bad it is, and how it is said. Data; nothing here looks at a sheet."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from factory.values import Severity


class Use(StrEnum):
    """What a sheet is judged as: the very file that goes to the portal, or a work sheet that is only read here."""

    UPLOAD = "upload"
    WORK = "work"


class Level(StrEnum):
    """What a rule speaks of, and so how its place is written."""

    FILE = "file"
    SHEET = "sheet"
    HEADER = "header"
    ROW = "row"
    CELL = "cell"


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that can be wrong.

    `message` (what and why) and `hint` (what to do) are `str.format` templates over the fields that the finder of
    the fault gives; `example` is a text that shows the fault, for the documents and the tests. `work` is the
    severity in a work sheet where that differs: what an export mends by itself is only a warning there.
    """

    code: str
    level: Level
    severity: Severity
    message: str
    hint: str
    example: str = ""
    work: Severity | None = None

    def severity_in(self, use: Use) -> Severity:
        """How bad this is in a sheet of that use."""
        return self.work if use is Use.WORK and self.work is not None else self.severity


ERROR = Severity.ERROR
WARNING = Severity.WARNING
