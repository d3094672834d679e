"""How long a station keeps its transcripts: by age and by count, what failed the longest, and only by a clock that can
be believed.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from factory.config import KeepTranscripts
from factory.errors import FactoryError
from factory.files import FileError, sync_folder
from factory.ledger import Ledger
from factory.ledger.retention import TranscriptOf
from factory.line.setup import Setup
from factory.units.deadline import Deadline

_NAME = re.compile(r"(\d{8}T\d{6}Z)-.+\.txt")
_FIRST_YEAR = 2024
_AT_ONCE = 200
_AT_END = 10.0
"""Seconds that the end of a line may take for it."""
_TRUSTED_DAYS, _WITHIN = 5, timedelta(days=60)


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    at: datetime
    size: int


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed (or would be): how many files and bytes, from when to when. `kept` failed or belong to units
    that are not well; `unknown` are files that no attempt of the ledger names; `left` had no time left. `refused` says
    why nothing at all was removed.
    """

    removed: int = 0
    size: int = 0
    oldest: str = ""
    newest: str = ""
    kept: int = 0
    unknown: tuple[str, ...] = ()
    left: int = 0
    refused: str = ""

    def as_json(self) -> dict[str, object]:
        """The result as plain JSON values."""
        return {
            "removed": self.removed,
            "bytes": self.size,
            "oldest": self.oldest,
            "newest": self.newest,
            "kept": self.kept,
            "unknown": list(self.unknown),
            "left": self.left,
            "refused": self.refused,
        }


def prune(
    ledger: Ledger,
    folder: Path,
    keep: KeepTranscripts,
    *,
    deadline: Deadline,
    now: datetime | None = None,
    dry_run: bool = False,
    trust_clock: bool = False,
) -> Pruned:
    """Remove what the station need not keep any longer, the oldest first; the ledger tells it before it is done.

    A name that is no transcript's is never looked at. `trust_clock` is a person's word that the clock is right.
    Raises FileError, LedgerError.
    """
    now = now or datetime.now(UTC)
    files, strange = _files(folder)
    ripe = _ripe(files, keep, now)
    known = ledger.transcripts_of([file.path.name for file in ripe])
    unknown = tuple(file.path.name for file in ripe if file.path.name not in known)
    due = _due(ripe, known, keep, now)
    result = Pruned(kept=len(ripe) - len(unknown) - len(due), unknown=(*strange, *unknown))
    doubt = _doubt(files, now, trust_clock=trust_clock)
    if due and doubt:
        return replace(result, refused=doubt, left=len(due))
    for part in _portions(due):
        if deadline.expired or deadline.cancel.is_set():
            break
        if not dry_run:
            _remove(ledger, folder, part)
        result = _more(result, part)
    return replace(result, left=len(due) - result.removed)


def prune_at_end(setup: Setup) -> None:
    """What a line does about transcripts when it stops: never long, and never an error of the line."""
    keep = setup.bench.station.keep_transcripts
    if keep is None:
        return
    try:
        done = prune(setup.ledger, setup.transcripts, keep, deadline=Deadline(_AT_END))
        trouble = done.refused and f"no transcript was removed: {done.refused}"
    except FactoryError as error:
        trouble = f"transcripts could not be removed: {error.message}"
    if trouble:
        setup.feed.say("line.warning", data={"message": trouble, "hint": "See: factory transcripts prune --dry-run."})


def _files(folder: Path) -> tuple[list[_File], tuple[str, ...]]:
    """The transcripts in a folder, the oldest first by the clock of their time, and those of no believable time."""
    found, strange = [], []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = _NAME.fullmatch(entry.name)
                if name is None or not entry.is_file(follow_symlinks=False):
                    continue
                at = _time(name[1])
                if at is None or at.year < _FIRST_YEAR:
                    strange.append(entry.name)
                else:
                    with contextlib.suppress(FileNotFoundError):  # somebody else removed it meanwhile
                        found.append(_File(Path(entry.path), at, entry.stat(follow_symlinks=False).st_size))
    except FileNotFoundError:
        return [], ()
    except OSError as error:
        raise FileError(f"cannot look through {folder}: {error.strerror}", hint="Is it yours?") from error
    return sorted(found, key=lambda file: (file.at, file.path.name)), tuple(sorted(strange))


def _time(stamp: str) -> datetime | None:
    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _doubt(files: Sequence[_File], now: datetime, *, trust_clock: bool) -> str:
    """Why the clock cannot be believed. A clock that stands years ahead would make everything old at once: it is
    believed once the station has worked on some days under it.
    """
    if now.year < _FIRST_YEAR:
        return f"the clock stands at {now:%Y-%m-%d}, before {_FIRST_YEAR}"
    if trust_clock:
        return ""
    ahead = [file for file in files if file.at > now + timedelta(days=1)]
    if ahead:
        return f"the clock stands at {now:%Y-%m-%d}, and {ahead[-1].path.name} was written later"
    days = {file.at.date() for file in files if file.at > now - _WITHIN}
    if len(days) < _TRUSTED_DAYS:
        return (
            f"the clock stands at {now:%Y-%m-%d}, and the station worked on {len(days)} of the last {_WITHIN.days} "
            f"days; fewer than {_TRUSTED_DAYS} do not show that it is right"
        )
    return ""


def _ripe(files: Sequence[_File], keep: KeepTranscripts, now: datetime) -> list[_File]:
    """What is too old, or too much."""
    old, too_many = now - timedelta(days=keep.days), len(files) - keep.count
    return [file for index, file in enumerate(files) if file.at < old or index < too_many]


def _due(ripe: Sequence[_File], known: Mapping[str, TranscriptOf], keep: KeepTranscripts, now: datetime) -> list[_File]:
    """What of that may go: what did not pass has to stay longer."""
    very_old = now - timedelta(days=keep.failed_days)
    mine = [(file, known[file.path.name]) for file in ripe if file.path.name in known]
    return [file for file, of in mine if of.well or file.at < very_old]


def _remove(ledger: Ledger, folder: Path, part: Sequence[_File]) -> None:
    # Told first: a file that is still there afterwards goes the next time, one that is gone is missed by nobody.
    oldest, newest = part[0].at, part[-1].at
    names = [file.path.name for file in part]
    ledger.transcripts_pruned(
        names, size=sum(file.size for file in part), oldest=oldest.isoformat(), newest=newest.isoformat()
    )
    for file in part:
        try:
            file.path.unlink(missing_ok=True)
        except OSError as error:
            raise FileError(f"cannot remove {file.path}: {error.strerror}", hint="Is the folder yours?") from error
    sync_folder(folder)


def _more(result: Pruned, part: Sequence[_File]) -> Pruned:
    return replace(
        result,
        removed=result.removed + len(part),
        size=result.size + sum(file.size for file in part),
        oldest=result.oldest or part[0].at.isoformat(),
        newest=part[-1].at.isoformat(),
    )


def _portions(files: Sequence[_File]) -> Iterator[Sequence[_File]]:
    return (files[start : start + _AT_ONCE] for start in range(0, len(files), _AT_ONCE))
