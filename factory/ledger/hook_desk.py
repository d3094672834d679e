"""The ledger's methods for hooks that follow a pass."""

from __future__ import annotations

from factory.ledger import hooks
from factory.ledger.office import Office
from factory.ledger.records import HookDue
from factory.values import Event


class HookDesk(Office):
    """Every method is one transaction; what it returns is committed. All raise LedgerError when the file cannot be
    read or written.
    """

    def hook_result(self, attempt: int, ok: bool, detail: str = "") -> Event:
        """What the after-pass hook of an attempt came to."""
        return self._store.write(lambda writer: hooks.result(writer, attempt, ok, detail))

    def hooks_to_repeat(self, lot: str | None = None) -> tuple[HookDue, ...]:
        """Passed units whose hook has not succeeded yet."""
        with self._store.reading() as connection:
            return hooks.due(connection, lot)
