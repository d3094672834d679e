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
    """

    name: str
    header: str
    required: bool = False
    secret: bool = False
    width: int = 14


@dataclass(frozen=True, slots=True)
class Profile:
    """A portal's upload file: plain ASCII, values separated by commas and never quoted, with its limits.

    `forbidden` are the characters that no value may hold, `leads` those that none may start with, since a
    spreadsheet would run it (spreadsheet reference, section 4); `max_bytes` counts the whole file with its header.
    """

    name: str
    columns: tuple[Column, ...]
    max_rows: int
    max_bytes: int
    forbidden: frozenset[str]
    leads: frozenset[str] = frozenset("=+-@")
    line_end: str = "\n"
    final_newline: bool = False

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
