"""What one kind of database does in its own way. The tables, the rules and the chain know nothing of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from factory.ledger.errors import LedgerError


class Hold(Protocol):
    """A station that is held by this process, also against other processes, until it ends or releases it."""

    def release(self) -> None:
        """Give the station back."""

    def in_place(self) -> bool:
        """Whether the hold still binds others."""


class Database(Protocol):
    """One open database that holds a ledger."""

    @property
    def engine(self) -> Engine:
        """The engine; every connection of it commits durably."""

    @property
    def location(self) -> str:
        """Where it is, for people: without any password."""

    @property
    def writer_options(self) -> Mapping[str, object]:
        """Execution options of a connection that will write."""

    def require_same(self) -> None:
        """Raise LedgerError when what was opened is no longer what others would open."""

    def explain(self, error: DBAPIError) -> LedgerError | None:
        """What an error means to a person; None when it is a bug of ours."""

    def lost_race(self, error: DBAPIError) -> bool:
        """Whether a transaction failed only because another one was quicker: the same work, done again, sees it."""

    def hold(self, station: str) -> Hold:
        """Take the station. Raises UsageError `ledger.station-busy` when another process has it."""
