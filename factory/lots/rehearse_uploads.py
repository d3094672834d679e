"""A lot's own upload files: those that were exported, made again and held against the ledger's hash, or from disk."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from factory.config import Product
from factory.errors import Exit, FactoryError
from factory.files import read_bytes
from factory.identity import KeySource
from factory.ledger import PassedUnit, UploadRecord
from factory.lots.export import Lots
from factory.lots.rows import upload_table
from factory.sheets import REMOTEIT_BULK, encode_csv
from factory.values import RowState

_AGAIN = frozenset((RowState.UNLISTED, RowState.NEEDS_REPUBLISH, RowState.REJECTED))

_EXPORTED = "as exported"
_STANDING = "the rows that still stand"
_NEXT = "as the next export would write it"


class UploadChanged(FactoryError):  # noqa: N818 - reads as what happened
    """An upload file cannot be made again as it was exported."""

    code = "rehearse.export"
    exit_code = Exit.FAILED


class Book(Lots, Protocol):
    """What a rehearsal wants from the ledger."""

    def passed_units(self, lot: str, *, states: Collection[RowState] | None = None) -> tuple[PassedUnit, ...]:
        """The passed units of a lot."""

    def uploads(self, lot: str | None = None) -> tuple[UploadRecord, ...]:
        """The upload files of a lot."""


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload file: its name, its bytes, and where they come from, in words."""

    name: str
    content: bytes = field(repr=False)
    origin: str


def uploads_of(
    book: Book, product: Product, lot: str, units: Sequence[PassedUnit], keys: KeySource
) -> tuple[Upload, ...]:
    """The files that publish every passed unit once: the exported ones, and what the next export would write.

    A file whose units all stand in it still has the bytes of the export, by their SHA-256 in the ledger. Of one that
    a later export took units over from, the rows that stand are taken.

    Raises UploadChanged (`rehearse.export`) for a file that comes out with other bytes, and what an export raises.
    """
    found: list[Upload] = []
    by_id = {unit.unit: unit for unit in units}
    for record in book.uploads(lot):
        listed = [by_id[unit] for unit in record.units if unit in by_id]
        standing = [unit for unit in listed if unit.upload == record.name and unit.row not in _AGAIN]
        if not standing:
            continue
        whole = len(standing) == len(record.units)
        parts = _parts(standing, product, keys)
        if whole and (len(parts) != 1 or hashlib.sha256(parts[0]).hexdigest() != record.sha256):
            raise UploadChanged(
                f"{record.name} does not come out as it was exported",
                hint="Is this the product file and the version of the export? Name the file itself with --csv.",
            )
        found += _named(record.name, parts, _EXPORTED if whole else _STANDING)
    waiting = [unit for unit in units if unit.row in _AGAIN]
    if waiting:
        found += _named("next-export.csv", _parts(waiting, product, keys), _NEXT)
    return tuple(found)


def uploads_from(files: Sequence[Path]) -> tuple[Upload, ...]:
    """Upload files from disk, as they are. Raises FileError."""
    return tuple(Upload(file.name, read_bytes(file), "from disk") for file in files)


def _parts(units: Sequence[PassedUnit], product: Product, keys: KeySource) -> list[bytes]:
    table = upload_table(units, product, keys)
    return [part.content for part in encode_csv(list(table.itertuples(index=False, name=None)), REMOTEIT_BULK)]


def _named(name: str, parts: Sequence[bytes], origin: str) -> list[Upload]:
    return [Upload(name if len(parts) == 1 else f"{name}-{at}", one, origin) for at, one in enumerate(parts, 1)]
