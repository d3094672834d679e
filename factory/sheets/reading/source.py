"""What a reader hands to the judge: rows of cells, and how to find them again in the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from factory.sheets.finding import Trouble
from factory.sheets.rules import Use

Cells = Sequence[object]
RawRow = Cells | str


def split(row: RawRow) -> Cells:
    """The cells of a row, which may be a line of a CSV without quotes."""
    if not isinstance(row, str):
        return row
    bare = row.rstrip("\r\n")
    return bare.split(",") if bare else ()


class Mark(NamedTuple):
    """What a workbook's cell is beside its value: `formula` (its text, and whether a value is kept) or `error`."""

    kind: str
    text: str
    cached: bool = True


@dataclass(slots=True)
class Source:
    """One table being read, once, from the first row on.

    `first_row` is the sheet's number of the first row, `first_column` counts from 0; `line` gives the physical line on
    which a row that was read began, by the row's number (None in a workbook). `troubles` are the file's own, found
    before its rows;
    With `lines` each row is a line of a CSV that has no quotes, line end included, and `split` makes cells of it.
    `late` gives those that are known only at the end. `marks` are by row and column of the sheet.
    """

    kind: str
    use: Use
    rows: Iterator[RawRow]
    sheet: str | None = None
    first_row: int = 1
    first_column: int = 0
    line: Callable[[int], int | None] = field(default=lambda _row: None)
    troubles: list[Trouble] = field(default_factory=list)
    late: Callable[[], list[Trouble]] = list
    marks: Mapping[int, Mapping[int, Mark]] = field(default_factory=dict)
    merged: Sequence[tuple[tuple[int, int], tuple[int, int]]] = ()
    size: int = 0
    lines: bool = False


class Unreadable(Exception):  # noqa: N818 - a judgement, not a failure of ours
    """The file cannot be read as a sheet at all; `trouble` says why. Becomes the only finding."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.code)
        self.trouble = trouble
