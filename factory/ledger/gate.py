"""Who is at work, and who moves what they work on: never both."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class Gate:
    """Many may be inside at work; one moves, when nobody is inside, and nobody comes in meanwhile.

    `trouble` says that a move is due: nobody comes in any more. `closed` lets everybody through, at the end.
    """

    def __init__(self) -> None:
        self.trouble = threading.Event()
        self.closed = threading.Event()
        self._condition = threading.Condition()
        self._own = threading.local()
        self._inside = 0
        self._moving = False

    @property
    def is_inside(self) -> bool:
        """Whether this thread is at work."""
        return getattr(self._own, "inside", False)

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Be at work; waits while a move is due or under way."""
        with self._condition:
            self._condition.wait_for(self._is_still)
            self._inside += 1
        self._own.inside = True
        try:
            yield
        finally:
            self._own.inside = False
            with self._condition:
                self._inside -= 1
                self._condition.notify_all()

    @contextlib.contextmanager
    def moving(self) -> Iterator[None]:
        """Move: begins when nobody is inside any more. Afterwards no move is due."""
        with self._condition:
            self._moving = True
            self._condition.wait_for(lambda: self._inside == 0 or self.closed.is_set())
        try:
            yield
        finally:
            with self._condition:
                self.trouble.clear()
                self._moving = False
                self._condition.notify_all()

    def until_still(self) -> None:
        """Wait while a move is due or under way. Not for one who is inside: the move waits for him."""
        with self._condition:
            self._condition.wait_for(self._is_still)

    def close(self) -> None:
        """Let everybody through: no move comes any more."""
        self.closed.set()
        self.trouble.set()
        with self._condition:
            self._condition.notify_all()

    def _is_still(self) -> bool:
        return self.closed.is_set() or not (self._moving or self.trouble.is_set())
