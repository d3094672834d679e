"""The manifest of an export: what was handed out, by hash, unit by unit, and where the ledger stood. Written last,
signed where the station has a key, and told to the ledger; no secrets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Protocol

from factory.errors import Exit, FactoryError, UsageError
from factory.files import read_bytes
from factory.ledger import Head, ListedUnit, LotRecord, UploadRecord
from factory.ledger.manifests import WRITTEN
from factory.ledger.signed import write_signed
from factory.ledger.sshsig import SigningKey
from factory.sheets import REMOTEIT_BULK
from factory.values import Event, canonical

SCHEMA = "factory.export/2"
NAMESPACE = "factory-manifest"
LARGEST_FILE = 1 << 30


class ManifestError(FactoryError):
    """A manifest cannot be written. `code` is `manifest.CAUSE`."""

    code = "manifest"
    exit_code = Exit.FAILED


class Manifests(Protocol):
    """What a manifest is made of, and where it is told."""

    def lot(self, lot: str) -> LotRecord:
        """The lot. Raises UsageError for one that is not there."""

    def uploads(self, lot: str | None = None) -> tuple[UploadRecord, ...]:
        """The uploads of a lot, with their units in row order."""

    def listed_units(self, upload: str) -> tuple[ListedUnit, ...]:
        """The units of an upload in row order."""

    def events_about(self, names: Collection[str]) -> tuple[Event, ...]:
        """The events that name these files."""

    def head(self) -> Head:
        """Where the ledger's chain of events ends."""

    def record_manifest(
        self, lot: str, path: Path, sha256: str, uploads: Sequence[str], *, signed_by: str | None
    ) -> Event:
        """Tell that a manifest of these upload files was written."""


def write_manifest(ledger: Manifests, lot: str, upload: str, folder: Path, key: SigningKey | None = None) -> Path:
    """Write the manifest of the export that an upload file belongs to, beside the files that lie in `folder`, as
    canonical JSON with mode 0644; its signature first; and tell the ledger its hash. Everything is as the ledger has
    it, and each file must still be what was exported.

    Raises UsageError for an unknown lot or upload, ManifestError (`manifest.changed`) for a file that is another one
    by now, FileError.
    """
    record = ledger.lot(lot)
    together = _export_of(ledger, lot, upload)
    first = together[0]
    files = [_upload(folder, one, ledger.listed_units(one.name)) for one in together]
    rows = sum(len(one.units) for one in together)
    head = ledger.head()
    document = {
        "schema": SCHEMA,
        "lot": lot,
        "product": record.binding.product,
        "product_sha256": record.binding.product_sha256,
        "template_sha256": record.binding.template_sha256,
        "key_version": record.binding.key_version,
        "profile": REMOTEIT_BULK.name,
        "files": files,
        "companions": [_file(folder / name, sha256) | {"rows": rows} for name, sha256 in first.companions.items()],
        "rows": rows,
        "exported_at": first.at.isoformat(timespec="milliseconds"),
        "station": first.station,
        "operator": first.operator,
        "software": first.software,
        "ledger_head": {"station": head.station, "seq": head.seq, "sha256": head.hash},
    }
    content = canonical(document) + b"\n"
    path = manifest_path(folder, first.name)
    write_signed(path, content, key, NAMESPACE)
    signer = None if key is None else key.public.fingerprint
    names = [one.name for one in together]
    ledger.record_manifest(lot, path, hashlib.sha256(content).hexdigest(), names, signed_by=signer)
    return path


def complete_newest(ledger: Manifests, lot: str, folder: Path, key: SigningKey | None = None) -> Path | None:
    """Write the manifest of the lot's newest export where the ledger knows of none and its files lie in `folder`: that
    export was cut short after the ledger had recorded it. None where nothing was missing. Raises as `write_manifest`
    does.
    """
    every = ledger.uploads(lot)
    if not every:
        return None
    together = _export_of(ledger, lot, every[-1].name)
    told = any(event.kind == WRITTEN for event in ledger.events_about([every[-1].name]))
    if told or not all((folder / one.name).exists() for one in together):
        return None
    return write_manifest(ledger, lot, together[0].name, folder, key)


def manifest_path(folder: Path, upload: str) -> Path:
    """Where the manifest lies of an export whose first upload file this is."""
    return folder / f"{Path(upload).stem}.manifest.json"


def _export_of(ledger: Manifests, lot: str, upload: str) -> tuple[UploadRecord, ...]:
    """All upload files of one export, in order: they were recorded in one moment and share the workbook."""
    every = ledger.uploads(lot)
    one = next((record for record in every if record.name == upload), None)
    if one is None:
        there = f"There are: {', '.join(record.name for record in every[-20:])}." if every else "It has none yet."
        raise UsageError(f"lot {lot} has no upload {upload}", hint=there, code="ledger.no-upload")
    return tuple(record for record in every if (record.at, record.companions) == (one.at, one.companions))


def _upload(folder: Path, record: UploadRecord, listed: Sequence[ListedUnit]) -> dict[str, object]:
    units = [{"hardware_id": unit.hardware_id, "image": unit.image} for unit in listed]
    ends = {"first": listed[0].hardware_id, "last": listed[-1].hardware_id}
    return {**_file(folder / record.name, record.sha256), "rows": len(units), **ends, "units": units}


def _file(path: Path, recorded: str) -> dict[str, object]:
    content = read_bytes(path, limit=LARGEST_FILE)
    if hashlib.sha256(content).hexdigest() != recorded:
        raise ManifestError(
            f"{path} is not what was exported: its SHA-256 is another one",
            hint="Was it opened in a spreadsheet program? `factory sheet compare` names the cells, and writes it anew.",
            code="manifest.changed",
        )
    return {"name": path.name, "sha256": recorded, "bytes": len(content)}
