"""The fast half of judging: one regular expression over a whole row, made from the judges of its columns.

The expression is nested, `a(?:,b(?:,c)?)?`, so that a row that is not accepted says how far it was good: only the cells
from there on need a second look.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from factory.sheets.judge import ColumnJudge, Test

SEPARATOR = "\x1f"
"""Stands between the cells of a row that was not one line of plain text; no form lets it through."""
join = SEPARATOR.join


_WIDEST = 60
_nothing = re.compile(r"(?!)").match


class RowAcceptor:
    """Accepts a whole row at once. `columns` are the judges in the order of the file; None is a column that is not
    judged (it has a finding of its own in the header); `either` are groups of places of which one must be filled.
    With `lines` the rows are lines of a CSV without quotes, line end included; else cells put together by `join`.

    A row is good when `match` of its text has `complete` as its last group, and `further` agrees where there is one.
    """

    def __init__(
        self, columns: Sequence[ColumnJudge | None], either: Sequence[Sequence[int]] = (), *, lines: bool = False
    ) -> None:
        self.columns = tuple(columns)
        self.either = tuple(tuple(group) for group in either)
        self.separator = "," if lines else SEPARATOR
        self._end = r"(?:\r?\n)?\Z" if lines else r"\Z"
        self._stop = r"(?![^,\r\n])" if lines else f"(?![^{SEPARATOR}])"
        self._suffixes: dict[int, tuple[re.Pattern[str], tuple[int, ...]]] = {}
        # A nested expression of hundreds of cells would be too deep; a sheet that wide is no profile's anyway, and
        # its rows are judged cell by cell.
        self.wide = len(self.columns) > _WIDEST
        self.match: Callable[[str], re.Match[str] | None] = _nothing
        self.complete = 0
        if not self.wide:
            whole, levels = self._suffix(0)
            self.match, self.complete = whole.match, levels[-1]
        tested = [(f"c{place}", judge.tests) for place, judge in enumerate(self.columns) if judge and judge.tests]
        self.further: Callable[[re.Match[str]], bool] | None = None
        if tested or self.either:
            self.further = lambda match: self._further(match, tested)

    def accepts(self, cells: Sequence[str]) -> bool:
        """True when nothing is wrong with the row taken alone."""
        match = self.match(self.separator.join(cells))
        return match is not None and match.lastindex == self.complete and (self.further is None or self.further(match))

    def failing(self, text: str) -> Iterator[int]:
        """The places of the cells that are not accepted, in a row of the right width."""
        at, start = 0, 0
        while at < len(self.columns):
            pattern, levels = self._suffix(at)
            match = pattern.match(text, start)
            if match is not None:
                if match.lastindex == levels[-1]:
                    return
                at += levels.index(match.lastindex or 0) + 1
                start = match.end() + 1
            if at < len(self.columns):
                yield at
            following = text.find(self.separator, start)
            if following < 0:
                return
            at, start = at + 1, following + 1

    def needs(self, cells: Sequence[object]) -> list[tuple[int, ...]]:
        """The groups of `either` of which the row has none."""
        return [group for group in self.either if not any(cells[place] not in ("", None) for place in group)]

    def _suffix(self, first: int) -> tuple[re.Pattern[str], tuple[int, ...]]:
        """The expression for the cells from `first` on, and the group that closes after each of them and at the end."""
        if first not in self._suffixes:
            cells = [self._cell(place) for place in range(first, len(self.columns))]
            inner = f"{self._end}(?P<end>)"
            for place, cell in reversed(list(enumerate(cells, first))):
                inner = f"{cell}{self._stop}(?P<m{place}>)(?:{inner})?+"
                inner = inner if place == first else f"{self.separator}{inner}"
            pattern = re.compile(inner)
            levels = (*(pattern.groupindex[f"m{place}"] for place in range(first, len(self.columns))),
                      pattern.groupindex["end"])  # fmt: skip
            self._suffixes[first] = (pattern, levels)
        return self._suffixes[first]

    def _cell(self, place: int) -> str:
        judge = self.columns[place]
        if judge is None:
            return r"[^,\r\n]*+" if self.separator == "," else f"[^{SEPARATOR}]*+"
        expression = judge.expression(self._stop, f"pair{place}")
        return f"(?P<c{place}>{expression})" if judge.tests or judge.column.unique else f"(?:{expression})"

    def _further(self, match: re.Match[str], tested: list[tuple[str, tuple[Test, ...]]]) -> bool:
        for name, tests in tested:
            text = match[name]
            if text and not all(test.good(text) for test in tests):
                return False
        return not (self.either and self.needs(match.string.rstrip("\r\n").split(self.separator)))
