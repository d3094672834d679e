"""How many attempts a run makes: never more are started than are wanted, and a contact that was none is given back."""

from __future__ import annotations

import threading

from factory.line.summary import Row


class Quota:
    """Counts attempts for all slots; `limit` None means as many as come."""

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._open = 0
        self._rows: list[Row] = []

    def reserve(self) -> bool:
        """Take the right to one attempt; False while others hold all that are left."""
        with self._lock:
            if self._limit is not None and self._open + len(self._rows) >= self._limit:
                return False
            self._open += 1
            return True

    def give_back(self, row: Row | None) -> None:
        """End one attempt with its row, or with None where none was made."""
        with self._lock:
            self._open -= 1
            if row is not None:
                self._rows.append(row)

    @property
    def rows(self) -> tuple[Row, ...]:
        """The finished attempts in the order in which they ended."""
        with self._lock:
            return tuple(self._rows)

    @property
    def is_used_up(self) -> bool:
        """True when as many attempts as wanted are finished."""
        with self._lock:
            return self._limit is not None and len(self._rows) >= self._limit
