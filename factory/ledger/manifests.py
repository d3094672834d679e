"""Manifests of uploads: what each row of an upload file is, and by which hash its manifest is known."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from factory.ledger.journal import append, as_event
from factory.ledger.mentions import events_about
from factory.ledger.office import Office
from factory.ledger.schema import attempts, events, upload_rows
from factory.ledger.stage_tables import pruned_transcripts
from factory.values import Event

WRITTEN = "upload.manifest"
FILE_KINDS = {
    WRITTEN: ("manifest", "sha256"),
    "order.imported": ("file", "sha256"),
    "upload.verdicts": ("file", "sha256"),
    "ledger.checkpoint": ("file", "sha256"),
    "ledger.backed-up": ("file", "sha256"),
}
"""Events that name a file, and where in their data its name and its hash are."""


@dataclass(frozen=True, slots=True)
class ListedUnit:
    """A row of an upload file: the unit's hardware id, and the digest of the image that it passed with."""

    hardware_id: str
    image: str | None


class ManifestDesk(Office):
    """Every method is one transaction. All raise LedgerError when the file cannot be read or written."""

    def listed_units(self, upload: str) -> tuple[ListedUnit, ...]:
        """The units of an upload in row order, as they were when they passed; none for an upload that is not there."""
        with self._store.reading() as connection:
            return _listed(connection, upload)

    def record_manifest(
        self, lot: str, path: Path, sha256: str, uploads: Sequence[str], *, signed_by: str | None
    ) -> Event:
        """Tell that a manifest of these upload files was written, beside them, and who signed it."""
        told = {
            "lot": lot,
            "manifest": path.name,
            "sha256": sha256,
            "uploads": list(uploads),
            "folder": str(path.parent.resolve()),
            "signed_by": signed_by,
        }
        about = {path.name, sha256, *uploads}
        return self._store.write(lambda writer: append(writer, WRITTEN, data=told, about=about))

    def events_about(self, names: Collection[str]) -> tuple[Event, ...]:
        """The events without an attempt that these names or hashes of files, or hardware ids, stand for, by time."""
        with self._store.reading() as connection:
            return events_about(connection, names)

    def file_events(self) -> tuple[Event, ...]:
        """The events that name a file and its hash, by station and number. Reads every event."""
        query = select(events).where(events.c.kind.in_(FILE_KINDS)).order_by(events.c.station, events.c.seq)
        with self._store.reading() as connection:
            return tuple(as_event(row) for row in connection.execute(query))

    def kept_transcripts(self) -> tuple[str, ...]:
        """The names of this station's transcripts that were not removed on purpose."""
        mine = attempts.c.station == self._store.signature.station
        gone = pruned_transcripts.c
        pruned = select(gone.name).where(gone.station == self._store.signature.station)
        query = select(attempts.c.transcript).where(mine, attempts.c.transcript.is_not(None))
        query = query.where(attempts.c.transcript != "", attempts.c.transcript.not_in(pruned))
        with self._store.reading() as connection:
            return tuple(connection.execute(query.order_by(attempts.c.id)).scalars())


def _listed(connection: Connection, upload: str) -> tuple[ListedUnit, ...]:
    query = (
        select(attempts.c.hardware_id, attempts.c.image)
        .join(upload_rows, upload_rows.c.attempt == attempts.c.id)
        .where(upload_rows.c.upload == upload)
        .order_by(upload_rows.c.position)
    )
    return tuple(ListedUnit(row.hardware_id, row.image) for row in connection.execute(query))
