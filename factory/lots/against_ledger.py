"""A sheet against the ledger: what differs from what passed the bench, and the same sheet written anew from there."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from factory.config import Product
from factory.errors import UsageError
from factory.identity import KeySource
from factory.ledger import Holding, LotRecord, PassedUnit, UploadRecord, folded
from factory.lots.export import ExportError, require_free, require_product
from factory.lots.imports import rules_of
from factory.lots.known import KnownForUpload
from factory.lots.rows import upload_table
from factory.sheets import REMOTEIT_BULK, encode_csv, write_csv
from factory.sheets.check import Asked, check_file
from factory.sheets.finding import SheetFinding
from factory.sheets.history import History
from factory.sheets.report import CheckedRow, Report
from factory.sheets.xlsx import write_xlsx
from factory.values import InvalidValue, RegistrationKey, RowState, Severity


class Passed(Protocol):
    """What the comparison wants from the ledger."""

    def lot(self, lot: str) -> LotRecord:
        """The lot. Raises UsageError for one that is not there."""

    def passed_units(self, lot: str, *, states: Collection[RowState] | None = None) -> tuple[PassedUnit, ...]:
        """The passed units of a lot in the order of their passing."""

    def uploads(self, lot: str | None = None) -> tuple[UploadRecord, ...]:
        """The uploads of a lot, with their units in row order."""

    def holders(self, values: Collection[str]) -> Mapping[str, tuple[Holding, ...]]:
        """Who holds each of these values."""


def compare_with_ledger(
    ledger: Passed, product: Product, lot: str, sheet: Path, *, upload: str | None = None
) -> Report:
    """Check a sheet, and hold each row against what the ledger says of its unit: LED-UNKNOWN, LED-MISSING, LED-STATE,
    LED-DIFF (keys too, never shown) and COL-SWAP.

    The units that belong into it are those of the upload that it is named like, or of `upload`; else all that passed
    in the lot. Raises UsageError, FileError, SecretError and LedgerError.
    """
    require_product(ledger, product, lot)
    expected = _expected(ledger, lot, _recorded(ledger, lot, upload or sheet.name, named=upload is not None))
    known = KnownForUpload(ledger, lot, expected)
    asked = Asked(REMOTEIT_BULK, rules_of(product), known=known, history=History.PASSED, keep=True)
    report = check_file(sheet, asked)
    keys = KeySource.open(product.identity.key, product.folder)
    wrong = tuple(_wrong_keys(report, ledger.passed_units(lot), keys))
    if not wrong:
        return report
    totals = Counter(report.totals)
    totals["LED-DIFF"] += len(wrong)
    return replace(report, findings=(*report.findings, *wrong), totals=totals, errors=report.errors + len(wrong))


def repair_from_ledger(
    ledger: Passed, product: Product, lot: str, sheet: Path, out: Path, *, upload: str | None = None
) -> tuple[Path, ...]:
    """Write the rows that belong into a sheet anew: from what was read off the units, and nothing from the sheet.

    `out` becomes a workbook when it ends in .xlsx, else the portal's CSV (several, numbered, beyond its limits), with
    mode 0600. For an upload that was exported the CSV must come out with the hash that was recorded then. Raises
    ExportError (`export.exists`, `export.nothing`, `export.differs`), and what an export raises.
    """
    require_product(ledger, product, lot)
    uploads = _recorded(ledger, lot, upload or sheet.name, named=upload is not None)
    units = _expected(ledger, lot, uploads)
    if not units:
        raise ExportError(
            f"no unit of lot {lot} has passed yet", hint="Only passed units go out.", code="export.nothing"
        )
    if out.exists() and sheet.exists() and out.samefile(sheet):
        raise ExportError(f"{out} is the sheet itself", hint="Name another file.", code="export.exists")
    keys = KeySource.open(product.identity.key, product.folder)
    table = upload_table(units, product, keys)
    rows: list[tuple[str, ...]] = list(table.itertuples(index=False, name=None))
    if out.suffix.lower() == ".xlsx":
        if out.exists():
            raise ExportError(f"{out} is there", hint="Name another file.", code="export.exists")
        return (write_xlsx(rows, REMOTEIT_BULK, out),)
    parts = encode_csv(rows, REMOTEIT_BULK)
    if len(uploads) == 1:
        _require_recorded(parts[0].content, uploads[0])
    paths = [out if len(parts) == 1 else out.with_stem(f"{out.stem}-{at:02d}") for at in range(1, len(parts) + 1)]
    for path, part in zip(paths, parts, strict=True):
        require_free(path, part)
    return tuple(write_csv(part, REMOTEIT_BULK, path) for path, part in zip(paths, parts, strict=True))


def _recorded(ledger: Passed, lot: str, name: str, *, named: bool) -> tuple[UploadRecord, ...]:
    """The uploads that a file is, by its name: one for a CSV, all of an export for its workbook, none if unknown."""
    uploads = ledger.uploads(lot)
    found = tuple(one for one in uploads if name == one.name or name in one.companions)
    if named and not found:
        there = (
            f"There are: {', '.join(one.name for one in uploads[-20:])}." if uploads else "Nothing was exported yet."
        )
        raise UsageError(f"lot {lot} has no upload {name}", hint=there, code="ledger.no-upload")
    return found


def _expected(ledger: Passed, lot: str, uploads: Sequence[UploadRecord]) -> tuple[PassedUnit, ...]:
    units = ledger.passed_units(lot)
    if not uploads:
        return units
    by_number = {unit.unit: unit for unit in units}
    return tuple(by_number[number] for one in uploads for number in one.units if number in by_number)


def _wrong_keys(report: Report, units: Sequence[PassedUnit], keys: KeySource) -> Iterator[SheetFinding]:
    """Rows whose key is not the one that the unit got, by its fingerprint."""
    by_id = {folded(unit.hardware_id): unit for unit in units}
    for row in report.kept:
        unit = by_id.get(folded(row.values.get("HARDWARE_ID", "")))
        given = row.values.get("REGISTRATION_KEY", "")
        if unit is not None and given and not _same_key(given, unit, keys):
            yield _finding(report, row)


def _same_key(given: str, unit: PassedUnit, keys: KeySource) -> bool:
    try:
        return keys.fingerprint(RegistrationKey.parse(given)) == unit.fingerprint
    except InvalidValue:
        return False


def _finding(report: Report, row: CheckedRow) -> SheetFinding:
    return SheetFinding(
        file=report.file, sheet=report.sheet, row=row.row, line=None, column="REGISTRATION_KEY", cell=None,
        code="LED-DIFF", severity=Severity.ERROR, value="",
        message="the REGISTRATION_KEY is not the one that the unit got",
        hint="Write the sheet again from the ledger (`factory sheet compare --lot ... --repair-from-ledger`).",
    )  # fmt: skip


def _require_recorded(content: bytes, upload: UploadRecord) -> None:
    if hashlib.sha256(content).hexdigest() != upload.sha256:
        raise ExportError(
            f"the ledger does not give {upload.name} again as it was exported",
            hint="A unit of it was reworked since, or the product file is another: export the lot again.",
            code="export.differs",
        )
