"""Judging the rows that the fast acceptor did not take: width, blank and trailing rows, and every cell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from factory.sheets.accept import RowAcceptor
from factory.sheets.duplicates import Duplicates
from factory.sheets.finding import Findings, Place, Trouble
from factory.sheets.header import BESIDE, Header
from factory.sheets.judge import ColumnJudge
from factory.sheets.profile import letter
from factory.sheets.reading.source import Cells, Mark, RawRow, Source, split
from factory.sheets.typed import mark_trouble, typed_trouble

_SUM = re.compile(
    r"(?i)\s*(?:grand |sub)?(?:total|sum|count|average|note|remark|summe|gesamt|合計|小計|備考)\w*\b.*", re.DOTALL
)
_MOST_HELD = 50


class _Held(NamedTuple):
    """A row that may be a total or a note below the table: known only when no further row comes."""

    row: int
    cells: Cells


class RowJudge:
    """Explains rows. `waiting` is true while rows are held back until it is known whether the table goes on; `outside`
    are the rows that are none: blank ones, and totals and notes below the table; `marked` are
    the formulas and error cells that have been spoken of.
    """

    def __init__(
        self, findings: Findings, source: Source, header: Header, acceptor: RowAcceptor, duplicates: Duplicates
    ) -> None:
        self._findings = findings
        self._source = source
        self._header = header
        self._acceptor = acceptor
        self._duplicates = duplicates
        self._columns = acceptor.columns
        self._offset = source.first_column
        self._tested = acceptor.wide or any(judge is not None and judge.tests for judge in acceptor.columns)
        self._width = len(acceptor.columns)
        self._blanks: list[int] = []
        self._held: list[_Held] = []
        self.waiting = False
        self.outside: set[int] = set()
        self.marked: set[tuple[int, int]] = set()
        self._identity = next((place for place, judge in duplicates.judges.items() if judge.column.required), None)
        self._key = next(
            (at for at, one in enumerate(self._columns) if one is not None and one.form.name == "key"), None
        )

    def judge(self, number: int, row: RawRow, text: str) -> bool:
        """Explain one row; `text` is what the acceptor saw of it, empty when it has cells that are no text. True when
        only warnings were found in it.
        """
        cells = split(row)
        place = self._identity
        if (
            not self.waiting
            and place is not None
            and len(cells) == self._width
            and cells[place]
            and not _SUM.match(str(cells[0]))
        ):
            return self._judge(number, cells, text)  # neither blank nor below the table
        filled = sum(1 for cell in cells if cell not in ("", None))
        if not filled and number not in self._source.marks:
            self.outside.add(number)
            self._blanks.append(number)
            self.waiting = True
            return False
        if self._may_trail(cells, filled) and len(self._held) < _MOST_HELD:
            self._held.append(_Held(number, cells))
            self.waiting = True
            return False
        if self.waiting:
            self.release()
        return self._judge(number, cells, text)

    def release(self) -> None:
        """The table goes on: blank rows were inside it, and what looked like a total is a row like all others."""
        if self._blanks:
            first, last = self._blanks[0], self._blanks[-1]
            count = len(self._blanks)
            more = (
                f"s {first} to {last}"
                if last - first + 1 == count > 1
                else f" and {count - 1} more"
                if count > 1
                else ""
            )
            self._findings.add(Trouble("ROW-BLANK", {"more": more}), Place(first, self._source.line(first)))
        held, self._held = self._held, []
        self._blanks = []
        self.waiting = False
        for row, cells in held:
            self._judge(row, cells)

    def finish(self) -> None:
        """The table is over: what was held back stands below it."""
        for row, cells in self._held:
            first = next((str(cell) for cell in cells if cell not in ("", None)), "")
            what = f'a total or notes row ("{first[:30]}")'
            self._findings.add(Trouble("ROW-TRAIL", {"what": what}), Place(row, self._source.line(row)))
            self.outside.add(row)
        # Empty rows at the end are no rows: a cleared workbook has them, and many an editor adds a line.
        self._held, self._blanks, self.waiting = [], [], False

    def _may_trail(self, cells: Cells, filled: int) -> bool:
        place = self._identity
        if place is None:
            return False
        first = next((cell for cell in cells if cell not in ("", None)), "")
        if isinstance(first, str) and _SUM.fullmatch(first) and (len(cells) <= place or filled <= 3):
            return True
        return filled <= 2 and self._width > 3 and (len(cells) <= place or cells[place] in ("", None))

    def _judge(self, number: int, cells: Cells, text: str = "") -> bool:
        line = self._source.line(number)
        before = self._findings.errors
        if len(cells) != self._width:
            self._findings.add(self._width_trouble(cells), Place(number, line))
            return False
        marks = self._source.marks.get(number)
        if text and marks is None and not self._tested:
            self._judge_texts(number, line, cells, self._acceptor.failing(text))
        else:
            self._judge_cells(number, line, cells, marks or {})
        for group in self._acceptor.needs(cells):
            names = " or ".join(self._header.columns[place] for place in group)
            trouble = Trouble("VAL-EMPTY", {"why": f"; the row needs {names}"})
            self._findings.add(trouble, self._place(number, line, group[0], self._columns[group[0]]))
        return self._findings.errors == before

    def _judge_texts(self, number: int, line: int | None, cells: Cells, failing: Iterable[int]) -> None:
        """A row of texts alone: the acceptor says which of them are not good."""
        bad = tuple(failing)
        for at in bad:
            judge = self._columns[at]
            if judge is not None:
                self._explain(number, line, at, judge, str(cells[at]), cells)
        for at, known, normal in self._duplicates.quick:
            value = str(cells[at])
            if at in bad:
                self._duplicates.see(at, number, value, line)
            elif value:
                other = known.setdefault(value if normal is None else normal(value), number)
                if other != number:
                    self._duplicates.found(at, number, value, other, line)

    def _judge_cells(self, number: int, line: int | None, cells: Cells, marks: Mapping[int, Mark]) -> None:
        """A row with numbers, formulas or tests of its own: cell by cell."""
        for at, (judge, cell) in enumerate(zip(self._columns, cells, strict=True)):
            mark = marks.get(at + self._offset)
            if judge is None:
                continue
            if mark is not None:
                self.marked.add((number, at + self._offset))
                place = self._place(number, line, at, judge)
                shown = "" if cell is None else str(cell)
                self._findings.add(mark_trouble(mark, secret=judge.limits.secret), place, shown)
            elif isinstance(cell, str):
                if not judge.accepts(cell):
                    self._explain(number, line, at, judge, cell, cells)
                if at in self._duplicates.judges and cell:
                    self._duplicates.see(at, number, cell, line)
            elif cell is not None:
                self._findings.add(typed_trouble(cell, judge), self._place(number, line, at, judge), str(cell))

    def _explain(self, number: int, line: int | None, at: int, judge: ColumnJudge, cell: str, cells: Cells) -> None:
        place = self._place(number, line, at, judge)
        if self._swapped(at, judge, cell, cells):
            other = self._header.columns[self._key] if self._key is not None else ""
            what = f"holds a key, and {other} {judge.form.noun}"
            self._findings.add(Trouble("COL-SWAP", {"what": what, "other": other}), place._replace(secret=True))
            return
        for trouble in judge.explain(cell):
            self._findings.add(trouble, place, cell)

    def _swapped(self, at: int, judge: ColumnJudge, cell: str, cells: Cells) -> bool:
        """A key where a MAC should be, and a MAC where the key should be."""
        if self._key is None or not judge.form.hex or at == self._key:
            return False
        key, judge_of_key = cells[self._key], self._columns[self._key]
        return (
            isinstance(key, str) and judge.form.normal(key) is not None and judge.form.normal(cell) is None
            and judge_of_key is not None and judge_of_key.accepts(cell) and len(cell) > 16
        )  # fmt: skip

    def _width_trouble(self, cells: Cells) -> Trouble:
        shifted = ""
        for at, (judge, cell) in enumerate(zip(self._columns, cells, strict=False)):
            if isinstance(cell, str) and judge is not None and not judge.accepts(cell):
                shifted = f"; fields from column {letter(at + self._offset)} shifted?"
                break
        return Trouble("ROW-WIDTH", {"have": len(cells), "wanted": self._width, "shifted": shifted})

    def _place(self, number: int, line: int | None, at: int, judge: ColumnJudge | None) -> Place:
        name = self._header.columns[at]
        secret = judge is not None and judge.limits.secret
        return Place(number, line, None if name == BESIDE else name, at + self._offset, secret)
