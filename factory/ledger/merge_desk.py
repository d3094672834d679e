"""The ledger's methods for merging another one into it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sqlalchemy import Connection

from factory.errors import UsageError
from factory.ledger.checks import verify
from factory.ledger.errors import LedgerError
from factory.ledger.merging.merge import Merge, Progress, look, merge
from factory.ledger.office import Office
from factory.ledger.sqlite_database import SqliteDatabase


class MergeDesk(Office):
    """Every method is one transaction; what it returns is committed. All raise LedgerError when the file cannot be
    read or written.
    """

    def merge(self, other: Office, *, quarantine: bool = False, progress: Progress | None = None) -> Merge:
        """Take over what another ledger tells and this one does not: all of it, or nothing. Doing it again changes
        nothing. See `merging.merge` for `quarantine`.

        Raises MergeRefused that names every conflict with both sides; UsageError (`ledger.merge-itself`);
        LedgerError (`ledger.merge-damaged`) for another ledger that is not whole.
        """
        with self._theirs(other) as (source, location):
            return self._store.write(
                lambda writer: merge(writer, source, location, quarantine=quarantine, progress=progress)
            )

    def compare(self, other: Office, *, quarantine: bool = False) -> bool:
        """Whether `merge` would take anything over. Raises as it does, and writes nothing."""
        with self._theirs(other) as (source, location), self._store.reading() as target:
            return look(source, target, location, quarantine=quarantine).plan is not None

    @property
    def is_file(self) -> bool:
        """Whether the ledger is a file of this computer, at `location`."""
        return isinstance(self._store.database, SqliteDatabase)

    @contextlib.contextmanager
    def _theirs(self, other: Office) -> Iterator[tuple[Connection, str]]:
        """One moment of another ledger that is whole."""
        location = other._store.database.location
        if location == self._store.database.location:
            raise UsageError("a ledger is not merged into itself", hint="Name another one.", code="ledger.merge-itself")
        with other._store.snapshot() as source:
            faults = verify(source)
            if faults:
                raise LedgerError(
                    f"{location} is not whole, so nothing of it was taken over: {faults[0]}",
                    hint="`factory ledger verify` tells all. Merge its last good copy.",
                    code="ledger.merge-damaged",
                )
            yield source, location
