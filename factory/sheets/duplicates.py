"""The same value in two rows: both are named, whatever case and separators they were written with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from factory.sheets.finding import Findings, Place, Trouble
from factory.sheets.judge import ColumnJudge

Quick = tuple[int, dict[str, int], Callable[[str], str] | None]


class Duplicates:
    """The values of the columns that must be unique, by their normal form, with the row that had each first.

    `quick` is for the loop over accepted rows: place, values, and what brings an accepted text to its normal form
    (None where it is its own).
    """

    def __init__(self, findings: Findings, columns: Sequence[ColumnJudge | None], offset: int = 0) -> None:
        self._findings = findings
        self.offset = offset
        self._texts: dict[tuple[int, int], str] = {}
        self.judges = {place: judge for place, judge in enumerate(columns) if judge is not None and judge.column.unique}
        self.rows: dict[int, dict[str, int]] = {place: {} for place in self.judges}
        self.quick: tuple[Quick, ...] = tuple(
            (place, self.rows[place], None if judge.form.canonical else judge.form.normal)  # type: ignore[misc]
            for place, judge in self.judges.items()
        )

    @property
    def groups(self) -> tuple[str, ...]:
        """The acceptor's group of each column in `quick`."""
        return tuple(f"c{place}" for place in self.judges)

    def see(self, place: int, row: int, text: str, line: int | None) -> None:
        """Take in the text of a row that was not accepted as a whole."""
        judge = self.judges.get(place)
        normal = judge.compared(text) if judge is not None else None
        if normal is None:
            return
        self._texts[place, row] = text
        other = self.rows[place].setdefault(normal, row)
        if other != row:
            self.found(place, row, text, other, line)

    def found(self, place: int, row: int, text: str, other: int, line: int | None) -> None:
        """Report a row whose value stood in an earlier row."""
        judge = self.judges[place]
        earlier = self._texts.get((place, other)) or (judge.compared(text) or "" if judge.form.canonical else text)
        secret = judge.limits.secret
        folded = "" if earlier == text or secret else f' after case and separator folding ("{text}" = "{earlier}")'
        trouble = Trouble("DUP-FILE", {"other": other, "folded": folded})
        at = Place(row, line, judge.column.name, place + self.offset, secret)
        self._findings.add(trouble, at, text, other_row=other)
