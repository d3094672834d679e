"""Checking a sheet: every row through the fast acceptor, and what it does not accept through the explainers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from factory.sheets.accept import RowAcceptor, join
from factory.sheets.columns import SAMPLE, ProductRules, hardware_id_form, judges
from factory.sheets.duplicates import Duplicates
from factory.sheets.finding import Findings, Place, Trouble
from factory.sheets.header import BESIDE, UNKNOWN, Header, by_position, is_header, known_names, read_header
from factory.sheets.history import History, KnownValues
from factory.sheets.judge import BLANK
from factory.sheets.profile import Profile, letter
from factory.sheets.profiles import REMOTEIT_BULK, profile, profile_names
from factory.sheets.reading.open_file import open_sheet
from factory.sheets.reading.source import Cells, Source, Unreadable, split
from factory.sheets.reading.workbook import range_name
from factory.sheets.report import CheckedRow, Report
from factory.sheets.rows import RowJudge
from factory.sheets.rules import Use
from factory.sheets.typed import as_text, mark_trouble

MOST_FINDINGS = 10_000
_HEADER_WITHIN = 20


@dataclass(frozen=True, slots=True)
class Asked:
    """How a sheet is to be checked. Without `profile` the sheet's own header decides; `use` is by the kind of file
    if it is None; `known` is the ledger's knowledge of identities; `keep` has the rows kept in the report.
    """

    profile: Profile | None = None
    product: ProductRules = field(default_factory=ProductRules)
    use: Use | None = None
    most: int = MOST_FINDINGS
    known: KnownValues | None = None
    history: History = History.NONE
    keep: bool = False


def check_file(path: Path, asked: Asked | None = None) -> Report:
    """Check a CSV or an .xlsx workbook: all findings in one pass, nothing changed, nothing repaired.

    Raises FileError when the file cannot be read from disk; whatever is wrong inside it is a finding.
    """
    asked = asked or Asked()
    profiles = [asked.profile] if asked.profile else [profile(name) for name in profile_names()]
    names = tuple(dict.fromkeys(name for one in profiles for name in one.names))
    try:
        source = open_sheet(path, asked.use, names)
    except Unreadable as refused:
        return _refused(path, asked, refused.trouble, None)
    run = _Run(str(path), source, asked, profiles)
    try:
        return run.report()
    except Unreadable as refused:  # the reader broke off in the middle of the rows
        return _refused(path, asked, refused.trouble, source.sheet)


def _refused(path: Path, asked: Asked, trouble: Trouble, sheet: str | None) -> Report:
    findings = Findings(str(path), asked.use or Use.UPLOAD, most=max(asked.most, 1))
    findings.sheet = sheet
    findings.add(trouble, Place())
    name = (asked.profile or REMOTEIT_BULK).name
    return Report(str(path), name, sheet, 0, findings.sorted(), findings.totals, findings.errors)


class _Run:
    """One check of one sheet."""

    def __init__(self, file: str, source: Source, asked: Asked, profiles: Sequence[Profile]) -> None:
        self._source = source
        self._asked = asked
        self._findings = Findings(file, source.use, most=asked.most)
        self._findings.sheet = source.sheet
        self._findings.add_all(source.troubles, Place())
        self._file = file
        self._count = 0
        head = list(itertools.islice(source.rows, _HEADER_WITHIN))
        self._profile, self._header, self._number, ahead = self._find_header([split(row) for row in head], profiles)
        sample = [*head[len(head) - ahead :], *itertools.islice(source.rows, SAMPLE)]
        self._rows = itertools.chain(sample, source.rows)
        self._id_form = asked.product.hardware_id or self._sampled([split(row) for row in sample[:SAMPLE]])
        self._judges = judges(self._profile, asked.product, source.use, self._id_form)

    def _find_header(self, head: list[Cells], profiles: Sequence[Profile]) -> tuple[Profile, Header, int, int]:
        """The profile, the header, the number of the header's row, and how many rows were read ahead after it."""
        for at, cells in enumerate(head):
            best = max(profiles, key=lambda one: known_names(cells, one))
            if is_header(cells, best):
                header = read_header(cells, best, self._source.use, exact=self._source.kind == "csv")
                return best, self._placed(header, at), self._source.first_row + at, len(head) - at - 1
        first = next((cells for cells in head if any(cells)), ())
        at = head.index(first) if first in head else 0
        fitting = next((one for one in profiles if len(one.columns) == len(first)), profiles[0])
        return fitting, by_position(first, fitting), self._source.first_row + at - 1, len(head) - at

    def _placed(self, header: Header, at: int) -> Header:
        column = next((place for place, name in enumerate(header.columns) if name != BESIDE), 0)
        if at or self._source.first_column + column:
            cell = f"{letter(self._source.first_column + column)}{self._source.first_row + at}"
            header.troubles.insert(0, (Trouble("HDR-PLACE", {"cell": cell}), None, ""))
        return header

    def _sampled(self, sample: Sequence[Cells]) -> str:
        name = next((column.name for column in self._profile.columns if column.form == "hardware-id"), None)
        place = self._header.place(name) if name else None
        if place is None:
            return "mac"
        return hardware_id_form(cells[place] for cells in sample if place < len(cells))

    def report(self) -> Report:
        """Judge every row and sum up."""
        self._say_header()
        columns = [BLANK if name == BESIDE else self._judges.get(name) for name in self._header.columns]
        groups = [[self._header.place(name) for name in group] for group in self._profile.either]
        either = [[place for place in group if place is not None] for group in groups]
        acceptor = RowAcceptor(columns, [group for group in either if group], lines=self._source.lines)
        duplicates = Duplicates(self._findings, columns, self._source.first_column)
        rows = RowJudge(self._findings, self._source, self._header, acceptor, duplicates)
        kept: list[CheckedRow] = []
        if any(name not in (UNKNOWN, BESIDE) for name in self._header.columns):
            self._loop(acceptor, duplicates, rows, kept.append if self._asked.keep else None)
            rows.finish()
            self._marks_beside(rows)
            self._count -= len(rows.outside)
            kept = [row for row in kept if row.row not in rows.outside]
        self._findings.add_all(self._source.late(), Place())
        self._whole_file()
        if self._asked.known is not None:
            self._asked.history.judge(self._asked.known, self._findings, self._header, duplicates, kept)
        return Report(
            self._file, self._profile.name, self._source.sheet, self._count, self._findings.sorted(),
            self._findings.totals, self._findings.errors, self._id_form, tuple(kept),
        )  # fmt: skip

    def _loop(
        self, acceptor: RowAcceptor, duplicates: Duplicates, rows: RowJudge, keep: Callable[[CheckedRow], None] | None
    ) -> None:
        """The loop that a million rows pass: nothing but the acceptor and the duplicates for a good row."""
        matches, complete, further = acceptor.match, acceptor.complete, acceptor.further
        lines, marks, seen, groups = self._source.lines, self._source.marks, duplicates.quick, duplicates.groups
        number = self._number
        for row in self._rows:
            number += 1
            try:
                text: str = row if lines else join(row)  # type: ignore[arg-type, assignment]  # a number is caught
                match = matches(text)
            except TypeError:
                text, match = "", None
            good = match is not None and match.lastindex == complete and number not in marks
            if match is None or not good or (further is not None and not further(match)):
                good = rows.judge(number, row, text)
            else:
                if rows.waiting:
                    rows.release()
                for (place, known, normal), group in zip(seen, groups, strict=True):
                    value = match[group]
                    if value:
                        other = known.setdefault(value if normal is None else normal(value), number)
                        if other != number:
                            duplicates.found(place, number, value, other, self._source.line(number))
            if keep is not None:
                keep(self._row(number, split(row), good=good))
        self._count = number - self._number

    def _marks_beside(self, rows: RowJudge) -> None:
        """Formulas and error cells where the value reader saw no cell: it ends where the last value is."""
        for row, cells in self._source.marks.items():
            for at, mark in cells.items():
                if (row, at) not in rows.marked:
                    self._findings.add(mark_trouble(mark, secret=True), Place(row, None, None, at, True))

    def _row(self, number: int, cells: Cells, *, good: bool) -> CheckedRow:
        values = {}
        for name, cell in zip(self._header.columns, cells, strict=False):
            judge = self._judges.get(name)
            if judge is not None:
                text = cell if isinstance(cell, str) else as_text(cell)
                values[name] = (judge.value(text) or text) if text else ""
        return CheckedRow(number, values, good)

    def _whole_file(self) -> None:
        """The portal's caps, and a table without rows."""
        unread = all(name in (UNKNOWN, BESIDE) for name in self._header.columns)  # then HDR-NONE has said it
        if self._count == 0 and not unread and not self._findings.totals["FILE-QUOTE"]:
            self._findings.add(Trouble("FILE-NOROWS"), Place())
        most, size = self._profile.max_rows, self._source.size
        hint = "`factory sheet export` splits by itself."
        if self._count > most:
            parts = -(-self._count // most)
            first = self._number + 1 + most
            split = f"split in {parts} at row {first} (-01 to -{parts:02d})"
            fields = {"have": f"{self._count} rows", "takes": most, "split": split, "hint": hint}
            self._findings.add(Trouble("FILE-CAP", fields), Place())
        if self._source.kind == "csv" and self._source.use is Use.UPLOAD and size > self._profile.max_bytes:
            fields = {"have": f"{size} bytes", "takes": self._profile.max_bytes, "split": "too large", "hint": hint}
            self._findings.add(Trouble("FILE-CAP", fields), Place())

    def _say_header(self) -> None:
        offset = self._source.first_column
        for trouble, index, text in self._header.troubles:
            row = self._number if self._number >= self._source.first_row else 1
            column = next((str(trouble.fields[key]) for key in ("name",) if key in trouble.fields), None)
            place = Place(row, self._source.line(row), column, None if index is None else index + offset)
            self._findings.add(trouble, place, text)
        table = self._source.first_row + self._number
        for area in self._source.merged:
            if area[1][0] >= table - 1:
                fields = {"range": range_name(area)}
                self._findings.add(Trouble("XLS-MERGED", fields), Place(area[0][0], None, None, area[0][1]))
