"""A supplier's file of addresses or serials, line by line: one value, FIRST..LAST, or FIRST,COUNT."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from factory.errors import Exit, FactoryError
from factory.files import read_bytes
from factory.ledger.pool_records import PlacedRun, PoolFile
from factory.sheets.finding import Findings, Place, Trouble
from factory.sheets.reading.open_file import LARGEST, open_sheet
from factory.sheets.reading.source import Source, Unreadable, split
from factory.sheets.rules import Use
from factory.values import Finding, InvalidValue, Severity, shown
from factory.values.pools import Numbered, PoolKind, Run

_HEADER: Mapping[str, str] = {
    **dict.fromkeys(("first", "from", "start", "mac", "macaddress", "address", "serial", "serialnumber"), "first"),
    **dict.fromkeys(("value", "range", "sn"), "first"),
    **dict.fromkeys(("last", "to", "end"), "last"),
    **dict.fromkeys(("count", "quantity", "qty"), "count"),
}
# Of a list of values it does not matter how its lines end or what parts its cells.
_HARMLESS = frozenset({"FILE-DELIM", "FILE-QUOTED", "FILE-NAME", "FILE-BOM", "FILE-CR", "FILE-EOL", "FILE-UTF16"})
_BETWEEN = re.compile(r"\s*\.\.\s*|\s+-\s+|\s+to\s+")
# What the rules of sheets say of these names a command that writes no supplier's file.
_ENCODINGS = frozenset({"FILE-ENC", "FILE-SJIS"})
_SAVE_AS = "Save it as UTF-8 text or as an .xlsx workbook."
_COUNT = re.compile(r"[0-9]{1,9}")
_DASHED = re.compile(r"(?P<first>[0-9A-Fa-f:]{12,17})-(?P<last>[0-9A-Fa-f:]{12,17})")


class PoolRefused(FactoryError):  # noqa: N818 - reads as what happened
    """A supplier's file is not fit for a pool; nothing of it was imported. `findings` has everything that is wrong."""

    code = "pool.refused"
    exit_code = Exit.FAILED

    def __init__(self, file: str, findings: Sequence[Finding]) -> None:
        count = sum(finding.severity is Severity.ERROR for finding in findings)
        super().__init__(
            f"{file} was not imported: {count} {'error' if count == 1 else 'errors'}",
            hint="All of a file or nothing: mend it, or ask the supplier.",
        )
        self.file = file
        self.findings = tuple(sorted(findings, key=_in_the_file))


def _in_the_file(finding: Finding) -> int:
    """Where a finding is, from the top; what is about the whole file comes first."""
    number = re.search("[0-9]+", finding.place)
    return int(number[0]) if number else 0


@dataclass(frozen=True, slots=True)
class Lines:
    """What stands in a file: its runs in the file's order, and the lines that are none."""

    file: PoolFile
    runs: tuple[PlacedRun, ...]
    findings: tuple[Finding, ...]


def read_lines(path: Path, kind: PoolKind) -> Lines:
    """Read a CSV, text or .xlsx file. A line that cannot be read is a finding. Raises FileError."""
    file = PoolFile(path.name, hashlib.sha256(read_bytes(path, limit=LARGEST)).hexdigest())
    try:
        source = open_sheet(path, Use.WORK, tuple(_HEADER))
    except Unreadable as unreadable:
        return Lines(file, (), tuple(_of_file(path, [unreadable.trouble])))
    runs: list[PlacedRun] = []
    findings: list[Finding] = []
    columns: Mapping[str, int] | None = None
    for place, cells in _records(source):
        if columns is None:
            columns = _named(cells)
            if columns:
                continue
        try:
            runs.append(PlacedRun(_run(cells, columns, kind), place))
        except InvalidValue as error:
            findings.append(Finding(error.code, Severity.ERROR, place, error.message, error.hint))
    troubles = _of_file(path, [*source.troubles, *source.late()])
    return Lines(file, tuple(runs), (*troubles, *findings))


def _of_file(path: Path, troubles: Sequence[Trouble]) -> Iterator[Finding]:
    collected = Findings(path.name, Use.WORK)
    for trouble in troubles:
        if trouble.code not in _HARMLESS:
            collected.add(trouble, Place())
    for found in collected.sorted():
        if found.severity is Severity.ERROR:
            hint = _SAVE_AS if found.code in _ENCODINGS else found.hint
            yield Finding(found.code, Severity.ERROR, "file", found.message, hint)


