"""The rows that a batch of images is made of: streamed from a checked sheet, or from the ledger's passed units."""

from __future__ import annotations

import csv
import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from factory.config import Product
from factory.errors import Exit, FactoryError, UsageError
from factory.files import FileError
from factory.identity import KeySource
from factory.ledger import PassedUnit
from factory.lots.imports import rules_of
from factory.lots.rows import upload_table
from factory.sheets import REMOTEIT_BULK
from factory.sheets.check import Asked, check_file
from factory.sheets.columns import judges
from factory.sheets.header import is_header, read_header
from factory.sheets.reading.open_file import open_sheet
from factory.sheets.reading.source import Cells, split
from factory.sheets.report import Report
from factory.sheets.rules import Use
from factory.values import Identity, digest

LETTERS = "ABCDEFGHIJ"
_UNCAPPED = replace(REMOTEIT_BULK, max_rows=10**9, max_bytes=10**12)
_HEADER_WITHIN = 20
_PLAIN = frozenset(("FILE-CAP", "FILE-NAME", "FILE-QUOTED"))
"""Remarks about a CSV's bytes that do not change how it is read; with any other one it is read whole."""


class SheetRefused(FactoryError):  # noqa: N818 - reads as what happened
    """No image is made from a sheet with findings; `report` has them all."""

    code = "image.sheet"
    exit_code = Exit.FAILED

    def __init__(self, message: str, *, hint: str = "", report: Report | None = None) -> None:
        super().__init__(message, hint=hint)
        self.report = report


@dataclass(frozen=True, slots=True)
class Wanted:
    """One image to make, as texts: `row` is the sheet's number, or the unit's place in its lot from 1. An empty key
    is derived; `macs`, `serial`, `parts` and `version` are known for units of the ledger. `identity` is there where the
    unit was worked out already.
    """

    row: int
    hardware_id: str
    key: str = field(repr=False)
    name: str
    categories: tuple[tuple[str, str], ...]
    macs: tuple[tuple[str, str], ...] = ()
    serial: str | None = None
    parts: tuple[tuple[str, str], ...] = ()
    version: int | None = None
    identity: Identity | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """A source of rows: what errors call it, its hash, how many there are about, and where to get them, once each time.
    `file` is the sheet that they are streamed from.
    """

    name: str
    sha256: str
    count: int
    source: Iterable[Wanted]
    file: Path | None = None

    def require_unchanged(self) -> None:
        """Raise SheetRefused when the sheet is not the one that was checked."""
        if self.file is not None and file_hash(self.file) != self.sha256:
            raise SheetRefused(
                f"{self.file} changed while images were made from it", hint="Is somebody saving it? Build a new batch."
            )

    def __iter__(self) -> Iterator[Wanted]:
        return iter(self.source)


class Units(Protocol):
    """Where the passed units of a lot are asked."""

    def passed_units(self, lot: str) -> tuple[PassedUnit, ...]:
        """They in the order of their passing."""


def sheet_rows(file: Path, product: Product) -> Rows:
    """The rows of a checked sheet. Raises SheetRefused with every finding, UsageError and FileError."""
    if product.registration.profile != REMOTEIT_BULK.name:
        raise UsageError(
            f"images are made from sheets of {REMOTEIT_BULK.name}, and {product.product.name} registers with "
            f"{product.registration.profile}",
            hint="Sheets of other clouds are read by rows_of_sheet.",
            code="image.profile",
        )
    before = file_hash(file)
    report = check_file(file, Asked(_UNCAPPED, rules_of(product), Use.WORK))
    if report.errors:
        first = next(one for one in report.findings if one.severity.value == "error")
        raise SheetRefused(
            f"{file} has {report.errors} error{'s' * (report.errors != 1)} in {report.rows} rows; the first: {first}",
            hint="No image was made. `factory sheet check` lists them all and marks them in a copy.",
            report=report,
        )
    rows = Rows(
        file.name, before, report.rows, SheetRows(file, product, report.id_form, frozenset(report.totals)), file
    )
    rows.require_unchanged()
    return rows


