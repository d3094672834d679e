"""The workbook for people: every cell a text, so that a spreadsheet changes nothing and runs nothing."""

from __future__ import annotations

import io
import itertools
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

from factory.errors import UsageError
from factory.files import PRIVATE, FileError, read_bytes, write_bytes
from factory.sheets.cells import check_rows
from factory.sheets.errors import SheetError
from factory.sheets.profile import Profile, Row
from factory.sheets.reading.source import Unreadable
from factory.sheets.reading.workbook import read_own

SHEET = "upload"
_TEXT_FORMAT = "@"
_HEAD = "1F4E5F"
# One page wide, whatever the number of columns, with the header on each page.
_PAPER = {"landscape": True, "paper_size": 9, "fit_to_pages": (1, 0), "repeat_rows": 0, "footer": "&L&F&R&P / &N"}
_MOST_ROWS = 1_048_575
_LARGEST = 512 * 1024 * 1024
_PROPERTIES = "docProps/core.xml"
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_TIMES = re.compile(rb"(<dcterms:(created|modified)[^>]*>)[^<]*(<)")


def write_xlsx(rows: Sequence[Row], profile: Profile, path: Path) -> Path:
    """Write a workbook of the profile's columns with mode 0600, read it back from disk and compare every cell.

    The same rows give the same bytes. Raises SheetError (a value that the profile cannot carry, more rows than a
    sheet holds, a read-back that differs) and FileError.
    """
    check_rows(rows, profile)
    if len(rows) > _MOST_ROWS:
        raise SheetError(f"{len(rows)} rows, a sheet holds {_MOST_ROWS}", code="sheet.rows")
    write_bytes(path, _without_times(_workbook(rows, profile)), mode=PRIVATE)
    _compare(rows, profile, path)
    return path


def require_defused() -> None:
    """Raise UsageError unless openpyxl parses with defusedxml: a workbook may hold XML that grows without end."""
    import openpyxl

    if not openpyxl.DEFUSEDXML:
        raise UsageError(
            "openpyxl runs without defusedxml",
            hint="Install defusedxml, and unset OPENPYXL_DEFUSEDXML.",
            code="sheet.defusedxml",
        )


def _workbook(rows: Sequence[Row], profile: Profile) -> bytes:
    """The library writes every string as a text cell, whatever it begins with; the columns are formatted as text."""
    from rustpy_xlsxwriter import Format, write_worksheet

    names = profile.names
    text = Format().set_num_format(_TEXT_FORMAT)
    head = Format().set_num_format(_TEXT_FORMAT).set_bold().set_font_color("FFFFFF").set_background_color(_HEAD)
    records = (dict(zip(names, row, strict=True)) for row in rows) if rows else [dict.fromkeys(names, "")]
    stream = io.BytesIO()
    try:
        write_worksheet(
            records, stream, sheet_name=SHEET, freeze_row=1, header_format=head,
            page_setup=_PAPER,
            column_formats=dict.fromkeys(names, text),
            column_widths={column.name: float(column.width) for column in profile.columns},
        )  # fmt: skip
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        # The library keeps rows in an unnamed temporary file and gives up where that cannot be written.
        raise FileError(
            f"the workbook could not be made: {error}",
            hint="Is the folder for temporary files full (TMPDIR, else /tmp)? Free some space, then do it again.",
        ) from error
    return stream.getvalue()


def _without_times(book: bytes) -> bytes:
    """The same workbook with fixed times in its properties. Only the end of the archive is written again: what stands
    before the properties stays packed as it is.
    """
    stream = io.BytesIO(book)
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_DEFLATED) as archive:
        entries = archive.infolist()
        at = next(index for index, entry in enumerate(entries) if entry.filename == _PROPERTIES)
        last = [(entry.filename, archive.read(entry)) for entry in entries[at:]]
        archive.start_dir = entries[at].header_offset
        for entry in entries[at:]:
            archive.filelist.remove(entry)
            del archive.NameToInfo[entry.filename]
        for name, content in last:
            fixed = zipfile.ZipInfo(name, _ZIP_TIME)
            fixed.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(fixed, _TIMES.sub(rb"\g<1>2000-01-01T00:00:00Z\g<3>", content))
        stream.seek(archive.start_dir)
    return stream.getvalue()


def _compare(rows: Sequence[Row], profile: Profile, path: Path) -> None:
    """Read the workbook from disk; every cell must be the text that was given."""
    expected = itertools.chain([profile.names], rows)
    try:
        for found, row in itertools.zip_longest(read_own(read_bytes(path, limit=_LARGEST)), expected):
            if found is None or row is None or found != list(row):
                raise _differs(path)
    except Unreadable as error:
        raise _differs(path) from error


def _differs(path: Path) -> SheetError:
    return SheetError(f"{path} is not what was written to it", hint="Write it again.", code="sheet.read-back")
