"""Strict parsing of a CSV whose bytes have been judged: records, and the physical line on which each began."""

from __future__ import annotations

import bisect
import csv
import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from factory.sheets.finding import Trouble
from factory.sheets.reading.csv_bytes import judge_bytes
from factory.sheets.reading.source import Cells, Source, Unreadable
from factory.sheets.rules import Use

if TYPE_CHECKING:
    from _csv import Reader

MOST_COLUMNS = 16_384
"""As many as a spreadsheet program has; more in one row is no sheet, and judging each name would take minutes."""
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


def read_csv(raw: bytes, use: Use, known: Sequence[str] = ()) -> Source:
    """Judge the bytes of a CSV and begin to parse it strictly.

    `known` are column names (in lower case) that help to find the delimiter in the first line. A quote that is never
    closed ends the rows and is reported at the end with the line on which it was opened. Raises Unreadable, also for
    one of the first lines with more cells than a sheet can have.
    """
    judged = judge_bytes(raw)
    content = judged.content
    delimiter = _delimiter(content, known)
    widest = max(line.count(delimiter.encode()) for line in content.split(b"\n", 20)[:20]) + 1
    if widest > MOST_COLUMNS:
        what = f"a text with {widest} cells in one line"
        raise Unreadable(Trouble("FILE-TYPE", {"what": what, "hint": "Save the sheet as .csv or .xlsx."}))
    troubles = list(judged.troubles)
    if delimiter != ",":
        troubles.append(Trouble("FILE-DELIM", {"found": DELIMITERS[delimiter], "wanted": DELIMITERS[","]}))
    quotes = content.count(b'"')
    if quotes:
        line = content.count(b"\n", 0, content.index(b'"')) + 1
        troubles.append(Trouble("FILE-QUOTED", {"count": quotes, "line": line}))
    text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline="\n")
    # csv's own limit is global to the process; a longer field is cut off by the library as an error, and told so.
    lines = _Lines()
    if not quotes and delimiter == ",":
        # Without a quote a line is a record and its commas part the cells: there is nothing for a parser to find.
        return Source(kind="csv", use=use, rows=text, line=lines.of, troubles=troubles, size=len(raw), lines=True)
    late: list[Trouble] = []
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    rows = _quoted(reader, content, late, lines) if quotes else _plain(reader, late)
    return Source(kind="csv", use=use, rows=rows, line=lines.of, troubles=troubles, late=lambda: late, size=len(raw))


class _Lines:
    """Physical lines by record: only the records that span several lines are kept."""

    def __init__(self) -> None:
        self._records: list[int] = []
        self._extra: list[int] = []

    def spans(self, record: int, extra: int) -> None:
        """Note that a record ended `extra` lines further on than its number, all earlier ones included."""
        self._records.append(record)
        self._extra.append(extra)

    def of(self, record: int) -> int:
        """The line on which a record began."""
        before = bisect.bisect_left(self._records, record)
        return record + (self._extra[before - 1] if before else 0)


def _plain(reader: Reader, late: list[Trouble]) -> Iterator[Cells]:
    try:
        yield from reader
    except csv.Error as error:
        late.append(Trouble("FILE-QUOTE", {"what": f"what cannot be parsed ({error})", "line": reader.line_num}))


def _quoted(reader: Reader, content: bytes, late: list[Trouble], lines: _Lines) -> Iterator[Cells]:
    record, extra, line = 0, 0, 0
    try:
        for row in reader:
            record += 1
            line = reader.line_num
            if line - record != extra:
                extra = line - record
                lines.spans(record, extra)
            yield row
    except csv.Error as error:
        late.append(_quote_trouble(str(error), content, line))


def _quote_trouble(reason: str, content: bytes, lines_before: int) -> Trouble:
    """Find where the quote was opened: the record that failed began on the line after the last good one."""
    lines = content.split(b"\n")
    if "field larger" in reason:
        return Trouble(
            "FILE-QUOTE", {"what": "an endless field (a quote that was never closed?)", "line": lines_before + 1}
        )
    if "expected after" in reason:
        return Trouble("FILE-QUOTE", {"what": "text after a closing quote", "line": lines_before + 1})
    opened, inside = lines_before + 1, False
    for number, line in enumerate(lines[lines_before:], lines_before + 1):
        for _ in range(line.count(b'"')):
            inside = not inside
            opened = number if inside else opened
    return Trouble("FILE-QUOTE", {"what": "unterminated quote opened", "line": opened})


def _delimiter(content: bytes, known: Sequence[str]) -> str:
    """The delimiter under which the first line has the most known names, else the most fields; a comma if in doubt."""
    first = next((line for line in content.split(b"\n", 20)[:20] if line.strip()), b"").decode("utf-8", "replace")
    names = {name.lower() for name in known}

    def score(delimiter: str) -> tuple[int, int]:
        fields = [field.strip(' "\r').lower() for field in first.split(delimiter)]
        return sum(field in names for field in fields), len(fields)

    return max(DELIMITERS, key=lambda one: (*score(one), one == ","))