def unit_rows(ledger: Units, product: Product, lot: str, keys: KeySource) -> Rows:
    """The passed units of a lot, their keys derived again. Raises UsageError for none, RowsRefused for a key that does
    not come out as it was.
    """
    units = ledger.passed_units(lot)
    if not units:
        raise UsageError(
            f"lot {lot} has no passed unit to make an image for",
            hint="For units that are not made yet, build from their sheet with --sheet.",
            code="image.no-units",
        )
    table = upload_table(units, product, keys)
    texts = [tuple(row) for row in table.itertuples(index=False, name=None)]
    sha256 = digest([[unit.hardware_id, unit.device_name, unit.fingerprint] for unit in units])
    return Rows(f"lot {lot}", sha256, len(units), UnitRows(units, texts))


def file_hash(file: Path) -> str:
    """SHA-256 of a file, read piece by piece. Raises FileError."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise FileError(f"cannot read {file}: {reason}", hint="Check the path and its rights.") from error


class UnitRows:
    """Rows of units; the texts come from the table that an upload would have."""

    def __init__(self, units: Sequence[PassedUnit], texts: Sequence[tuple[str, ...]]) -> None:
        self._units, self._texts = units, texts

    def __iter__(self) -> Iterator[Wanted]:
        for row, (unit, (key, hardware_id, name, *values)) in enumerate(zip(self._units, self._texts, strict=True), 1):
            categories = tuple((letter, text) for letter, text in zip(LETTERS, values, strict=True) if text)
            macs, parts = tuple(sorted(unit.macs.items())), tuple(sorted(unit.key_parts.items()))
            yield Wanted(row, hardware_id, key, name, categories, macs, unit.serial, parts, unit.key_version)


class SheetRows:
    """Rows of a sheet that was checked; a CSV is read line by line, so that memory does not grow with it."""

    def __init__(self, file: Path, product: Product, id_form: str, remarks: frozenset[str]) -> None:
        self._file, self._remarks = file, remarks
        self._judge = judges(_UNCAPPED, rules_of(product), Use.WORK, id_form)["HARDWARE_ID"]

    def __iter__(self) -> Iterator[Wanted]:
        first, rows = self._rows()
        head = list(itertools.islice(rows, _HEADER_WITHIN))
        at = next(number for number, cells in enumerate(head) if is_header(cells, _UNCAPPED))
        columns = read_header(head[at], _UNCAPPED, Use.WORK, exact=False).columns
        places: Mapping[str, int] = {name: number for number, name in enumerate(columns) if name in _UNCAPPED.names}
        letters = [(letter, places[name]) for letter in LETTERS if (name := f"CATEGORY_{letter}") in places]
        id_at = places["HARDWARE_ID"]
        key_at, name_at = places.get("REGISTRATION_KEY"), places.get("DEVICE_NAME")
        for number, cells in enumerate(itertools.chain(head[at + 1 :], rows), first + at + 1):
            texts = [cell if isinstance(cell, str) else _text(cell) for cell in cells]
            raw = texts[id_at] if id_at < len(texts) else ""
            if not raw:  # a blank row, or a total below the table: the check has remarked on it
                continue
            key, name = _cell(texts, key_at), _cell(texts, name_at)
            categories = tuple((letter, text) for letter, at in letters if (text := _cell(texts, at)))
            yield Wanted(number, self._judge.value(raw) or raw, key, name, categories)

    def _rows(self) -> tuple[int, Iterator[Cells]]:
        """The number of the first row, and the rows."""
        odd = any(code.startswith("FILE-") and code not in _PLAIN for code in self._remarks)
        if odd or self._file.suffix.lower() != ".csv" or "HDR-PLACE" in self._remarks:
            source = open_sheet(self._file, Use.WORK, _UNCAPPED.names)
            return source.first_row, (split(row) for row in source.rows)
        return 1, _streamed(self._file)


def _streamed(file: Path) -> Iterator[Cells]:
    with file.open(encoding="utf-8", newline="") as stream:
        yield from csv.reader(stream, strict=True)


def _cell(texts: Sequence[str], place: int | None) -> str:
    return texts[place] if place is not None and place < len(texts) else ""


def _text(cell: object) -> str:
    from factory.sheets.typed import as_text

    return as_text(cell)
