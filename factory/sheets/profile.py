"""What a portal takes: columns, bytes and limits of its upload file, as frozen data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Row = Sequence[str]
"""One unit's values in the order of the profile's columns."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `name` is the portal's without blanks; `header` is what stands in the file, byte for byte; values
    of a `secret` column are never shown; `width` is in characters, for the workbook that people read.

    `form` is the kind of value (`factory.sheets.columns.FORMS`), `longest` its longest value in characters, `unique`
    says that no two rows may have the same, `note` explains the column to the office in a sentence or two.
    `work_required` is for a work sheet, which may leave out what the line fills in.
    """

    name: str
    header: str
    required: bool = False
    secret: bool = False
    width: int = 14
    form: str = "text"
    longest: int = 64
    unique: bool = False
    note: str = ""
    example: str = ""
    work_required: bool = True


@dataclass(frozen=True, slots=True)
class Profile:
    """A portal's upload file: plain ASCII, values separated by commas and never quoted, with its limits.

    `forbidden` are the characters that no value may hold, `leads` those that none may start with, since a
    spreadsheet would run it (spreadsheet reference, section 4); `max_bytes` counts the whole file with its header.
    `per_call` is how many rows one call of the portal's interface takes, where there is one; of the columns of each
    group in `either` a row needs at least one; `title` is what people call the portal;
    a sheet that is not `complete` may leave out the columns that it does not need, without a word about it.
    """

    name: str
    columns: tuple[Column, ...]
    max_rows: int
    max_bytes: int
    forbidden: frozenset[str]
    leads: frozenset[str] = frozenset("=+-@")
    line_end: str = "\n"
    final_newline: bool = False
    delimiter: str = ","
    title: str = ""
    per_call: int | None = None
    either: tuple[tuple[str, ...], ...] = ()
    complete: bool = True

    @property
    def header(self) -> str:
        """The header line without its line end."""
        return ",".join(column.header for column in self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, without blanks."""
        return tuple(column.name for column in self.columns)


def letter(index: int) -> str:
    """The letter that a spreadsheet gives to a column; `index` counts from 0."""
    return chr(ord("A") + index) if index < 26 else letter(index // 26 - 1) + letter(index % 26)
