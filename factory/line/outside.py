"""Flashes that talk to no running unit (cards, boot loaders), told to the ledger: before the first byte, and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from factory.config import Product
from factory.errors import FactoryError
from factory.identity import KeySource
from factory.images import Image
from factory.images.owner import identity_of
from factory.ledger import Ledger, Refused
from factory.line.one_flash import against_record, require_product
from factory.values import Facts, Manifest, Receipt


@dataclass(frozen=True, slots=True)
class LedgerJournal:
    """Implements flashing.FlashJournal over the ledger; without one it keeps nothing, which only --off-ledger may."""

    ledger: Ledger | None
    reason: str | None = None
    off_ledger: str | None = None

    def intent(
        self,
        manifest: Manifest | None,
        place: str,
        *,
        facts: Facts | None = None,
        data: Mapping[str, object] | None = None,
    ) -> None:
        """Commit the intent. Raises Refused and LedgerError."""
        if self.ledger is None:
            return
        told = {"image": None if manifest is None else manifest.image, **(data or {})}
        self.ledger.begin_outside(
            _id_of(manifest), place=place, reason=self.reason, off_ledger=self.off_ledger, facts=facts, data=told
        )

    def flashed(self, manifest: Manifest | None, place: str, receipt: Receipt) -> None:
        """Commit the receipt. Raises LedgerError."""
        if self.ledger is not None:
            data = {"receipt": receipt.as_json()}
            self.ledger.end_outside(_id_of(manifest), place=place, written=True, data=data)

    def failed(
        self,
        manifest: Manifest | None,
        place: str,
        error: FactoryError,
        data: Mapping[str, object] | None = None,
    ) -> None:
        """Commit what went wrong. Raises LedgerError."""
        if self.ledger is not None:
            told = {"code": error.code, "message": error.message, **(data or {})}
            self.ledger.end_outside(_id_of(manifest), place=place, written=False, data=told)


def check_image(ledger: Ledger | None, image: Image, product: Product, keys: KeySource, reason: str | None) -> None:
    """Hold an image against its unit's record, where the ledger has one; without one the intent asks for an order.

    Raises Refused, UsageError, ImageError, LedgerError.
    """
    require_product(product, image)
    identity = identity_of(image, product.image.root, product.unit.connectd_dir)
    if ledger is None:
        return
    try:
        record = ledger.unit_record(identity.hardware_id.text, reason=reason)
    except Refused as refused:
        if refused.code != "flash.unknown-unit":
            raise
        return
    against_record(record, identity, keys)


def _id_of(manifest: Manifest | None) -> str | None:
    return None if manifest is None else str(manifest.identity["hardware_id"])
