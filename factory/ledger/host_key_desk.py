"""The ledger's methods for the SSH host keys of units."""

from __future__ import annotations

from collections.abc import Iterable

from factory.ledger import hostkeys
from factory.ledger.errors import HostKeyAlarm
from factory.ledger.office import Office
from factory.ledger.records import KnownHostKey


class HostKeyDesk(Office):
    """Every method is one transaction; what it returns is committed. All raise LedgerError when the file cannot be
    read or written.
    """

    def host_keys_of(self, macs: Iterable[str]) -> tuple[KnownHostKey, ...]:
        """The host keys that units with these MACs showed. Raises InvalidValue for what is no MAC."""
        with self._store.reading() as connection:
            return hostkeys.known(connection, macs)

    def remember_host_key(
        self,
        *,
        policy: str,
        slot: str,
        algorithm: str,
        fingerprint: str,
        macs: Iterable[str],
        attempt: int | None = None,
    ) -> bool:
        """Keep a unit's host key; True when it is new. Raises HostKeyAlarm (recorded) when per-unit keys changed."""
        shown = tuple(macs)
        outcome = self._store.write(
            lambda writer: hostkeys.remember(
                writer,
                policy=policy,
                slot=slot,
                algorithm=algorithm,
                fingerprint=fingerprint,
                macs=shown,
                attempt=attempt,
            )
        )
        if isinstance(outcome, HostKeyAlarm):
            raise outcome
        return outcome
