"""Reading an .xlsx workbook: the archive judged, the sheet chosen and scanned, the values by calamine."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from factory.sheets.finding import Trouble
from factory.sheets.profile import letter
from factory.sheets.reading.archive import Archive, judge_archive, watched
from factory.sheets.reading.sheet_scan import Scan, scan_sheet
from factory.sheets.reading.source import Cells, Source, Unreadable
from factory.sheets.rules import Use

if TYPE_CHECKING:
    from python_calamine import CalamineWorkbook

NOTES_SHEET = "About the columns"
_NUMBERS_SHOWN = 5
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


@dataclass(frozen=True, slots=True)
class SheetEntry:
    """One sheet of a workbook: its name, its part in the archive, and whether people see it."""

    name: str
    part: str
    visible: bool


def read_workbook(raw: bytes, use: Use, known: Sequence[str] = ()) -> Source:
    """Judge a workbook and begin to read its table. `known` are column names in lower case: of several sheets, the one
    whose first rows hold most of them is read. Raises Unreadable.
    """
    archive = judge_archive(raw)
    entries = [entry for entry in _sheets(archive) if entry.name != NOTES_SHEET]
    if not entries:
        raise Unreadable(Trouble("XLS-BROKEN", {"why": "it has no sheet with cells"}))
    book = _opened(raw)
    chosen = _chosen(archive, entries, book, {name.lower() for name in known})
    for entry in entries:
        if entry is not chosen:
            for _ in watched(archive, entry.part):
                pass
    scan = scan_sheet(archive, chosen.part)
    sheet = _guarded(lambda: book.get_sheet_by_name(chosen.name))
    start = sheet.start
    return Source(
        kind="xlsx", use=use, rows=_rows(sheet), sheet=chosen.name, first_column=start[1] if start else 0,
        troubles=_hidden(scan, entries, chosen), marks=scan.marks, merged=scan.merged, size=len(raw),
    )  # fmt: skip


def read_own(raw: bytes) -> Iterator[Cells]:
    """The rows of a workbook with one sheet that we wrote ourselves: values alone, nothing is judged. Raises
    Unreadable when the reader cannot read it.
    """
    book = _opened(raw)
    return _rows(_guarded(lambda: book.get_sheet_by_index(0)))


def _rows(sheet: Any) -> Iterator[Cells]:
    # calamine gives every row from row 1 on, each from the first column that has a value.
    rows = _guarded(sheet.iter_rows)
    while True:
        row = _guarded(lambda: next(rows, None))
        if row is None:
            return
        yield row


def _opened(raw: bytes) -> CalamineWorkbook:
    from python_calamine import CalamineWorkbook

    book: CalamineWorkbook = _guarded(lambda: CalamineWorkbook.from_filelike(io.BytesIO(raw)))
    return book


def _guarded(call: Any) -> Any:
    """Call the reader; what it raises for a damaged workbook becomes a judgement, its panics included."""
    from python_calamine import CalamineError

    try:
        return call()
    except (CalamineError, OSError, ValueError) as error:
        raise Unreadable(Trouble("XLS-BROKEN", {"why": str(error).split("\n", 1)[0][:120]})) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # how a bug in the reader's own language arrives here
            raise
        raise Unreadable(Trouble("XLS-BROKEN", {"why": "the reader gave up on it"})) from error


def _sheets(archive: Archive) -> list[SheetEntry]:
    """The worksheets in the workbook's order."""
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        book = fromstring(archive.read("xl/workbook.xml"))
        links = fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    except (ParseError, DefusedXmlException, KeyError, ValueError) as error:
        raise Unreadable(Trouble("XLS-BROKEN", {"why": f"its list of sheets cannot be read: {error}"})) from error
    targets = {link.get("Id"): link.get("Target") or "" for link in links}
    entries = []
    for element in book.iter():
        if element.tag.rpartition("}")[2] == "sheet":
            target = targets.get(element.get(_RELATION), "")
            part = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
            if part in archive.entries and "worksheets/" in part:
                name = element.get("name") or ""
                entries.append(SheetEntry(name, part, element.get("state", "visible") == "visible"))
    return entries


def _chosen(archive: Archive, entries: list[SheetEntry], book: CalamineWorkbook, known: set[str]) -> SheetEntry:
    if len(entries) == 1:
        return entries[0]
    seen = [entry for entry in entries if entry.visible] or entries
    for entry in seen:
        if entry.name.lower() == "upload":
            return entry
    return max(seen, key=lambda entry: (_matches(archive, entry, book, known), -seen.index(entry)))


def _matches(archive: Archive, entry: SheetEntry, book: CalamineWorkbook, known: set[str]) -> int:
    """How many known names stand in the first rows of a sheet."""
    scan_sheet(archive, entry.part)
    sheet = _guarded(lambda: book.get_sheet_by_name(entry.name))
    most = 0
    for number, row in enumerate(_rows(sheet)):
        if number >= 20:
            break
        most = max(most, sum(isinstance(cell, str) and cell.strip().lower() in known for cell in row))
    return most


def _hidden(scan: Scan, entries: list[SheetEntry], chosen: SheetEntry) -> list[Trouble]:
    """One sentence about everything in the workbook that a person may have overlooked."""
    said = []
    if scan.hidden_rows:
        rows = scan.hidden_rows
        shown = ", ".join(str(row) for row in rows[:_NUMBERS_SHOWN]) + (", ..." if len(rows) > _NUMBERS_SHOWN else "")
        said.append(f"{len(rows)} hidden row{'s' * (len(rows) != 1)} ({shown})")
    if scan.hidden_columns:
        columns = ", ".join(letter(column) for column in scan.hidden_columns[:_NUMBERS_SHOWN])
        said.append(f"{len(scan.hidden_columns)} hidden column{'s' * (len(scan.hidden_columns) != 1)} ({columns})")
    if scan.filtered:
        said.append("filter active")
    if scan.merged:
        said.append("merged " + ", ".join(range_name(one) for one in scan.merged[:_NUMBERS_SHOWN]))
    if len(entries) > 1:
        said.append(f'{len(entries)} sheets; only "{chosen.name}" was read')
    return [Trouble("XLS-HIDDEN", {"what": ", ".join(said)})] if said else []


def range_name(area: tuple[tuple[int, int], tuple[int, int]]) -> str:
    """The spreadsheet's name of a range, as C5:C6."""
    (row, column), (last_row, last_column) = area
    return f"{letter(column)}{row}:{letter(last_column)}{last_row}"
