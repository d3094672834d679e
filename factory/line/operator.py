"""The operator's keys: what a person at the bench can tell a slot."""

from __future__ import annotations

import queue
from enum import StrEnum


class Key(StrEnum):
    """HERE: a unit is connected now. REMOVED: it is gone. YES and NO answer a slot's question; NO also gives up
    a label, and REPRINT prints it again.
    """

    HERE = "here"
    REMOVED = "removed"
    YES = "yes"
    NO = "no"
    REPRINT = "reprint"


class SlotKeys:
    """Keys pressed for one slot, in order; pressed in any thread, read by the slot's worker."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Key] = queue.SimpleQueue()

    def press(self, key: Key) -> None:
        """A key was pressed."""
        self._queue.put(key)

    def next(self, timeout: float) -> Key | None:
        """The next key, or None when none is pressed within `timeout` seconds."""
        try:
            return self._queue.get(timeout=timeout) if timeout > 0 else self._queue.get_nowait()
        except queue.Empty:
            return None

    def forget(self) -> None:
        """Drop what was pressed before: it was meant for what the slot showed then."""
        while self.next(0) is not None:
            pass
