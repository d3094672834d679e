"""The half of the ledger that `factory flash` works with."""

from __future__ import annotations

from collections.abc import Mapping

from factory.ledger import flashes, media
from factory.ledger.first_articles import FirstArticles
from factory.ledger.flashes import UnitRecord
from factory.ledger.records import Attempt, Binding
from factory.values import Event, Facts, Identity


class FlashDesk(FirstArticles):
    """Every method is one transaction; what it returns is committed. Call `recover` first, which holds the station.
    All raise LedgerError when the file cannot be read or written.
    """

    def unit_record(self, hardware_id: str, *, reason: str | None = None) -> UnitRecord:
        """The record of a unit that may be flashed now. Raises Refused (`flash.unknown-unit`, `flash.passed` without a
        reason, `flash.in-work`, `flash.quarantined`, `flash.scrapped`).
        """
        with self._store.reading() as connection:
            return flashes.require(flashes.record_of(connection, hardware_id), hardware_id, reason)

    def admit_again(
        self,
        identity: Identity,
        facts: Facts,
        *,
        slot: str,
        image: str,
        fingerprint: str | None,
        reason: str | None = None,
    ) -> Attempt:
        """Lease a known unit for one more flash of its own identity. Raises Refused as `unit_record`, and
        `flash.wrong-unit` or `flash.same-unit` when the unit that was read is not, or may not be, the record's.
        """
        return self._store.write(
            lambda writer: flashes.admit_again(
                writer, identity, facts, slot=slot, image=image, fingerprint=fingerprint, reason=reason
            )
        )

    def admit_off_ledger(
        self, identity: Identity, facts: Facts, *, binding: Binding, slot: str, image: str, reason: str
    ) -> Attempt:
        """An attempt without a unit's record, told as `flash.off-ledger`."""
        return self._store.write(
            lambda writer: flashes.admit_off_ledger(
                writer, identity, facts, binding=binding, slot=slot, image=image, reason=reason
            )
        )

    def begin_outside(
        self,
        hardware_id: str | None,
        *,
        place: str,
        reason: str | None,
        off_ledger: str | None,
        facts: Facts | None,
        data: Mapping[str, object],
    ) -> Event:
        """Commit that a card, or a unit from its boot loader, is about to be written: `flash.begun`. `hardware_id` is
        None for an image that is no one unit's.

        A unit that passed is in rework from here on. Raises Refused as `unit_record` and `admit_again` do.
        """
        return self._store.write(
            lambda writer: media.begin_outside(
                writer, hardware_id, place=place, reason=reason, off_ledger=off_ledger, facts=facts, data=data
            )
        )

    def end_outside(self, hardware_id: str | None, *, place: str, written: bool, data: Mapping[str, object]) -> Event:
        """What came of it: `flash.written` (with the receipt; the unit has not passed by that) or `flash.failed`."""
        return self._store.write(
            lambda writer: media.end_outside(writer, hardware_id, place=place, written=written, data=data)
        )
