"""What the simulated clouds remember: one SQLite file, so that a restart forgets nothing."""

from __future__ import annotations

import contextlib
import contextvars
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from factory.errors import NotStartedError
from factory.files import PRIVATE, write_bytes

Row = dict[str, Any]

_committed: contextvars.ContextVar[list[bool] | None] = contextvars.ContextVar("committed", default=None)


class State:
    """One connection to the file, used by one thread at a time; every write is a transaction of its own.

    Raises NotStartedError when the file is no state of simulated clouds.
    """

    def __init__(self, file: Path, schemas: tuple[str, ...]) -> None:
        self._lock = threading.RLock()
        if not file.exists():
            write_bytes(file, b"", mode=PRIVATE)  # it holds keys; SQLite gives its other files the same mode
        try:
            self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise _unusable(file, error) from error
        self._db.row_factory = sqlite3.Row
        try:
            # NORMAL: a killed process loses nothing; what a power cut may take from a rehearsal is no loss.
            for setting in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
                self._db.execute(f"PRAGMA {setting}")
            for schema in schemas:
                self._db.executescript(schema)
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise _unusable(file, error) from error

    def rows(self, sql: str, *values: object) -> list[Row]:
        """Every row that a query gives, as dictionaries."""
        with self._lock:
            return [dict(row) for row in self._db.execute(sql, values)]

    def row(self, sql: str, *values: object) -> Row | None:
        """The first row that a query gives, or None."""
        with self._lock:
            found = self._db.execute(sql, values).fetchone()
        return dict(found) if found is not None else None

    @contextlib.contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Give the connection inside a transaction that is committed when the block ends well."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        note_commit()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()


def _unusable(file: Path, error: sqlite3.Error) -> NotStartedError:
    return NotStartedError(
        f"{file} cannot be used as the state of the simulated clouds: {error}",
        hint="Give another file with --state, or delete this one.",
        code="rehearsal.state",
    )


def note_commit() -> None:
    """Say that this request has done something that outlives its reply."""
    noted = _committed.get()
    if noted is not None:
        noted.append(True)


@contextlib.contextmanager
def noting_commits() -> Iterator[list[bool]]:
    """Give a list that is no longer empty once this task has committed something: faults after a commit ask it."""
    noted: list[bool] = []
    token = _committed.set(noted)
    try:
        yield noted
    finally:
        _committed.reset(token)
