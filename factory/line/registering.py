"""What a line does at the cloud itself: Xyte wants a record of each unit. Other clouds hear of units in lots."""

from __future__ import annotations

from typing import Protocol

from factory.config import Bench, Product, XyteRegistration
from factory.ledger import Attempt, Ledger
from factory.values import Facts, Identity, Work


class Registering(Protocol):
    """One cloud at which the station works; any thread may call it."""

    def assign(self, facts: Facts, work: Work) -> Work:
        """Give a unit what the cloud asks the maker to give, the same for ever. Nothing is committed yet."""

    def prepare(self, identity: Identity, record: Attempt) -> Identity:
        """What has to be done for an admitted unit before its image is made. Returns the identity with what its image
        needs. Raises FactoryError.
        """

    def close(self) -> None:
        """End every connection."""


def open_registering(product: Product, bench: Bench, ledger: Ledger) -> Registering | None:
    """The cloud that a product's line works at; None where it works at none.

    Raises SecretError and UsageError, before any unit is touched.
    """
    if not isinstance(product.registration, XyteRegistration):
        return None
    return XyteRegistering(product, bench, ledger)


class XyteRegistering:
    """Xyte: cloud ids, the batch's count, and where the station registers, the registration itself."""

    def __init__(self, product: Product, bench: Bench, ledger: Ledger) -> None:
        from factory.clouds.xyte.registrar import Registrar
        from factory.clouds.xyte.store import KeyStore

        self._registrar = Registrar(product, ledger, KeyStore.of(bench))

    def assign(self, facts: Facts, work: Work) -> Work:
        """The unit's cloud id."""
        return self._registrar.assign(facts, work)

    def prepare(self, identity: Identity, record: Attempt) -> Identity:
        """Count the unit in its batch, and register it where the station does."""
        from factory.clouds.xyte.book import Whose

        whose = Whose(record.unit, record.id, identity.hardware_id.text, record.lot)
        return self._registrar.prepare(identity, whose)

    def close(self) -> None:
        """Close the connection."""
        self._registrar.close()
