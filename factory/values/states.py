"""The states of attempts, units and upload rows."""

from __future__ import annotations

from enum import StrEnum


class AttemptState(StrEnum):
    """One go at one unit. Every state is committed before what it announces is done."""

    ADMITTED = "admitted"  # identity leased, nothing touched yet
    FLASHING = "flashing"  # the unit may be half written
    FLASHED = "flashed"  # written and read back
    PROVED = "proved"  # the unit said after a reboot who it is
    PASSED = "passed"  # done; the lease became the unit's for ever
    FAILED = "failed"
    UNKNOWN = "unknown"  # intent without result: re-read before anything
    REFUSED = "refused"  # never admitted: bad identity, clone, already passed

    @property
    def is_final(self) -> bool:
        """True when the attempt holds no lease any more."""
        return self in (AttemptState.PASSED, AttemptState.FAILED, AttemptState.REFUSED)


class UnitState(StrEnum):
    """A unit's life beyond its attempts."""

    OPEN = "open"
    PASSED = "passed"
    SHIPPED = "shipped"
    REWORK = "rework"
    QUARANTINED = "quarantined"
    SCRAPPED = "scrapped"


class RowState(StrEnum):
    """A unit's row on its way into the cloud."""

    UNLISTED = "unlisted"
    EXPORTED = "exported"
    UPLOADED = "uploaded"
    PREREGISTERED = "preregistered"
    ONLINE = "online"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    NEEDS_REPUBLISH = "needs-republish"