def _records(source: Source) -> Iterator[tuple[str, list[str | float]]]:
    """The rows with something in them, each with its place as people count it. What follows a # is a remark."""
    for record, row in enumerate(source.rows, source.first_row):
        cells = [cell if isinstance(cell, float) else str("" if cell is None else cell).strip() for cell in split(row)]
        while cells and cells[-1] == "":
            cells.pop()
        if not cells or str(cells[0]).startswith("#"):
            continue
        line = source.line(record)
        yield (f"row {record}" if source.kind == "xlsx" else f"line {line or record}"), cells


def _named(cells: Sequence[str | float]) -> Mapping[str, int]:
    """The columns by their meaning where the first row names them; empty where it is no header."""
    found: dict[str, int] = {}
    for at, cell in enumerate(cells):
        # A name has no digit: SN0001 is a serial.
        meaning = _HEADER.get(re.sub(r"[\s._-]", "", str(cell).lower()))
        if meaning is not None:
            found.setdefault(meaning, at)
    return found if "first" in found else {}


def _run(cells: Sequence[str | float], columns: Mapping[str, int], kind: PoolKind) -> Run:
    if columns:
        first, last, count = (_cell(cells, columns.get(meaning)) for meaning in ("first", "last", "count"))
    else:
        if len(cells) > 2:
            message = f"{len(cells)} cells in a line, and no header that says what they are"
            raise InvalidValue(message, code="POOL-COLUMNS", hint="Name the columns: first,last or first,count.")
        first, second = cells[0], cells[1] if len(cells) == 2 else ""
        # Without a header a second cell is a count, unless only an address can look like that.
        is_mac = kind is PoolKind.MAC and isinstance(second, str) and not _COUNT.fullmatch(second)
        last, count = (second, "") if is_mac else ("", second)
    return _between(_text(first), _text(last), count, kind)


def _text(cell: str | float) -> str:
    if isinstance(cell, float):
        raise InvalidValue(
            f"{cell:.15g} is a number in the sheet, and no text",
            code="POOL-NUMBER",
            hint="A spreadsheet drops leading zeros and rounds long numbers. Format the column as text.",
        )
    return cell


def _between(first: str, last: str, count: str | float, kind: PoolKind) -> Run:
    if not last and count == "":
        first, last = _parted(first, kind)
    start = Numbered.parse(kind, first)
    if last and count != "":
        run = Run.of(start, Numbered.parse(kind, last))
        if run.size != _counted(count):
            message = f"{run} are {run.size} values, and the count says {_counted(count)}"
            raise InvalidValue(message, code="POOL-COUNT", hint="One of the two is wrong: ask the supplier.")
        return run
    if last:
        return Run.of(start, Numbered.parse(kind, last))
    return Run.counted(start, 1 if count == "" else _counted(count))


def _parted(text: str, kind: PoolKind) -> tuple[str, str]:
    """FIRST and LAST of one cell. Raises InvalidValue for what may be a range or one serial."""
    halves = _BETWEEN.split(text)
    if len(halves) == 2:
        return halves[0], halves[1]
    if kind is PoolKind.MAC:
        dashed = _DASHED.fullmatch(text)
        return (dashed["first"], dashed["last"]) if dashed else (text, "")
    for at, character in enumerate(text):
        if character == "-" and _in_row(text[:at], text[at + 1 :]):
            if not text[:at].isdigit():
                return text[:at], text[at + 1 :]
            message = f"{shown(text)} may be a range, or one serial with a hyphen in it"
            hint = f"Write {text[:at]}..{text[at + 1 :]} for the range, or {text},1 for the one serial."
            raise InvalidValue(message, code="POOL-RANGE", hint=hint)
    return text, ""


def _in_row(first: str, last: str) -> bool:
    """Whether a row of serials leads from one to the other."""
    try:
        Run.of(Numbered.parse(PoolKind.SERIAL, first), Numbered.parse(PoolKind.SERIAL, last))
    except InvalidValue:
        return False
    return last[-1:].isdigit()


def _counted(cell: str | float) -> int:
    text = f"{cell:.15g}" if isinstance(cell, float) else cell
    if not _COUNT.fullmatch(text):
        raise InvalidValue(f"{shown(text)} is no count", code="POOL-COUNT", hint="A whole number, such as 500.")
    return int(text)


def _cell(cells: Sequence[str | float], at: int | None) -> str | float:
    return cells[at] if at is not None and at < len(cells) else ""
