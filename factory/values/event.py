"""Events: what happened at a station, in order, for the ledger and for every view of the line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `kind` is `noun.verb` ("attempt.admitted", "slot.removed", "attempt.progress");
    `data` holds canonical JSON values and no secret. `seq` counts per station and is None for progress, which may
    be dropped and never enters the ledger; order by `seq`, not by `at` (station clocks may be wrong).
    """

    kind: str
    station: str
    at: datetime
    slot: str | None = None
    attempt: int | None = None
    seq: int | None = None
    data: Mapping[str, object] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """The event as plain JSON values, time as ISO 8601 in UTC."""
        return {
            "kind": self.kind,
            "station": self.station,
            "at": self.at.isoformat(timespec="milliseconds"),
            "slot": self.slot,
            "attempt": self.attempt,
            "seq": self.seq,
            "data": dict(self.data),
        }
