"""The ledger's methods for labels."""

from __future__ import annotations

from factory.ledger import label_lookup, labels, lots
from factory.ledger.label_records import LabelRecord, LabelSubject
from factory.ledger.office import Office


class LabelDesk(Office):
    """Every method is one transaction; what it returns is committed. All raise LedgerError when the file cannot be
    read or written.
    """

    def begin_label(
        self,
        attempt: int,
        nonce: str,
        *,
        sha256: str,
        printer: str,
        slot: str,
        scan: bool,
        reason: str = "",
        template: str = "",
    ) -> LabelRecord:
        """Commit that a label is about to be printed; the unit's label of before is void from here on. `sha256` is of
        what the printer will be sent, `template` of its template.

        Raises Refused: `label.not-passed`, `label.unit-aside`.
        """
        return self._store.write(
            lambda writer: labels.begin(
                writer,
                attempt,
                nonce,
                sha256=sha256,
                printer=printer,
                slot=slot,
                scan=scan,
                reason=reason,
                template=template,
            )
        )

    def label_printed(self, nonce: str) -> LabelRecord:
        """The printer took all of it."""
        return self._store.write(lambda writer: labels.printed(writer, nonce))

    def verify_label(self, nonce: str, hardware_id: str, *, slot: str) -> LabelRecord:
        """The label was scanned at the unit `hardware_id`. Raises Refused when it is not that unit's newest label, is
        void, or was verified before.
        """
        return self._store.write(lambda writer: labels.verify(writer, nonce, hardware_id, slot=slot))

    def void_label(self, nonce: str, reason: str) -> LabelRecord:
        """A label must not be on any unit from now on."""
        return self._store.write(lambda writer: labels.void(writer, nonce, reason))

    def label_subject(self, value: str) -> LabelSubject:
        """The unit that has this value, as a label of it is made. Raises UsageError, Refused (`label.not-passed`)."""
        with self._store.reading() as connection:
            return label_lookup.subject(connection, value)

    def label(self, nonce: str) -> LabelRecord | None:
        """The label with this nonce."""
        with self._store.reading() as connection:
            return label_lookup.find(connection, nonce)

    def labels_of(self, unit: int) -> tuple[LabelRecord, ...]:
        """All labels of a unit, the oldest first."""
        with self._store.reading() as connection:
            return label_lookup.of_unit(connection, unit)

    def labels_of_lot(self, lot: str) -> tuple[tuple[str, tuple[LabelRecord, ...]], ...]:
        """The lot's passed units by hardware id, each with its labels, the oldest first. Raises UsageError naming the
        lots there are.
        """
        with self._store.reading() as connection:
            lots.find(connection, lot)
            return label_lookup.of_lot(connection, lot)

    def live_label(self, unit: int) -> LabelRecord | None:
        """The one label that may be on a unit."""
        return next((label for label in self.labels_of(unit) if label.is_live), None)

    def wrong_scan(self, text: str, label: LabelRecord | None, *, slot: str, attempt: int | None, why: str) -> None:
        """Record that another label was scanned than the one that was waited for; `text` is bounded by the caller."""
        self._store.write(
            lambda writer: labels.tell(
                writer, "label.wrong-scan", label, slot=slot, attempt=attempt, scanned=text, why=why
            )
        )

    def label_scanned(self, label: LabelRecord, *, slot: str) -> None:
        """Record that a verified label was scanned once more, at a later station."""
        self._store.write(lambda writer: labels.tell(writer, "label.scanned", label, slot=slot, attempt=label.attempt))
