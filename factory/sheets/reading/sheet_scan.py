"""What the value reader cannot tell of a sheet: formulas, error cells, hidden rows and columns, merged cells, filters.

One streaming pass over the bytes finds whether there is anything of the kind and how far the cells reach; only then,
and only if so, the XML is parsed for the exact places.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.parsers import expat

from factory.sheets.finding import Trouble
from factory.sheets.reading.archive import Archive, watched
from factory.sheets.reading.source import Mark, Unreadable

# Formulas, error cells, hidden rows and columns; each is a pass over the bytes, so there are no more than needed.
_TELLTALES = (b"<f", b":f", b'"e"', b"'e'")
_HIDDEN = re.compile(rb"hidden\s*=\s*[\"'](?:1|t)")
_AFTER = (b"mergeCell", b"filterColumn")  # these stand below the rows
_ROW_START = b'<row r="'
_ROW = re.compile(rb'<row r="([0-9]{1,7})"')
_WIDE = re.compile(rb' r="([A-Z]{2,3})[0-9]')
_FAR = [re.compile(rb' r="[A-Z]{1,3}[0-9]{%d}' % (most + 1)) for most in range(8)]
_ODD = re.compile(rb'<c r="(?![A-Z]{1,3}[1-9][0-9]{0,6}")')
_REFERENCE = re.compile(r"(?P<letters>[A-Za-z]{1,3})(?P<row>[1-9][0-9]{0,6})")
_LAST_ROW, _LAST_COLUMN = 1_048_576, 16_383
_SPARSE_CELLS = 2_000_000
_LONGEST_TEXT = 200


@dataclass(slots=True)
class Scan:
    """What was found. Rows count from 1 and columns from 0; `marks` are by row and column. How far the cells reach is
    an upper bound.
    """

    cells: int = 0
    last_row: int = 0
    last_column: int = 0
    marks: dict[int, dict[int, Mark]] = field(default_factory=dict)
    hidden_rows: list[int] = field(default_factory=list)
    hidden_columns: list[int] = field(default_factory=list)
    filtered: bool = False
    merged: list[tuple[tuple[int, int], tuple[int, int]]] = field(default_factory=list)


def scan_sheet(archive: Archive, name: str) -> Scan:
    """Scan one sheet's XML. Raises Unreadable for a DTD, damaged XML, or cells so far apart that reading them as a
    table would fill the memory (spreadsheet reference, section 5: never loop over the declared dimension).
    """
    scan = Scan()
    usual = _glance(archive, name, scan)
    if not usual or _is_sparse(scan):
        scan = Scan()
        _Parse(scan).feed(archive, name)
    if _is_sparse(scan):
        why = f"{scan.cells} cells spread over {scan.last_row} rows and {scan.last_column + 1} columns"
        raise Unreadable(Trouble("XLS-BOMB", {"why": why}))
    return scan


def _is_sparse(scan: Scan) -> bool:
    area = scan.last_row * (scan.last_column + 1)
    return area > _SPARSE_CELLS and area > 30 * scan.cells


def _glance(archive: Archive, name: str, scan: Scan) -> bool:
    """The quick pass: True when the sheet is written as most programs do and holds nothing that wants parsing.

    How far the cells reach is then known to the power of ten: the rows are numbered by their own elements, and no
    cell's reference may have more digits than the last of them.
    """
    tail, usual, table, ended, columns = b"", True, False, False, {b"A"}
    digits = 1
    for piece in watched(archive, name):
        seen = tail + piece
        cut = max(seen.rfind(b"<"), 0)
        tail, seen = seen[cut:], seen[:cut]
        table = table or b"<sheetData" in seen
        counted = seen.count(b"<c ") + seen.count(b"<c>")
        last = _ROW.match(seen, seen.rfind(_ROW_START)) if _ROW_START in seen else None
        digits = max(digits, len(last[1])) if last else digits
        ended = ended or b"</sheetData" in seen
        usual = (
            usual
            and counted == seen.count(b'<c r="')
            and not any(mark in seen for mark in _TELLTALES)
            and _HIDDEN.search(seen) is None
            and not (ended and any(mark in seen for mark in _AFTER))
            and _FAR[digits].search(seen) is None
            and _ODD.search(seen) is None
        )
        columns.update(_WIDE.findall(seen))
        scan.cells += counted
    scan.last_row = 10**digits - 1
    scan.last_column = max(25 if scan.cells else 0, *(_column(letters.decode("ascii")) for letters in columns))
    return usual and table


class _Parse:
    """The exact pass, by expat, which is fed in pieces and refuses any DTD."""

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._row = 0
        self._column = -1
        self._error = False
        self._formula: str | None = None
        self._cached = False
        self._text: list[str] | None = None
        self._starts: dict[str, Callable[[dict[str, str]], None]] = {
            "row": self._start_row, "c": self._start_cell, "f": self._start_formula, "v": self._start_value,
            "col": self._start_col, "mergeCell": self._start_merge, "filterColumn": self._start_filter,
        }  # fmt: skip

    def feed(self, archive: Archive, name: str) -> None:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._data
        parser.StartDoctypeDeclHandler = _no_dtd
        try:
            for piece in watched(archive, name):
                parser.Parse(piece, False)
            parser.Parse(b"", True)
        except (expat.ExpatError, ValueError) as error:
            raise Unreadable(Trouble("XLS-BROKEN", {"why": f"{name}: {error}"})) from error

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        handler = self._starts.get(name if ":" not in name else name.rpartition(":")[2])
        if handler is not None:
            handler(attributes)

    def _start_row(self, attributes: dict[str, str]) -> None:
        self._row = int(attributes["r"]) if "r" in attributes else self._row + 1
        self._column = -1
        if _true(attributes.get("hidden")):
            self._scan.hidden_rows.append(self._row)

    def _start_cell(self, attributes: dict[str, str]) -> None:
        row, column = _place(attributes["r"]) if "r" in attributes else (self._row, self._column + 1)
        self._row, self._column = row, column
        self._scan.cells += 1
        self._scan.last_row = max(self._scan.last_row, row)
        self._scan.last_column = max(self._scan.last_column, column)
        self._error = attributes.get("t") == "e"
        self._formula, self._cached = None, False

    def _start_formula(self, _attributes: dict[str, str]) -> None:
        self._formula, self._text = "", []

    def _start_value(self, _attributes: dict[str, str]) -> None:
        if self._error or self._formula is not None:
            self._text = []

    def _start_col(self, attributes: dict[str, str]) -> None:
        if _true(attributes.get("hidden")):
            first, last = int(attributes["min"]), int(attributes["max"])
            self._scan.hidden_columns.extend(range(first - 1, min(last, first + 200)))

    def _start_merge(self, attributes: dict[str, str]) -> None:
        first, _, last = attributes.get("ref", "A1").partition(":")
        self._scan.merged.append((_place(first), _place(last or first)))

    def _start_filter(self, _attributes: dict[str, str]) -> None:
        self._scan.filtered = True

    def _data(self, text: str) -> None:
        if self._text is not None and len(self._text) < _LONGEST_TEXT:
            self._text.append(text)

    def _end(self, name: str) -> None:
        local = name if ":" not in name else name.rpartition(":")[2]
        if local == "f":
            self._formula = "".join(self._text or ())[:_LONGEST_TEXT]
            self._text = None
        elif local == "v" and self._text is not None:
            text, self._text = "".join(self._text)[:_LONGEST_TEXT], None
            self._cached = bool(text)
            if self._error and self._formula is None:
                self._mark(Mark("error", text))
        elif local == "c" and self._formula is not None:
            self._mark(Mark("formula", self._formula, self._cached))
            self._formula = None

    def _mark(self, mark: Mark) -> None:
        self._scan.marks.setdefault(self._row, {})[self._column] = mark


def _no_dtd(*_: object) -> None:
    raise Unreadable(Trouble("XLS-BOMB", {"why": "DTD in a sheet"}))


def _true(text: str | None) -> bool:
    return text in ("1", "true")


def _place(reference: str) -> tuple[int, int]:
    found = _REFERENCE.fullmatch(reference.replace("$", ""))
    if found is None or int(found["row"]) > _LAST_ROW or _column(found["letters"]) > _LAST_COLUMN:
        raise Unreadable(Trouble("XLS-BROKEN", {"why": f"it has a cell at {reference[:20]!r}"}))
    return int(found["row"]), _column(found["letters"])


def _column(letters: str) -> int:
    number = 0
    for one in letters:
        number = number * 26 + ord(one.upper()) - 64
    return number - 1
