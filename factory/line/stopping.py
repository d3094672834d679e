"""When a line stops by itself: the same failure again and again is not the units' any more.

A slot counts its own failures in a row; a lot's are counted by the ledger, over all its stations. A unit that was
refused counts for neither, and neither does an attempt that was called off.
"""

from __future__ import annotations

import threading

from factory.config import Slot
from factory.errors import NotStartedError
from factory.ledger import Ledger, LotStop
from factory.ledger.lot_stops import NOT_COUNTED
from factory.line.feed import SlotFeed, SlotState
from factory.line.operator import SlotKeys
from factory.line.setup import Setup
from factory.line.summary import Outcome, Row

WARNING = "line.warning"


class SlotStopping:
    """One slot's failures in a row. Used by the slot's worker."""

    def __init__(self, setup: Setup, slot: Slot, feed: SlotFeed, keys: SlotKeys) -> None:
        self._setup = setup
        self._slot = slot
        self._feed = feed
        self._keys = keys
        self._after = setup.bench.station.stop_slot_after
        self._code = ""
        self._cause = ""
        self._count = 0

    @property
    def is_due(self) -> bool:
        """Whether the slot has to stop now."""
        return 0 < self._after <= self._count

    def take(self, row: Row) -> None:
        """Take an attempt's outcome into account."""
        if row.outcome is Outcome.PASSED:
            self._count = 0
        elif row.outcome is Outcome.FAILED and row.code is not None and row.code not in NOT_COUNTED:
            self._count = self._count + 1 if row.code == self._code else 1
            self._code = row.code
            self._cause = row.cause or ""

    def wait(self, stop: threading.Event) -> bool:
        """Stand still until somebody types the slot's name; False when the line stops first, or when nobody is there
        to type it. Raises LedgerError.
        """
        ledger, slot = self._setup.ledger, self._slot.name
        told = {"code": self._code, "count": self._count, "cause": self._cause}
        ledger.record("slot.stopped", slot=slot, data=told)
        cause = self._cause.splitlines()[0] if self._cause else self._code
        hint = f"Look at the slot, its cable and its adapter. Then type {slot} and Enter."
        text = f"STOPPED: {self._count} units in a row failed: {cause}"
        self._keys.forget()
        self._feed.state(SlotState.STOPPED, text, code=self._code, hint=hint)
        if not self._setup.interactive:
            return False
        while not stop.is_set():
            if self._keys.next(self._setup.timing.tick) is not None:
                self._count = 0
                ledger.record("slot.resumed", slot=slot, data=told)
                return True
        return False


class LotStopping:
    """Whether this run's lot goes on. Any thread may ask."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._lock = threading.Lock()
        self._said = False

    def after(self, row: Row) -> bool:
        """Take an attempt's outcome into account; True when the lot stops. Raises LedgerError."""
        setup = self._setup
        after = setup.bench.station.stop_lot_after
        if after < 1 or row.outcome is not Outcome.FAILED or row.code in NOT_COUNTED:
            return False
        stage = "" if setup.stage is None else setup.stage.name
        return self._say(setup.ledger.judge_lot(setup.lot, stage, after=after))

    def stands(self) -> bool:
        """True when the lot was stopped meanwhile, at whatever station. Raises LedgerError."""
        return self._say(self._setup.ledger.lot_stop(self._setup.lot))

    def _say(self, stop: LotStop | None) -> bool:
        if stop is None:
            return False
        with self._lock:
            if not self._said:
                self._said = True
                self._setup.feed.say(WARNING, data={"message": stop.told(), "hint": _GO_ON})
        return True


_GO_ON = "Find out why. Then go on with --accept-failures REASON."


def require_going(ledger: Ledger, lot: str, reason: str | None) -> None:
    """Raise NotStartedError (`line.lot-stopped`) for a lot that stopped, unless a reason to go on is given, which the
    ledger keeps. Raises UsageError (`ledger.no-stop`) for a reason without a stop.
    """
    if reason is not None:
        ledger.accept_failures(lot, reason)
        return
    stop = ledger.lot_stop(lot)
    if stop is not None:
        raise NotStartedError(stop.told(), hint=_GO_ON, code="line.lot-stopped")
