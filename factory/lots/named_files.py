"""The files that the ledger names by hash, looked for: what is gone is told apart from what was changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from factory.files import read_bytes
from factory.ledger import UploadRecord
from factory.ledger.manifests import FILE_KINDS, WRITTEN
from factory.lots.manifest import LARGEST_FILE
from factory.lots.manifest_check import changed_file
from factory.values import Event, Finding, Severity

_SHOWN = 20
_WHAT = {
    WRITTEN: "manifest",
    "order.imported": "order",
    "upload.verdicts": "answer of the portal",
    "ledger.checkpoint": "checkpoint",
    "ledger.backed-up": "backup",
}


class Named(Protocol):
    """What is asked of the ledger."""

    def uploads(self, lot: str | None = None) -> tuple[UploadRecord, ...]:
        """All uploads."""

    def file_events(self) -> tuple[Event, ...]:
        """The events that name a file and its hash."""

    def kept_transcripts(self) -> tuple[str, ...]:
        """The names of this station's transcripts that were not removed on purpose."""


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file as the ledger knows it; `folder` is where it was written, None where nobody noted it."""

    what: str
    name: str
    sha256: str
    folder: Path | None
    lot: str


@dataclass(frozen=True, slots=True)
class LookedUp:
    """How many of the named files are what they were, are not where they were written, and were written somewhere
    that nobody noted and are in none of the folders; and what is wrong.
    """

    sound: int
    missing: int
    elsewhere: int
    findings: tuple[Finding, ...]

    @property
    def said(self) -> str:
        """In one line."""
        changed = sum(1 for finding in self.findings if finding.severity is Severity.ERROR)
        parts = [f"{self.sound} as they were", f"{changed} changed", f"{self.missing} missing"]
        parts += [f"{self.elsewhere} of others' making not looked for (--in DIR)"] if self.elsewhere else []
        return f"files: {', '.join(parts)}"


def file_findings(ledger: Named, folders: Sequence[Path], transcripts: Path | None = None) -> LookedUp:
    """Look for every file that the ledger names by hash, where it was written and in `folders`, and for this station's
    transcripts, which have no hash, in theirs. Raises FileError for one that cannot be read.
    """
    sound = missing = elsewhere = 0
    findings: list[Finding] = []
    for file in _named(ledger.uploads(), ledger.file_events()):
        there = [folder / file.name for folder in (file.folder, *folders) if folder is not None]
        there = [path for path in there if path.is_file()]
        if any(_sha256(path) == file.sha256 for path in there):
            sound += 1
        elif there:
            findings.append(_changed(file, there[0]))
        elif file.folder is None:
            elsewhere += 1
        else:
            missing += 1
            if missing <= _SHOWN:
                findings.append(_missing(file))
    for name in ledger.kept_transcripts() if transcripts is not None else ():
        if (transcripts or Path()).joinpath(name).is_file():
            sound += 1
            continue
        missing += 1
        if missing <= _SHOWN:
            findings.append(_missing(NamedFile("transcript", name, "", transcripts, "")))
    return LookedUp(sound, missing, elsewhere, tuple(findings))


def _named(uploads: Iterable[UploadRecord], told: Sequence[Event]) -> Iterator[NamedFile]:
    written = {name: event for event in told if event.kind == WRITTEN for name in _texts(event.data.get("uploads"))}
    companions: set[tuple[str, str]] = set()
    for upload in uploads:
        folder = _folder(written[upload.name].data) if upload.name in written else None
        yield NamedFile("upload", upload.name, upload.sha256, folder, upload.lot)
        for companion in upload.companions.items():
            if companion not in companions:
                companions.add(companion)
                yield NamedFile("upload for people", *companion, folder, upload.lot)
    newest: dict[tuple[str, str, Path | None], NamedFile] = {}
    for event in told:
        name, sha256 = (event.data.get(key) for key in FILE_KINDS[event.kind])
        if isinstance(name, str) and isinstance(sha256, str) and name:
            folder = _folder(event.data)
            file = NamedFile(_WHAT[event.kind], name, sha256, folder, str(event.data.get("lot", "")))
            # A manifest that was written anew has taken the place of the one before.
            own = "" if event.kind == WRITTEN else sha256
            newest[name, own, folder] = file
    yield from newest.values()


def _folder(data: Mapping[str, object]) -> Path | None:
    folder = data.get("folder")
    return Path(folder) if isinstance(folder, str) else None


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, (list, tuple)) else ()


def _changed(file: NamedFile, path: Path) -> Finding:
    if file.what.startswith("upload"):
        return changed_file(path, file.lot)
    what = f"the {file.what} is another one than the ledger knows: its SHA-256 is not {file.sha256}"
    hint = "It was changed, or another file has its name. Take it from the second place where it is kept."
    return Finding("FILE-CHANGED", Severity.ERROR, str(path), what, hint)


def _missing(file: NamedFile) -> Finding:
    what = f"the {file.what} is not where it was written"
    return Finding("FILE-MISSING", Severity.WARNING, str((file.folder or Path()) / file.name), what, "Was it moved?")


def _sha256(path: Path) -> str:
    return hashlib.sha256(read_bytes(path, limit=LARGEST_FILE)).hexdigest()
