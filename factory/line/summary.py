"""What a run of the line came to: one row per finished attempt."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from factory.errors import Exit


class Outcome(StrEnum):
    """How an attempt ended."""

    PASSED = "passed"
    FAILED = "failed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Row:
    """One finished attempt. `seconds` is wall time from the first contact; `hook` is None where none was run.

    `code`, `cause` and `hint` say why it did not pass; for a passed unit with a failed hook they speak of the hook.
    """

    slot: str
    routes: tuple[str, ...]
    outcome: Outcome
    seconds: float
    transcript: Path
    attempt: int | None = None
    hardware_id: str | None = None
    code: str | None = None
    cause: str | None = None
    hint: str | None = None
    hook: str | None = None
    image: Path | None = None
    retries: int = 0
    warnings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """The row as plain JSON values."""
        return {
            "slot": self.slot,
            "routes": list(self.routes),
            "attempt": self.attempt,
            "hardware_id": self.hardware_id,
            "outcome": str(self.outcome),
            "seconds": round(self.seconds, 3),
            "code": self.code,
            "cause": self.cause,
            "hint": self.hint,
            "hook": self.hook,
            "retries": self.retries,
            "warnings": list(self.warnings),
            "transcript": str(self.transcript),
            "image": None if self.image is None else str(self.image),
        }


@dataclass(frozen=True, slots=True)
class Summary:
    """A whole run: its rows in the order in which the attempts ended."""

    lot: str
    station: str
    rows: tuple[Row, ...]
    seconds: float
    interrupted: bool = False

    @property
    def passed(self) -> int:
        """How many attempts passed."""
        return self._count(Outcome.PASSED)

    @property
    def failed(self) -> int:
        """How many attempts failed."""
        return self._count(Outcome.FAILED)

    @property
    def refused(self) -> int:
        """How many units were refused."""
        return self._count(Outcome.REFUSED)

    @property
    def exit_code(self) -> Exit:
        """What a command that ran this line ends with."""
        if self.interrupted:
            return Exit.INTERRUPTED
        if any(row.code == "line.bug" for row in self.rows):
            return Exit.BUG
        return Exit.FAILED if self.failed or self.refused or self._hooks_failed() else Exit.DONE

    def as_json(self) -> dict[str, object]:
        """The summary as one document of plain JSON values."""
        return {
            "schema": "factory.run/1",
            "lot": self.lot,
            "station": self.station,
            "interrupted": self.interrupted,
            "seconds": round(self.seconds, 3),
            "passed": self.passed,
            "failed": self.failed,
            "refused": self.refused,
            "attempts": [row.as_json() for row in self.rows],
        }

    def _count(self, outcome: Outcome) -> int:
        return sum(row.outcome is outcome for row in self.rows)

    def _hooks_failed(self) -> bool:
        return any(row.hook == "failed" for row in self.rows)
