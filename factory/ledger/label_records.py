"""A label as the ledger answers for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row

from factory.ledger.records import as_text, as_time
from factory.values import AttemptState, LabelState, UnitState


@dataclass(frozen=True, slots=True)
class LabelSubject:
    """A unit for which a label can be made: its newest pass, and what that gave to it (Identity.public())."""

    unit: int
    attempt: int
    hardware_id: str
    identity: Mapping[str, Any]
    lot: str
    started: datetime
    slot: str


@dataclass(frozen=True, slots=True)
class LabelRecord:
    """One label. `number` counts the labels of its unit, so that `number - 1` of them came before; `scan` says that
    it has to be scanned back; `sha256` is of what the printer was sent; `reason` says why it was printed although
    there was one before, and once it is void, why. `attempt_state` and `unit_state` are those of now.
    """

    nonce: str
    number: int
    unit: int
    hardware_id: str
    attempt: int
    state: LabelState
    scan: bool
    sha256: str
    printer: str
    slot: str
    station: str
    operator: str
    reason: str
    at: datetime
    printed_at: datetime | None
    verified_at: datetime | None
    voided_at: datetime | None
    attempt_state: AttemptState
    unit_state: UnitState

    @property
    def is_live(self) -> bool:
        """Whether it may be on its unit."""
        return self.state is not LabelState.VOID

    @property
    def proves(self) -> bool:
        """Whether a unit that carries it has passed and nobody put it aside: the one thing a label is for."""
        done = self.state is LabelState.VERIFIED or (self.state is LabelState.PRINTED and not self.scan)
        return done and self.attempt_state is AttemptState.PASSED and self.unit_state in _GOOD

    def standing(self) -> str:
        """The label in words: 'label 2 of unit b827eb010203, verified 2026-11-20 12:26 UTC in slot A of station S'."""
        moment = self.voided_at or self.verified_at or self.printed_at or self.at
        when = f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        state = "of unknown fate since" if self.state is LabelState.INTENT else str(self.state)
        why = f": {self.reason}" if self.state is LabelState.VOID and self.reason else ""
        where = f"in slot {self.slot} of station {self.station}" if self.slot else f"at station {self.station}"
        return f"label {self.number} of unit {self.hardware_id}, {state} {when} {where}{why}"

    def as_json(self) -> dict[str, object]:
        """The label as plain JSON values."""
        times = {name: getattr(self, name) for name in ("printed_at", "verified_at", "voided_at")}
        return {
            "nonce": self.nonce,
            "number": self.number,
            "hardware_id": self.hardware_id,
            "attempt": self.attempt,
            "state": str(self.state),
            "scan": self.scan,
            "sha256": self.sha256,
            "printer": self.printer,
            "slot": self.slot,
            "station": self.station,
            "operator": self.operator,
            "reason": self.reason,
            "at": as_text(self.at),
            **{name: None if moment is None else as_text(moment) for name, moment in times.items()},
            "attempt_state": str(self.attempt_state),
            "unit_state": str(self.unit_state),
            "proves": self.proves,
        }


_GOOD = frozenset({UnitState.PASSED, UnitState.SHIPPED})


def as_label(row: Row[Any]) -> LabelRecord:
    """The label of a joined row of `labels`, its attempt and its unit. Raises LedgerError when it is damaged."""
    return LabelRecord(
        nonce=row.nonce,
        number=row.number,
        unit=row.unit,
        hardware_id=row.hardware_id or "",
        attempt=row.attempt,
        state=LabelState(row.state),
        scan=row.scan,
        sha256=row.sha256,
        printer=row.printer,
        slot=row.slot,
        station=row.station,
        operator=row.operator,
        reason=row.reason,
        at=as_time(row.at),
        printed_at=as_time(row.printed_at) if row.printed_at else None,
        verified_at=as_time(row.verified_at) if row.verified_at else None,
        voided_at=as_time(row.voided_at) if row.voided_at else None,
        attempt_state=AttemptState(row.attempt_state),
        unit_state=UnitState(row.unit_state),
    )
