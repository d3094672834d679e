"""One slot: wait for a unit, make an attempt, show its outcome until the unit is gone, again."""

from __future__ import annotations

import threading
import traceback

from factory.config import Slot
from factory.errors import FactoryError
from factory.line.attempt import Attempt, Finished, Known, StillHere
from factory.line.feed import SlotFeed, SlotState
from factory.line.operator import SlotKeys
from factory.line.quota import Quota
from factory.line.setup import Setup
from factory.line.stages import next_stage, steps_of
from factory.line.stopping import LotStopping, SlotStopping
from factory.line.summary import Outcome, Row
from factory.line.watching import Left, SlotWatch
from factory.values import STATION_FAULTS


class Worker:
    """Runs one slot in a thread of its own. `stop` ends it between attempts, `cancel` calls off a running one too."""

    def __init__(
        self,
        setup: Setup,
        slot: Slot,
        quota: Quota,
        lot: LotStopping,
        *,
        stop: threading.Event,
        cancel: threading.Event,
    ) -> None:
        self.keys = SlotKeys()
        self._setup = setup
        self._slot = slot
        self._quota = quota
        self._stop = stop
        self._cancel = cancel
        self._feed = SlotFeed(setup.feed, slot.name)
        # The same routes for watching and for attempts: what one saw spares the other a wait.
        self._routes = setup.routes_of(slot)
        self._watch = SlotWatch(self._routes, self.keys, setup.timing, stop, self._trouble)
        self._lot = lot
        self._stopping = SlotStopping(setup, slot, self._feed, self.keys)
        self._retired = False
        self._known: Known | None = None
        self._shown: tuple[SlotState, str, dict[str, object]] = (SlotState.CONNECT, "connect a unit", {})
        # Not a daemon: a run that ends well has put every unit into a known state; the second Ctrl-C does not wait.
        self.thread = threading.Thread(target=self._work, name=f"slot {slot.name}")

    def _work(self) -> None:
        while not self._stop.is_set() and not self._retired:
            try:
                self._one_unit()
            except Exception as error:  # noqa: BLE001 - the slot stays usable and the others never notice
                self._report(error)
                self._stop.wait(self._setup.timing.retry_pause)

    def _one_unit(self) -> None:
        self._show(SlotState.CONNECT, "connect a unit")
        if not self._watch.wait_present():
            return
        while not self._lot_stopped() and self._reserve():
            with self._setup.ledger.working():
                finished = self._attempt()
            if self._stopping.is_due and not self._looked_at():
                return
            if self._await_removal(0.0 if finished is None else finished.booting_until):
                return

    def _lot_stopped(self) -> bool:
        if self._lot.stands():
            self._stop.set()
        return self._stop.is_set()

    def _looked_at(self) -> bool:
        """Stand still after too many equal failures; True when somebody has looked and goes on."""
        if self._stop.is_set():
            return False
        if self._stopping.wait(self._stop):
            self._show_again()
            return True
        # Nobody is there who could look: the other slots go on without this one.
        self._retired = True
        return False

    def _attempt(self) -> Finished | None:
        """Make one attempt; None when the unit was still the one of before."""
        done: Row | None = None
        try:
            self._feed.state(SlotState.WORKING, "working: connect", step="connect")
            attempt = Attempt(
                self._setup,
                self._slot,
                self._routes,
                self._feed,
                self.keys,
                cancel=self._cancel,
                known=self._known,
                steps=steps_of(self._setup),
            )
            ended = attempt.run()
            if isinstance(ended, StillHere):
                self._record("slot.still-here")
                self._show_again()
                return None
            done = ended.row
            self._known = ended.known
            # Keys of before were meant for what the slot showed then; from here on they answer the outcome.
            self.keys.forget()
            self._show_outcome(ended.row)
            if ended.row.code in STATION_FAULTS:
                self._record("station.fault", code=ended.row.code, message=ended.row.cause)
                self._stop.set()
            self._stopping.take(ended.row)
            if self._lot.after(ended.row):
                self._stop.set()
            return ended
        finally:
            self._quota.give_back(done)

    def _await_removal(self, booting_until: float) -> bool:
        """Wait; True when the slot is free for the next unit (or the line stops), False to look again at once."""
        left = self._watch.wait_left(booting_until=booting_until)
        if left is Left.RETURNED:
            return False
        if left is not Left.STOPPED:
            self._record("slot.removed", how=left.value)
            self._forget(by_key=left is Left.BY_KEY)
        return True

    def _forget(self, *, by_key: bool) -> None:
        # A unit that passed is known again when it comes back, unless the operator said that it was taken away: then
        # the ledger judges it. One that failed gets another go whenever it was taken away.
        if by_key or (self._known is not None and not self._known.passed):
            self._known = None

    def _reserve(self) -> bool:
        while not self._stop.is_set():
            if self._quota.reserve():
                return True
            self._stop.wait(self._setup.timing.tick)
        return False

    def _show_outcome(self, row: Row) -> None:
        data: dict[str, object] = {"hardware_id": row.hardware_id, "code": row.code, "hint": row.hint}
        if row.outcome is Outcome.PASSED:
            also = "" if row.code is None else f" ({row.cause})"
            further = next_stage(self._setup)
            then = "" if further is None else f", next is {further}"
            self._show(SlotState.PASS, f"PASS remove{then}{also}", **data)
        else:
            cause = (row.cause or "").splitlines()
            self._show(SlotState.FAIL, f"FAIL remove: {cause[0] if cause else row.code}", **data)

    def _show(self, state: SlotState, text: str, **data: object) -> None:
        self._shown = (state, text, data)
        self._feed.state(state, text, **data)

    def _show_again(self) -> None:
        if self._shown[0] is SlotState.CONNECT and self._known is not None and self._known.passed:
            self._shown = (SlotState.PASS, "PASS remove (the unit of before)", {})
        state, text, data = self._shown
        self._feed.state(state, text, **data)

    def _trouble(self, text: str) -> None:
        state, shown, data = self._shown
        self._feed.state(state, f"{shown} (cannot look: {text})" if text else shown, **data)

    def _record(self, kind: str, **data: object) -> None:
        try:
            self._setup.ledger.record(kind, slot=self._slot.name, data=data)
        except FactoryError as error:
            self._feed.unrecorded(kind, None, {**data, "ledger": error.message})

    def _report(self, error: Exception) -> None:
        data: dict[str, object] = {"error": f"{type(error).__name__}: {error}"}
        if self._setup.debug:
            data["traceback"] = "".join(traceback.format_exception(error))
        kind = "slot.error" if isinstance(error, FactoryError) else "line.bug"
        self._feed.unrecorded(kind, None, data)
        self._feed.state(SlotState.FAIL, f"FAIL remove: {data['error']}", code=kind)
