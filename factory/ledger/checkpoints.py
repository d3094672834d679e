"""Checkpoints: where every chain of the ledger ended at a moment, signed and kept outside of it.

A chain alone betrays what was changed inside it, and not a tail that was cut off or a whole that was written anew: that
takes an anchor elsewhere (factory floor reference, section 10).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, func, select

from factory.config import Bench
from factory.errors import FactoryError
from factory.files import PRIVATE, make_folder, read_bytes
from factory.ledger.order_records import Head
from factory.ledger.schema import attempts, events, passes, stations, units
from factory.ledger.signed import signer_of, write_signed
from factory.ledger.sshsig import PublicKey, SigningKey
from factory.values import Finding, Severity, canonical

SCHEMA = "factory.checkpoint/1"
NAMESPACE = "factory-checkpoint"
_LARGEST = 8 * 1024 * 1024
_LAST = 2**63 - 1
_COUNTED = {"units": units, "attempts": attempts, "passes": passes, "events": events}


class CheckpointError(FactoryError):
    """A file is no checkpoint, or cannot be trusted."""

    code = "checkpoint"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The ends of all chains at a moment (`at`, ISO 8601 in UTC), and how much the ledger held."""

    at: str
    station: str
    operator: str
    software: str
    heads: tuple[Head, ...]
    counts: dict[str, int]

    def content(self) -> bytes:
        """The file: canonical JSON and a line end."""
        document = {
            "schema": SCHEMA,
            "at": self.at,
            "station": self.station,
            "operator": self.operator,
            "software": self.software,
            "heads": [{"station": one.station, "seq": one.seq, "sha256": one.hash} for one in self.heads],
            "counts": dict(sorted(self.counts.items())),
        }
        return canonical(document) + b"\n"

    @classmethod
    def parse(cls, content: bytes) -> Checkpoint:
        """Read what `content` gave. Raises CheckpointError."""
        try:
            found = json.loads(content)
            if found["schema"] != SCHEMA:
                raise ValueError(found["schema"])
            heads = tuple(Head(str(one["station"]), int(one["seq"]), str(one["sha256"])) for one in found["heads"])
            at, station, operator, software = (str(found[name]) for name in ("at", "station", "operator", "software"))
            counts = {str(name): int(count) for name, count in found["counts"].items()}
            # They go to the ledger and to a terminal.
            told = (at, station, operator, software, *(one.station for one in heads))
            if not all(text.isprintable() for text in told) or any(one.seq > _LAST for one in heads):
                raise ValueError("no words or numbers of a ledger")
            return cls(at, station, operator, software, heads, counts)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise CheckpointError("the file is no checkpoint of a ledger", code="checkpoint.form") from error


def take(connection: Connection, *, at: str, station: str, operator: str, software: str) -> Checkpoint:
    """The checkpoint of this moment."""
    heads = connection.execute(select(stations).order_by(stations.c.name))
    counts = {
        name: int(connection.execute(select(func.count()).select_from(table)).scalar_one())
        for name, table in _COUNTED.items()
    }
    ends = tuple(Head(row.name, row.seq, row.hash) for row in heads)
    return Checkpoint(at, station, operator, software, ends, counts)


def write(checkpoint: Checkpoint, key: SigningKey | None, folders: Collection[Path]) -> tuple[Path, ...]:
    """Write a checkpoint, and its signature beside it, into every folder; returns the files of checkpoints. The
    signature is written first: a checkpoint that is there is a signed one. Raises FileError for the first folder that
    cannot be written, after trying all.
    """
    content = checkpoint.content()
    name = f"checkpoint-{re.sub(r'[^0-9TZ]', '-', checkpoint.at[:23])}-{_safe(checkpoint.station)}.json"
    written, failed = [], []
    for folder in folders:
        try:
            path = make_folder(folder, mode=0o700) / name
            write_signed(path, content, key, NAMESPACE, mode=PRIVATE)
            written.append(path)
        except FactoryError as error:
            failed.append(error)
    if failed:
        raise failed[0]
    return tuple(written)


def read(path: Path, allowed: Collection[PublicKey]) -> tuple[Checkpoint, PublicKey | None]:
    """Read a checkpoint and check its signature; None for the signer where no key is allowed, and none was asked for.
    Raises CheckpointError, SignatureError, FileError.
    """
    content = read_bytes(path, limit=_LARGEST)
    checkpoint = Checkpoint.parse(content)
    if not allowed:
        return checkpoint, None
    return checkpoint, signer_of(path, content, NAMESPACE, allowed)


def against(connection: Connection, checkpoint: Checkpoint) -> Iterator[Finding]:
    """What the ledger has lost or changed since a checkpoint; nothing where it only grew."""
    for head in checkpoint.heads:
        if head.seq == 0:
            continue
        place = f"station {head.station}, event {head.seq}"
        one = select(events.c.hash).where(events.c.station == head.station, events.c.seq == head.seq)
        found = connection.execute(one).scalar()
        if found is None:
            what = f"is missing, and was there at {checkpoint.at}"
            hint = (
                "The ledger was cut or an older copy was put in its place: values could be given twice. Stop. If "
                "another ledger is meant, give it its own folder: [station] checkpoints."
            )
            yield Finding("LEDGER-CUT", Severity.ERROR, place, what, hint)
        elif found != head.hash:
            what = f"is another one than at {checkpoint.at}"
            hint = "The ledger was written anew behind the checkpoint. Keep both; go on from the last good copy."
            yield Finding("LEDGER-REWRITTEN", Severity.ERROR, place, what, hint)


def _safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", lambda match: f"%{ord(match[0]):02X}", text)


def newest(folder: Path, station: str | None = None) -> Path | None:
    """The newest checkpoint in a folder, by its name; perhaps only one that this station made."""
    if not folder.is_dir():
        return None
    pattern = f"checkpoint-*-{_safe(station)}.json" if station else "checkpoint-*.json"
    return max(folder.glob(pattern), key=lambda path: path.name, default=None)


def folders_of(bench: Bench) -> tuple[Path, ...]:
    """Where a station keeps its checkpoints: its own folder, and the second place where one is named."""
    places = (bench.station.checkpoints, bench.station.checkpoint_copy)
    return tuple(bench.folder / place for place in places if place is not None)


def signing_key(bench: Bench) -> SigningKey | None:
    """The station's signing key; None where it has none. Raises SecretError, UsageError."""
    reference = bench.station.signing_key
    return None if reference is None else SigningKey(reference.resolve(bench.folder))
