"""The queue between the slots and whoever looks on: outcomes are never dropped, progress may be."""

from __future__ import annotations

import queue
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum

from factory.line.operator import Key
from factory.values import Event

# More waiting events than this and a view is too slow for progress; what happened still goes in.
BACKLOG = 256


class SlotState(StrEnum):
    """What the operator reads at a slot."""

    CONNECT = "connect"
    WORKING = "working"
    PASS = "pass"  # noqa: S105 - a state, not a password
    FAIL = "fail"
    SCAN = "scan"  # the unit's label has to be scanned
    WRONG = "wrong"  # another label was scanned, or the printer is away
    STOPPED = "stopped"  # it failed too often; somebody has to look


class Feed:
    """Events from every thread, in the order in which they were put, for one reader."""

    def __init__(self, station: str, *, backlog: int = BACKLOG) -> None:
        self.station = station
        self._backlog = backlog
        # SimpleQueue: its put is safe even within a signal handler.
        self._queue: queue.SimpleQueue[Event] = queue.SimpleQueue()

    def put(self, event: Event) -> None:
        """Add what happened; the ledger's own events come here after their commit."""
        self._queue.put(event)

    def say(
        self,
        kind: str,
        *,
        slot: str | None = None,
        attempt: int | None = None,
        data: Mapping[str, object] | None = None,
    ) -> None:
        """Add an event that only the screen needs: it is not in the ledger and has no number."""
        self.put(Event(kind, self.station, datetime.now(UTC), slot, attempt, None, dict(data or {})))

    def progress(self, *, slot: str, attempt: int | None, step: str, sent: int, total: int) -> None:
        """Add progress in bytes, unless the reader is behind."""
        if self._queue.qsize() < self._backlog:
            data = {"step": step, "sent": sent, "total": total}
            self.say("attempt.progress", slot=slot, attempt=attempt, data=data)

    @property
    def waiting(self) -> bool:
        """Whether an event waits to be read."""
        return not self._queue.empty()

    def get(self, timeout: float) -> Event | None:
        """The next event, or None when there is none within `timeout` seconds."""
        try:
            return self._queue.get(timeout=timeout) if timeout > 0 else self._queue.get_nowait()
        except queue.Empty:
            return None


class SlotFeed:
    """One slot's way into the feed."""

    def __init__(self, feed: Feed, slot: str) -> None:
        self.slot = slot
        self._feed = feed

    def state(self, state: SlotState, text: str, **data: object) -> None:
        """Say what the operator reads at this slot from now on: one line, and what a screen may show beside it."""
        shown = {"state": str(state), "text": text, **{key: value for key, value in data.items() if value is not None}}
        self._feed.say("slot.state", slot=self.slot, data=shown)

    def step(self, step: str, attempt: int | None, routes: tuple[str, ...] = ()) -> None:
        """Say which step of an attempt begins."""
        self._feed.say("attempt.step", slot=self.slot, attempt=attempt, data={"step": step, "routes": list(routes)})
        self.state(SlotState.WORKING, f"working: {step}", step=step)

    def progress(self, step: str, attempt: int | None, sent: int, total: int) -> None:
        """Say how many bytes of a step are done."""
        self._feed.progress(slot=self.slot, attempt=attempt, step=step, sent=sent, total=total)

    def question(self, question: str, code: str) -> None:
        """Ask the operator something that is answered with YES or NO."""
        self._feed.say("slot.question", slot=self.slot, data={"question": question, "code": code, "keys": [*_ANSWERS]})

    def unrecorded(self, kind: str, attempt: int | None, data: Mapping[str, object]) -> None:
        """Say something that the ledger could not take, or need not: it is shown and has no number."""
        self._feed.say(kind, slot=self.slot, attempt=attempt, data=data)


_ANSWERS = (str(Key.YES), str(Key.NO))
