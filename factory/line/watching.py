"""Whether a unit is in a slot: when one comes, when it goes, and when something came back that must be looked at."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from factory.line.operator import Key, SlotKeys
from factory.line.routes import Route, Sign, Watch
from factory.line.timing import Timing
from factory.units.protocol import UnitError


class Left(Enum):
    """Why the wait for removal ended."""

    REMOVED = "removed"
    BY_KEY = "removed, said the operator"
    RETURNED = "returned"  # it was silent and something answers again: the same unit, or another one
    STOPPED = "stopped"


@dataclass(slots=True)
class _Seen:
    watch: Watch
    last: float  # monotonic time of the last sign of life; in the future while our own reboot may last
    next: float  # monotonic time of the next probe
    booting: float  # until then a new sign of life is the end of our own reboot and no return
    missed: bool = False
    down: bool = False


class SlotWatch:
    """Watches one slot between attempts. `trouble` is told when a route cannot be watched, and "" when it can again."""

    def __init__(
        self,
        routes: Sequence[Route],
        keys: SlotKeys,
        timing: Timing,
        stop: threading.Event,
        trouble: Callable[[str], None],
    ) -> None:
        self._routes = tuple(routes)
        self._keys = keys
        self._timing = timing
        self._stop = stop
        self._trouble = trouble
        self._said = ""

    def wait_present(self) -> bool:
        """Wait for bytes on serial, an answer on TCP or the operator's key; False when the line stops first."""
        while not self._stop.is_set():
            try:
                with contextlib.ExitStack() as stack:
                    watches = [stack.enter_context(route.watch()) for route in self._routes]
                    self._say("")
                    return self._until_seen(watches)
            except UnitError as error:
                self._say(error.message)
                if self._keys.next(self._timing.probe_every) is Key.HERE:
                    return True
        return False

    def wait_left(self, *, booting_until: float = 0.0) -> Left:
        """Wait until the unit is gone or something returned.

        `booting_until` is the monotonic time up to which silence is our own reboot and no removal.
        """
        while True:
            try:
                with contextlib.ExitStack() as stack:
                    watches = [stack.enter_context(route.watch()) for route in self._routes]
                    self._say("")
                    return self._until_left(watches, booting_until)
            except UnitError as error:
                self._say(error.message)
                key = self._keys.next(self._timing.probe_every)
                if key is Key.REMOVED:
                    return Left.BY_KEY
                if self._stop.is_set():
                    return Left.STOPPED

    def _until_seen(self, watches: Sequence[Watch]) -> bool:
        share = self._timing.tick / (len(watches) + 1)
        while not self._stop.is_set():
            if self._keys.next(share) is Key.HERE:
                return True
            if any(watch.listen(share) for watch in watches):
                return True
        return False

    def _until_left(self, watches: Sequence[Watch], booting_until: float) -> Left:
        now = time.monotonic()
        seen = [
            _Seen(watch, last=max(now, booting_until), next=now + self._timing.probe_every, booting=booting_until)
            for watch in watches
        ]
        while not self._stop.is_set():
            key = self._keys.next(self._timing.tick)
            if key is Key.REMOVED:
                return Left.BY_KEY
            if key is Key.HERE:
                return Left.RETURNED
            looked = [self._look(one) for one in seen]  # every route, also where the first one has news
            if any(looked):
                return Left.RETURNED
            if all(one.down or self._silent(one) for one in seen):
                return Left.REMOVED
        return Left.STOPPED

    def _look(self, one: _Seen) -> bool:
        """Probe one route when it is time to; True when it answers again after it had not."""
        now = time.monotonic()
        if one.missed or now < one.booting:
            # Only listened to: an Enter could stop the boot loader of the next unit, or of this one in our own reboot.
            if not one.watch.listen(0.0):
                return False
            returned = now >= one.booting
            one.missed, one.last, one.next, one.booting = False, now, now + self._timing.probe_every, 0.0
            return returned
        if now < one.next:
            return False
        sign = one.watch.ask()
        one.next = time.monotonic() + self._timing.probe_every
        one.down = sign is Sign.DOWN
        if sign is Sign.HERE:
            one.last = max(one.last, time.monotonic())
        else:
            one.missed = True
        return False

    def _silent(self, one: _Seen) -> bool:
        return one.missed and time.monotonic() - one.last >= self._timing.gone_after

    def _say(self, trouble: str) -> None:
        if trouble != self._said:
            self._said = trouble
            self._trouble(trouble)
