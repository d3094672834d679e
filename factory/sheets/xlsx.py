"""The workbook for people: every cell a text, so that a spreadsheet changes nothing and runs nothing."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

import openpyxl
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import Cell
from openpyxl.styles import Font
from openpyxl.workbook.child import _WorkbookChild

from factory.errors import UsageError
from factory.files import PRIVATE, read_bytes, write_bytes
from factory.sheets.cells import check_rows
from factory.sheets.errors import SheetError
from factory.sheets.profile import Profile, Row, letter

SHEET = "upload"
_TEXT_FORMAT = "@"
_MOST_ROWS = 1_048_575
_LARGEST = 512 * 1024 * 1024
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_TIMES = re.compile(rb"(<dcterms:(created|modified)[^>]*>)[^<]*(<)")


def write_xlsx(rows: Sequence[Row], profile: Profile, path: Path) -> Path:
    """Write a workbook of the profile's columns with mode 0600, read it back from disk and compare every cell.

    The same rows give the same bytes. Raises SheetError (a value that the profile cannot carry, more rows than a
    sheet holds, a read-back that differs), FileError, and UsageError without the defusedxml library.
    """
    require_defused()
    check_rows(rows, profile)
    if len(rows) > _MOST_ROWS:
        raise SheetError(f"{len(rows)} rows, a sheet holds {_MOST_ROWS}", code="sheet.rows")
    write_bytes(path, _without_times(_workbook(rows, profile)), mode=PRIVATE)
    _compare(rows, profile, path)
    return path


def require_defused() -> None:
    """Raise UsageError unless openpyxl parses with defusedxml: a workbook may hold XML that grows without end."""
    if not openpyxl.DEFUSEDXML:
        raise UsageError(
            "openpyxl runs without defusedxml",
            hint="Install defusedxml, and unset OPENPYXL_DEFUSEDXML.",
            code="sheet.defusedxml",
        )


def _workbook(rows: Sequence[Row], profile: Profile) -> bytes:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet(SHEET)
    sheet.freeze_panes = "A2"
    for index, column in enumerate(profile.columns):
        sheet.column_dimensions[letter(index)].width = column.width
    bold = Font(bold=True)
    sheet.append([_text(sheet, name, bold) for name in profile.names])
    for row in rows:
        sheet.append([_text(sheet, value) for value in row])
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _text(sheet: _WorkbookChild, value: str, font: Font | None = None) -> Cell:
    cell = WriteOnlyCell(sheet)
    if value:
        # The type after the value: openpyxl takes "=1+1" for a formula otherwise.
        cell.value = value
        cell.data_type = "s"
    cell.number_format = _TEXT_FORMAT
    if font is not None:
        cell.font = font
    return cell


def _without_times(book: bytes) -> bytes:
    """The same workbook with fixed times, inside and in the archive's directory."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as source, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename == "docProps/core.xml":
                content = _TIMES.sub(rb"\g<1>2000-01-01T00:00:00Z\g<3>", content)
            fixed = zipfile.ZipInfo(entry.filename, _ZIP_TIME)
            fixed.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(fixed, content)
    return stream.getvalue()


def _compare(rows: Sequence[Row], profile: Profile, path: Path) -> None:
    book = openpyxl.load_workbook(io.BytesIO(read_bytes(path, limit=_LARGEST)), read_only=True)
    try:
        found = [_plain(row, path) for row in book[SHEET].iter_rows()]
    finally:
        book.close()
    if found != [profile.names, *(tuple(row) for row in rows)]:
        raise _differs(path)


def _plain(cells: Sequence[object], path: Path) -> tuple[str, ...]:
    values: list[str] = []
    for cell in cells:
        value = getattr(cell, "value", None)
        if value is not None and getattr(cell, "data_type", "") != "s":
            raise _differs(path)
        values.append("" if value is None else str(value))
    return tuple(values)


def _differs(path: Path) -> SheetError:
    return SheetError(f"{path} is not what was written to it", hint="Write it again.", code="sheet.read-back")
