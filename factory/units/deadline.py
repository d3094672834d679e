"""Deadlines: how long work may take, how long it may be silent, and whether somebody called it off."""

from __future__ import annotations

import threading
import time

from factory.errors import Exit, FactoryError


class Cancelled(FactoryError):  # noqa: N818 - a request, not a fault
    """The operator or the line called the work off."""

    code = "cancelled"
    exit_code = Exit.INTERRUPTED


class DeadlineExpired(FactoryError):  # noqa: N818 - reads as what happened
    """Work took longer than it may, or the far side was silent for too long."""

    code = "unit.timeout"


class Deadline:
    """A point on the monotonic clock that is handed down instead of a number of seconds.

    `idle` is how many seconds the far side may be silent (None: as long as the whole); `cancel` is set from
    another thread to call the work off. One Deadline may be shared by several threads.
    """

    __slots__ = ("_end", "cancel", "idle", "seconds")

    def __init__(self, seconds: float, *, idle: float | None = None, cancel: threading.Event | None = None) -> None:
        self.seconds = seconds
        self.idle = idle
        self.cancel = cancel if cancel is not None else threading.Event()
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._end - time.monotonic())

    @property
    def expired(self) -> bool:
        """True when no time is left; cancellation does not count."""
        return time.monotonic() >= self._end

    def check(self, doing: str) -> None:
        """Raise Cancelled or DeadlineExpired, naming what was being done."""
        if self.cancel.is_set():
            raise Cancelled(f"called off while {doing}")
        if self.expired:
            raise DeadlineExpired(
                f"no result within {self.seconds:g} s while {doing}",
                hint="See the transcript for what came back.",
            )

    def slice(self, seconds: float) -> float:
        """The smaller of `seconds` and what is left: the time-out for one blocking call."""
        return min(seconds, self.left)

    def within(self, seconds: float, *, idle: float | None = None) -> Deadline:
        """A deadline of at most `seconds` that never outlives this one and shares its cancel flag."""
        return Deadline(min(seconds, self.left), idle=idle if idle is not None else self.idle, cancel=self.cancel)

    def pause(self, seconds: float) -> None:
        """Wait between two tries; returns early when cancelled. Raises Cancelled."""
        if self.cancel.wait(self.slice(seconds)):
            raise Cancelled("called off while waiting for the next try")
