"""A copy of a sheet with its bad cells marked and commented, for the person who has to mend it."""

from __future__ import annotations

import datetime
import io
import itertools
import math
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factory.files import PRIVATE, write_bytes
from factory.sheets.cell_text import TEXT_FORMAT, put_text
from factory.sheets.errors import SheetError
from factory.sheets.finding import SheetFinding
from factory.sheets.profile import letter
from factory.sheets.profiles import profile
from factory.sheets.reading.csv_rows import MOST_COLUMNS
from factory.sheets.reading.open_file import open_sheet
from factory.sheets.reading.source import Source, Unreadable, split
from factory.sheets.report import Report
from factory.sheets.typed import as_text
from factory.values import Severity

if TYPE_CHECKING:
    from openpyxl.workbook import Workbook
    from openpyxl.worksheet.worksheet import Worksheet

_MOST_ROWS = 100_000
_RED, _YELLOW, _GREY = "FFC7CE", "FFEB9C", "EFEFEF"


def annotate(path: Path, report: Report, out: Path) -> Path:
    """Write a workbook with the values of the sheet, bad cells coloured and commented, and a list of all findings on
    a second sheet. Formulas and error cells become texts; numbers, dates and logical values stay what they are, or the
    copy would pass a check that the sheet did not. The file may hold registration keys and is written with mode 0600.

    Raises SheetError when the file cannot be read as a sheet at all, or is too large to mark; FileError.
    """
    from openpyxl import Workbook
    from openpyxl.worksheet.properties import PageSetupProperties

    from factory.sheets.xlsx import require_defused

    require_defused()
    try:
        source = open_sheet(path, known=profile(report.profile).names)
    except Unreadable as refused:
        why = str(report.findings[0]) if report.findings else refused.trouble.code
        message = f"{path} cannot be read, so there is nothing to mark: {why}"
        raise SheetError(message, code="sheet.annotate") from refused
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = (report.sheet or "checked")[:31]
    _copy(source, sheet)
    _mark(report.findings, sheet)
    sheet.freeze_panes = "A2"
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    _list(report, book, sheet.title)
    stream = io.BytesIO()
    book.save(stream)
    write_bytes(out, stream.getvalue(), mode=PRIVATE)
    return out


def _copy(source: Source, sheet: Worksheet) -> None:
    widths: dict[int, int] = defaultdict(int)
    for number, row in enumerate(itertools.islice(source.rows, _MOST_ROWS + 1), source.first_row):
        if number > _MOST_ROWS:
            raise SheetError(f"more than {_MOST_ROWS} rows to mark", hint="Mend the first ones, or use --json.")
        marks = source.marks.get(number, {})
        for at, value in enumerate(split(row), source.first_column):
            mark = marks.get(at)
            text = as_text(value)
            if mark is not None:
                text = f"={mark.text}" if mark.kind == "formula" else mark.text
            if text and at < MOST_COLUMNS:
                _put(sheet.cell(number, at + 1), value if mark is None else text, text)
                widths[at] = max(widths[at], min(len(text), 40))
    for at, width in widths.items():
        dimension = sheet.column_dimensions[letter(at)]
        dimension.width, dimension.number_format = width + 3, TEXT_FORMAT  # what is typed anew stays a text


def _put(cell: Any, value: object, text: str) -> None:
    """Put a value into a cell as what it was. A number in a cell of text format stays one until it is typed anew."""
    if isinstance(value, (bool, int, float)) and math.isfinite(value):
        cell.value = value
        cell.number_format = TEXT_FORMAT
    elif isinstance(value, (datetime.date, datetime.time, datetime.timedelta)):
        cell.value = value
    else:
        put_text(cell, text)


def _mark(findings: tuple[SheetFinding, ...], sheet: Worksheet) -> None:
    from openpyxl.comments import Comment
    from openpyxl.styles import PatternFill

    fills = {
        Severity.ERROR: PatternFill("solid", fgColor=_RED),
        Severity.WARNING: PatternFill("solid", fgColor=_YELLOW),
    }
    by_cell: dict[str, list[SheetFinding]] = defaultdict(list)
    for finding in findings:
        address = finding.cell or (f"A{finding.row}" if finding.row else None)
        if address:
            by_cell[address].append(finding)
    for address, several in by_cell.items():
        cell: Any = sheet[address]
        worst = min(several, key=lambda one: one.severity is Severity.WARNING)
        cell.fill = fills[worst.severity]
        said = "\n".join(f"{one.message}. {one.hint} [{one.code}]" for one in several)
        cell.comment = Comment(said, "factory", height=40 + 22 * said.count("\n") + len(said) // 2, width=360)


def _list(report: Report, book: Workbook, marked: str) -> None:
    """Every finding as a row of a second sheet, each with a link to its cell."""
    from openpyxl.styles import Font, PatternFill

    sheet = book.create_sheet("Findings")
    headers = ("place", "code", "severity", "what", "what to do", "value")
    for at, (name, width) in enumerate(zip(headers, (30, 14, 10, 70, 60, 30), strict=True), 1):
        cell = sheet.cell(1, at)
        put_text(cell, name)
        cell.font = Font(bold=True)
        cell.fill = PatternFill("solid", fgColor=_GREY)
        sheet.column_dimensions[letter(at - 1)].width = width
    for number, one in enumerate(report.findings, 2):
        texts = (one.place, one.code, one.severity.value, one.message, one.hint, one.value)
        for at, text in enumerate(texts, 1):
            put_text(sheet.cell(number, at), text)
        if one.cell:
            sheet.cell(number, 1).hyperlink = f"#'{marked}'!{one.cell}"
            sheet.cell(number, 1).font = Font(color="0563C1", underline="single")
    cut = sum(report.totals.values()) - len(report.findings)
    if cut:
        put_text(sheet.cell(len(report.findings) + 2, 1), f"and {cut} more, neither listed nor marked here")
    sheet.freeze_panes = "A2"
