"""The ledger's methods for clouds that know each unit by a record of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from factory.ledger import cloud_ids
from factory.ledger import cloud_registrations as registrations
from factory.ledger.office import Office
from factory.values import CloudRecord, CloudState, Facts


class CloudDesk(Office):
    """Every method is one transaction; what it returns is committed. All raise LedgerError when the file cannot be
    read or written. No method takes a key: a fingerprint stands for it.
    """

    def cloud_id_of(self, facts: Facts) -> str | None:
        """The cloud id that the unit with these facts has for ever; None before its first admission."""
        with self._store.reading() as connection:
            return cloud_ids.cloud_id_of(connection, facts)

    def use_key(self, unit: int, fingerprint: str, expected: int | None) -> int:
        """Count the use of a batch's hardware key for a unit, each unit once; returns the count.

        Raises FactoryError (`xyte.key-used-up`) when `expected` units have it.
        """
        return self._store.write(lambda writer: registrations.use_key(writer, unit, fingerprint, expected))

    def begin_registration(
        self,
        token: str,
        *,
        unit: int | None,
        attempt: int | None,
        hardware_id: str,
        product: str,
        lot: str,
        sent: Mapping[str, object],
        parent: str | None = None,
    ) -> CloudRecord:
        """Commit that a cloud is about to be asked to register a unit. Raises Refused when it has a live registration
        or another unit of the product has its serial number.
        """
        return self._store.write(
            lambda writer: registrations.begin(
                writer,
                token,
                unit=unit,
                attempt=attempt,
                hardware_id=hardware_id,
                product=product,
                lot=lot,
                sent=sent,
                parent=parent,
            )
        )

    def settle_registration(
        self,
        token: str,
        state: CloudState,
        *,
        device: str | None = None,
        fingerprint: str | None = None,
        cause: str = "",
    ) -> CloudRecord:
        """Commit what came of a registration. Raises ValueError for a step that makes no sense."""
        return self._store.write(
            lambda writer: registrations.settle(
                writer, token, state, device=device, fingerprint=fingerprint, cause=cause
            )
        )

    def registration_of(self, unit: int) -> CloudRecord | None:
        """The unit's newest registration."""
        with self._store.reading() as connection:
            return registrations.newest(connection, unit)

    def registrations(self, lot: str | None = None) -> tuple[CloudRecord, ...]:
        """All registrations in their order, perhaps only a lot's."""
        with self._store.reading() as connection:
            return registrations.every(connection, lot=lot)

    def units_of_lot(self, lot: str) -> tuple[tuple[int, int, str, dict[str, Any]], ...]:
        """A lot's units that are neither scrapped nor quarantined, as (unit, newest attempt, hardware id, identity)."""
        with self._store.reading() as connection:
            return registrations.units_of(connection, lot)
