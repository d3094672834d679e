"""What the ledger answers about stations in order: frozen, without SQL."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from factory.ledger.records import Attempt, PassedUnit, as_text, damaged


@dataclass(frozen=True, slots=True)
class StagePlace:
    """Where a unit is looked at: the `stages` of its product in order (the flash is the first), the one of this
    station, the lot that runs here, the slot, and the name of the transcript's file.
    """

    stages: tuple[str, ...]
    stage: str
    lot: str
    slot: str
    transcript: str = ""

    @property
    def before(self) -> tuple[str, ...]:
        """The stages between the flash and this one."""
        return self.stages[1 : self.stages.index(self.stage)]


@dataclass(frozen=True, slots=True)
class StagedUnit:
    """A unit that may do its stage: its `record` of the attempt that it passed with, what it is (`passed`), which go
    at this stage it is (`number`, from 1), and what the operator should know.
    """

    record: Attempt
    passed: PassedUnit
    number: int
    note: str


@dataclass(frozen=True, slots=True)
class StageResult:
    """What one go at one stage came to. `unit` and `attempt` (the pass that it belongs to) are None where no unit
    could be read. `measurements` are objects of texts, whole numbers and truth values.
    """

    id: int
    lot: str
    stage: str
    unit: int | None
    attempt: int | None
    hardware_id: str | None
    number: int
    outcome: str
    code: str | None
    cause: str | None
    measurements: tuple[Mapping[str, Any], ...]
    transcript: str | None
    at: datetime
    station: str
    operator: str
    software: str
    slot: str

    def place(self) -> str:
        """Where and when, for messages: 'slot A of station S, 2026-11-20 12:26:28 UTC'."""
        return f"slot {self.slot} of station {self.station}, {self.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"

    def as_json(self) -> dict[str, object]:
        """The result as plain JSON values."""
        return {
            "result": self.id,
            "lot": self.lot,
            "stage": self.stage,
            "unit": self.unit,
            "attempt": self.attempt,
            "hardware_id": self.hardware_id,
            "number": self.number,
            "outcome": self.outcome,
            "code": self.code,
            "cause": self.cause,
            "measurements": [dict(one) for one in self.measurements],
            "transcript": self.transcript,
            "at": as_text(self.at),
            "station": self.station,
            "operator": self.operator,
            "software": self.software,
            "slot": self.slot,
        }


@dataclass(frozen=True, slots=True)
class LotStop:
    """A lot that stopped by itself: the last `failures` units failed with the same `code`. `stage` is empty for the
    flash.
    """

    lot: str
    stage: str
    code: str
    cause: str
    failures: int
    station: str
    slot: str
    at: datetime

    def told(self) -> str:
        """It in words: 'lot L is stopped: 5 units in a row failed with unit.gone, the last in slot A of station S'."""
        where = f" at stage {self.stage}" if self.stage else ""
        when = f"{self.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        return (
            f"lot {self.lot} is stopped: {self.failures} units in a row failed{where} with {self.code}, the last in "
            f"slot {self.slot} of station {self.station} at {when}: {self.cause}"
        )


def as_measurements(text: str) -> tuple[Mapping[str, Any], ...]:
    """The measurements of a row. Raises LedgerError when the row is damaged."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise damaged("the measurements of a stage cannot be read") from error
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise damaged("the measurements of a stage are no list of objects")
    return tuple(value)


Measurements = Sequence[Mapping[str, object]]
