"""A manifest years later: its signature, the files beside it, and what the ledger says of its rows."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from factory.errors import FactoryError
from factory.files import read_bytes
from factory.ledger import ListedUnit, UploadRecord
from factory.ledger.checkpoints import Checkpoint
from factory.ledger.manifests import WRITTEN
from factory.ledger.order_records import Head
from factory.ledger.signed import signer_of
from factory.ledger.sshsig import PublicKey
from factory.lots.manifest import LARGEST_FILE, NAMESPACE, SCHEMA
from factory.sheets import SheetError, decode_csv
from factory.sheets.profiles import profile
from factory.values import Event, Finding, Severity

_LARGEST = 64 * 1024 * 1024
_SHOWN = 10
_LONGEST_NAME = 255  # bytes, as file systems count
_KEEP = "Do not go by this manifest; take it, and its signature, from the second place where they are kept."


# What is told goes to the ledger and to a terminal: no control characters.
_Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$")]
_Count = Annotated[int, Field(ge=0, lt=2**63)]


class Recorded(Protocol):
    """What the check asks the ledger."""

    def uploads(self, lot: str | None = None) -> tuple[UploadRecord, ...]:
        """The uploads of a lot."""

    def listed_units(self, upload: str) -> tuple[ListedUnit, ...]:
        """The units of an upload in row order."""

    def events_about(self, names: Collection[str]) -> tuple[Event, ...]:
        """The events that these names or hashes stand for."""

    def against_checkpoint(self, checkpoint: Checkpoint) -> tuple[Finding, ...]:
        """What the ledger has lost or changed since these heads."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class _Unit(_Part):
    hardware_id: _Text
    image: _Text | None


class _File(_Part):
    name: _Text
    sha256: _Text
    rows: _Count


class _Upload(_File):
    units: list[_Unit]


class _Head(_Part):
    station: _Text
    seq: _Count
    sha256: _Text


class _Document(_Part):
    kind: Literal["factory.export/2"] = Field(alias="schema")
    lot: _Text
    profile: _Text
    files: list[_Upload]
    companions: list[_File]
    rows: _Count
    exported_at: _Text
    station: _Text
    operator: _Text
    ledger_head: _Head


@dataclass(frozen=True, slots=True)
class CheckedManifest:
    """What a manifest says, who signed it (None: nobody was asked for), and what is wrong with it."""

    path: Path
    lot: str
    files: tuple[str, ...]
    rows: int
    signer: PublicKey | None
    findings: tuple[Finding, ...]


def check_manifest(ledger: Recorded, path: Path, allowed: Collection[PublicKey] = ()) -> CheckedManifest:
    """Hold a manifest against its signature, against the files beside it and against the ledger. Raises FileError for
    one that cannot be read; everything else is a finding. A file that is not there is a warning: uploads hold keys and
    need not be kept.
    """
    content = read_bytes(path, limit=_LARGEST)
    findings: list[Finding] = []
    signer = None
    if allowed:
        try:
            signer = signer_of(path, content, NAMESPACE, allowed)
        except FactoryError as error:
            findings.append(_error("MANIFEST-SIGNATURE", path.name, error.message, error.hint or _KEEP))
    document = _read(content)
    if document is None:
        what = f"is no manifest of an export ({SCHEMA})"
        return CheckedManifest(path, "", (), 0, signer, (*findings, _error("MANIFEST-FORM", path.name, what, _KEEP)))
    findings += _registered(ledger, path, content, document)
    findings += _rows(ledger, document)
    findings += _files(path.parent, document)
    names = tuple(file.name for file in (*document.files, *document.companions))
    return CheckedManifest(path, document.lot, names, document.rows, signer, tuple(findings))


def _read(content: bytes) -> _Document | None:
    try:
        document = _Document.model_validate_json(content)
    except ValidationError:
        return None
    names = [file.name for file in (*document.files, *document.companions)]
    # A name leads to no other folder than the manifest's.
    return document if document.files and all(map(_is_file_name, names)) else None


def _is_file_name(name: str) -> bool:
    return name not in ("", "..") and Path(name).name == name and len(name.encode()) <= _LONGEST_NAME


