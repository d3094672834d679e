"""The office's half of the ledger: orders that come in, uploads that go out, answers that come back."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from factory.ledger import checkpoints, holdings, journal, orders, rework, uploads, verdicts
from factory.ledger import stages as journal_of_stages
from factory.ledger.backup import Backup, Progress, backup
from factory.ledger.checkpoints import Checkpoint
from factory.ledger.order_records import Head, Holding, Imported, OrderFile, OrderRow, Verdict, VerdictsTaken
from factory.ledger.recalls import Cause, Recall, recall
from factory.ledger.records import PassedUnit, UploadFile, UploadRecord
from factory.ledger.rework import UnitChange
from factory.ledger.sshsig import SigningKey
from factory.ledger.store import Store
from factory.values import Event, Finding, RowState, UnitState


class Office:
    """Every method is one transaction; what it returns is committed. All raise LedgerError when the file cannot be
    read or written.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def import_order(self, order: OrderFile, rows: Sequence[OrderRow], *, skip_existing: bool = False) -> Imported:
        """Take in the rows of an order, all or none; the lot may be one that is not bound yet.

        Raises OrderTaken naming every row of which a value is known, unless those shall be skipped and named;
        UsageError (`ledger.order-product`) when the lot is another product's.
        """
        return self._store.write(lambda writer: orders.take_in(writer, order, rows, skip_existing=skip_existing))

    def holders(self, values: Collection[str]) -> Mapping[str, tuple[Holding, ...]]:
        """Who holds each of these values (MAC in plain hex, folded id or serial, name in lower case), in bulk."""
        with self._store.reading() as connection:
            return holdings.holders(connection, values)

    def passed_units(self, lot: str, *, states: Collection[RowState] | None = None) -> tuple[PassedUnit, ...]:
        """The lot's passed units in order of passing, perhaps only those whose upload row is in `states`."""
        with self._store.reading() as connection:
            return uploads.passed(connection, lot, states)

    def next_upload(self, lot: str) -> int:
        """The number of the lot's next upload file, from 1."""
        with self._store.reading() as connection:
            return uploads.next_number(connection, lot)

    def mark_exported(
        self, lot: str, files: Sequence[UploadFile], *, stages: Sequence[str] = (), folder: str | None = None
    ) -> Event:
        """Record the files of one export, which lie in `folder`, all or none. `stages` are the product's in order, the
        flash first. Raises UsageError: `ledger.already-exported`; `ledger.stage-due` for a unit that has not done every
        stage.
        """
        return self._store.write(lambda writer: journal_of_stages.export(writer, lot, files, stages, folder))

    def uploads(self, lot: str | None = None) -> tuple[UploadRecord, ...]:
        """The uploads of a lot, or all."""
        with self._store.reading() as connection:
            return uploads.every(connection, lot)

    def take_verdicts(
        self, lot: str, found: Sequence[Verdict], *, file: str, sha256: str, upload: str | None = None
    ) -> VerdictsTaken:
        """Take a portal's answer over, all of it or nothing: accepted rows go up and are never exported again,
        rejected ones may be, unknown ones stay unknown. `upload` names the file that was answered; without it each
        unit's newest row is meant.

        Raises VerdictsRefused naming every row that does not fit; UsageError for a lot or upload that is not there
        and for an answer that was taken before (`ledger.verdicts-taken`).
        """
        return self._store.write(
            lambda writer: verdicts.take(writer, lot, found, file=file, sha256=sha256, upload=upload)
        )

    def backup(self, target: Path, *, progress: Progress | None = None) -> Backup:
        """Copy the ledger into a file of its own while others work on, checked by opening it; an event says so.

        Raises UsageError when the file exists, FileError, LedgerError.
        """
        made = backup(self._store, target, progress=progress)
        self._store.write(lambda writer: journal.append(writer, "ledger.backed-up", data=made.as_json()))
        return made

    def recall(self, cause: Cause) -> Recall:
        """Every unit that a cause may have reached, with the proof of the count. Raises UsageError for no cause."""
        with self._store.snapshot() as connection:
            return recall(connection, cause)

    def change_unit(self, value: str, state: UnitState, reason: str, *, replaced_by: str | None = None) -> UnitChange:
        """Bring a unit into rework, quarantine or scrap, with a reason. Raises UsageError, Refused."""
        return self._store.write(lambda writer: rework.change(writer, value, state, reason, replaced_by=replaced_by))

    def release_unit(self, value: str, reason: str) -> UnitChange:
        """End a unit's quarantine: it is again what it was before. Raises UsageError, Refused."""
        return self._store.write(lambda writer: rework.release(writer, value, reason))

    def checkpoint(self, key: SigningKey | None, folders: Sequence[Path]) -> tuple[Path, ...]:
        """Write where every chain ends now, signed, into every folder, and tell it. Raises FileError."""
        with self._store.snapshot() as connection:
            taken = checkpoints.take(connection, at=self._store.now_text(), **self._store.signature.columns())
        files = checkpoints.write(taken, key, folders)
        told = {
            "file": files[0].name if files else "",
            "sha256": hashlib.sha256(taken.content()).hexdigest(),
            "key": key.public.fingerprint if key else None,
            "heads": len(taken.heads),
        }
        self._store.write(lambda writer: journal.append(writer, "ledger.checkpoint", data=told))
        return files

    def against_checkpoint(self, checkpoint: Checkpoint) -> tuple[Finding, ...]:
        """What the ledger has lost or changed since a checkpoint; empty where it only grew."""
        with self._store.reading() as connection:
            return tuple(checkpoints.against(connection, checkpoint))

    def head(self) -> Head:
        """The end of this station's chain of events, as an anchor outside the ledger."""
        with self._store.reading() as connection:
            return journal.head(connection, self._store.signature.station)
