"""The ledger's methods for merging another one into it."""

from __future__ import annotations

from factory.errors import UsageError
from factory.ledger.checks import verify
from factory.ledger.errors import LedgerError
from factory.ledger.merging.merge import Merge, Progress, merge
from factory.ledger.office import Office


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
        theirs = other._store
        if theirs.database.location == self._store.database.location:
            raise UsageError("a ledger is not merged into itself", hint="Name another one.", code="ledger.merge-itself")
        with theirs.snapshot() as source:
            faults = verify(source)
            if faults:
                raise LedgerError(
                    f"{theirs.database.location} is not whole, so nothing of it was taken over: {faults[0]}",
                    hint="`factory ledger verify` tells all. Merge its last good copy.",
                    code="ledger.merge-damaged",
                )
            location = theirs.database.location
            return self._store.write(
                lambda writer: merge(writer, source, location, quarantine=quarantine, progress=progress)
            )
