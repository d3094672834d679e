"""The ledger's methods for what is owed to a unit: its old content, after a flash that was cut."""

from __future__ import annotations

from collections.abc import Mapping

from factory.ledger import restores
from factory.ledger.office import Office
from factory.ledger.records import Restore
from factory.values import Event, Facts


class RestoreDesk(Office):
    """Every method is one transaction; what it returns is committed. All raise LedgerError when the file cannot be
    read or written.
    """

    def leave_restore(self, attempt: int, data: Mapping[str, object]) -> Event:
        """The unit went away half written: its old content is to be put back at the next contact."""
        return self._store.write(lambda writer: restores.leave(writer, attempt, data))

    def pending_restores(self, facts: Facts | None = None) -> tuple[Restore, ...]:
        """What is to be put back, the oldest first: on the unit with these facts, or everywhere."""
        with self._store.reading() as connection:
            return restores.pending(connection, facts)

    def clear_restore(self, restore: int, *, slot: str, data: Mapping[str, object] | None = None) -> Event:
        """The old content is back. Raises ValueError when nothing of this number is pending."""
        return self._store.write(lambda writer: restores.clear(writer, restore, slot, data))
