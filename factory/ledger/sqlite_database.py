"""A ledger in one SQLite file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from factory.ledger import sqlite
from factory.ledger.database import Hold
from factory.ledger.errors import LedgerError
from factory.ledger.station import StationLock


class SqliteDatabase:
    """An existing file. Raises LedgerError when it cannot be looked at."""

    def __init__(self, path: Path, *, busy_seconds: float = sqlite.BUSY_SECONDS) -> None:
        self.path = path
        self.engine: Engine = sqlite.open_engine(path, busy_seconds=busy_seconds)
        self._file = sqlite.file_of(path)

    @property
    def location(self) -> str:
        """The file's path."""
        return str(self.path)

    @property
    def writer_options(self) -> Mapping[str, object]:
        """A writer takes the write lock at once."""
        return {sqlite.WRITER: True}

    def require_same(self) -> None:
        """Raise LedgerError when the file was moved or exchanged: ours is then one that nobody will ever read."""
        if sqlite.file_of(self.path) != self._file:
            raise sqlite.replaced(self.path)

    def explain(self, error: DBAPIError) -> LedgerError | None:
        """SQLite's error in a person's words."""
        return sqlite.translate(error, self.path)

    def lost_race(self, error: DBAPIError) -> bool:  # noqa: ARG002 - of the protocol
        """Never: there is one writer at a time."""
        return False

    def hold(self, station: str) -> Hold:
        """Take the station by a lock file beside the ledger."""
        return StationLock(self.path, station)