def _registered(ledger: Recorded, path: Path, content: bytes, document: _Document) -> Iterator[Finding]:
    sha256 = hashlib.sha256(content).hexdigest()
    known = [event for event in ledger.events_about({sha256}) if event.kind == WRITTEN]
    if not known:
        written = [event for event in ledger.events_about({document.files[0].name}) if event.kind == WRITTEN]
        before = f"; for this upload it has {written[-1].data['sha256']}" if written else ""
        what = f"the ledger has no manifest with SHA-256 {sha256}{before}"
        yield _error("MANIFEST-UNKNOWN", path.name, what, f"It was changed, or is another ledger's. {_KEEP}")
    head = Head(document.ledger_head.station, document.ledger_head.seq, document.ledger_head.sha256)
    moment = Checkpoint(document.exported_at, document.station, document.operator, "", (head,), {})
    yield from ledger.against_checkpoint(moment)


def _rows(ledger: Recorded, document: _Document) -> Iterator[Finding]:
    """Each row's unit and image as the ledger has them, and each file's hash."""
    recorded = {record.name: record for record in ledger.uploads(document.lot)}
    for file in document.files:
        record = recorded.get(file.name)
        if record is None:
            yield _error("MANIFEST-UPLOAD", file.name, f"the ledger has no such upload of lot {document.lot}", _KEEP)
            continue
        if record.sha256 != file.sha256:
            what = f"the ledger has it with SHA-256 {record.sha256}, the manifest with {file.sha256}"
            yield _error("MANIFEST-UPLOAD", file.name, what, _KEEP)
        yield from itertools.islice(_units(file, ledger.listed_units(file.name)), _SHOWN)
        for companion in document.companions:
            if record.companions.get(companion.name) != companion.sha256:
                what = f"the ledger has it with SHA-256 {record.companions.get(companion.name)}"
                yield _error("MANIFEST-UPLOAD", companion.name, what, _KEEP)


def _units(file: _Upload, listed: Sequence[ListedUnit]) -> Iterator[Finding]:
    told = [ListedUnit(unit.hardware_id, unit.image) for unit in file.units]
    if not len(told) == len(listed) == file.rows:
        what = f"has {file.rows} rows and names {len(told)} units; the ledger has {len(listed)}"
        yield _error("MANIFEST-ROWS", file.name, what, _KEEP)
    for number, (one, other) in enumerate(zip(told, listed, strict=False), 2):
        if one.hardware_id != other.hardware_id:
            what = f"the manifest says unit {one.hardware_id}, the ledger {other.hardware_id}"
            yield _error("MANIFEST-ROWS", f"{file.name} row {number}", what, _KEEP)
        elif one.image != other.image:
            what = f"unit {one.hardware_id}: the manifest says image {one.image}, the ledger {other.image}"
            yield _error("MANIFEST-IMAGE", f"{file.name} row {number}", what, _KEEP)


def _files(folder: Path, document: _Document) -> Iterator[Finding]:
    for file in (*document.files, *document.companions):
        path = folder / file.name
        if not path.is_file():
            what = "is not beside the manifest"
            yield Finding("FILE-MISSING", Severity.WARNING, str(path), what, "Look for it only if it has to be kept.")
            continue
        content = read_bytes(path, limit=LARGEST_FILE)
        if hashlib.sha256(content).hexdigest() != file.sha256:
            yield changed_file(path, document.lot)
        elif isinstance(file, _Upload):
            yield from _content(path, content, file, document.profile)


def changed_file(path: Path, lot: str) -> Finding:
    """The finding for an upload file that is not what was exported any more."""
    compare = f"`factory sheet compare {path.name} --lot {lot} --product FILE`"
    hint = f"Do not upload it. {compare} names the cells, and --repair-from-ledger writes the file anew."
    what = "was changed after it was exported, by a spreadsheet program perhaps: its SHA-256 is another one"
    return _error("FILE-CHANGED", str(path), what, hint)


def _content(path: Path, content: bytes, file: _Upload, name: str) -> Iterator[Finding]:
    """The rows that really stand in the file: a manifest could have been wrong from its beginning."""
    try:
        kind = profile(name)
        rows = decode_csv(content, kind)
    except (SheetError, FactoryError) as error:
        yield _error("FILE-FORM", str(path), error.message, _KEEP)
        return
    column = kind.names.index("HARDWARE_ID")
    if [row[column] for row in rows] != [unit.hardware_id for unit in file.units]:
        what = f"its {len(rows)} rows are not the {file.rows} units that the manifest names"
        yield _error("MANIFEST-ROWS", str(path), what, _KEEP)


def _error(code: str, place: str, message: str, hint: str) -> Finding:
    return Finding(code, Severity.ERROR, place, message, hint)
