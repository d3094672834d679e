"""What is wrong with a sheet, cell by cell: the finding as people and machines read it, and the list of them."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from factory.sheets.profile import letter
from factory.sheets.rules import RULES, Level, Use
from factory.values import Severity

_SHOWN = 80
_LONGEST_FIELD = 200
_TELLING = ("shown", "plain", "ledger", "ascii", "folded")  # fields of messages that hold the value itself
SCHEMA_FIELDS = (
    "file", "sheet", "row", "line", "column", "cell", "code", "severity", "value", "message", "hint", "other_row",
)  # fmt: skip


class Trouble(NamedTuple):
    """A fault as its finder sees it: the rule's code, the fields of its message, and where in the text it is.

    `spots` are positions in the text, counted from 0.
    """

    code: str
    fields: Mapping[str, object] = {}
    spots: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SheetFinding:
    """One thing that is wrong in a sheet, with its place.

    `row` counts records (a CSV) or is the sheet's own row, the header of a plain file being 1; `line` is the
    physical line of a CSV; `column` the portal's name without blanks; `cell` the spreadsheet's address. `value` is
    escaped and bounded, and empty for secret columns; `marks` are the spans of the bad characters in it.
    """

    file: str
    sheet: str | None
    row: int | None
    line: int | None
    column: str | None
    cell: str | None
    code: str
    severity: Severity
    value: str
    message: str
    hint: str
    other_row: int | None = None
    marks: tuple[tuple[int, int], ...] = field(default=(), compare=False)

    @property
    def place(self) -> str:
        """Where it is: `row 17, HARDWARE_ID (B17)`, `header, column B`, `sheet`, `file`."""
        level = RULES[self.code].level
        if level is Level.HEADER:
            return f"header, column {self.cell.rstrip('0123456789')}" if self.cell else "header"
        if self.row is None:
            return level.value if level in (Level.FILE, Level.SHEET) else "file"
        if self.cell is None:
            return f"row {self.row}"
        return f"row {self.row}, {self.column} ({self.cell})" if self.column else f"row {self.row} ({self.cell})"

    def as_json(self) -> dict[str, Any]:
        """The finding as the fields of the JSON document."""
        return {name: getattr(self, name) for name in SCHEMA_FIELDS}

    def __str__(self) -> str:
        end = " " if self.message.endswith("?") else ". "
        hint = f"{end}{self.hint}" if self.hint else ""
        return f"{self.file}: {self.place}: {self.message}{hint} [{self.code}]"


class Place(NamedTuple):
    """Where a trouble is; `at` is the column of the sheet, from 0 (A)."""

    row: int | None = None
    line: int | None = None
    column: str | None = None
    at: int | None = None
    secret: bool = False


class Findings:
    """Collects findings of one sheet: a list that is cut at `most`, and totals that never are."""

    def __init__(self, file: str, use: Use, *, most: int = 10_000) -> None:
        self.file = file
        self.use = use
        self.sheet: str | None = None
        self.totals: Counter[str] = Counter()
        self.errors = 0
        self._most = most
        self._kept: list[SheetFinding] = []
        # (severity, message, hint) looked up once: a million bad cells pass here
        self._bad = {code: rule.severity_in(use) is Severity.ERROR for code, rule in RULES.items()}

    def add(self, trouble: Trouble, place: Place, text: str = "", *, other_row: int | None = None) -> None:
        """Count a trouble, and keep it as a finding while there is room."""
        self.totals[trouble.code] += 1
        self.errors += self._bad[trouble.code]
        if len(self._kept) < self._most:
            self._kept.append(self._worded(trouble, place, text, other_row))

    def add_all(self, troubles: Iterable[Trouble], place: Place, text: str = "") -> None:
        """Add several troubles of one place."""
        for trouble in troubles:
            self.add(trouble, place, text)

    @property
    def full(self) -> bool:
        """True when further findings are only counted."""
        return len(self._kept) >= self._most

    def count(self, code: str) -> None:
        """Count a trouble that nobody will read: only for a list that is full."""
        self.totals[code] += 1
        self.errors += self._bad[code]

    def sorted(self) -> tuple[SheetFinding, ...]:
        """The findings kept, in the order of the sheet: the file's first, then row by row."""
        return tuple(
            sorted(
                self._kept, key=lambda one: (one.row or 0, RULES[one.code].level is not Level.FILE, _index(one.cell))
            )
        )

    def _worded(self, trouble: Trouble, place: Place, text: str, other_row: int | None) -> SheetFinding:
        rule = RULES[trouble.code]
        cell = None
        if place.at is not None:
            cell = f"{letter(place.at)}{place.row if place.row is not None else 1}"
        value, marks = ("", ()) if place.secret else escaped(text, trouble.spots)
        fields = {name: safe(given) for name, given in trouble.fields.items()}
        if place.secret:
            fields.update({name: "***" for name in _TELLING if fields.get(name)})
        return SheetFinding(
            file=self.file, sheet=self.sheet, row=place.row, line=place.line, column=place.column, cell=cell,
            code=rule.code, severity=rule.severity_in(self.use), value=value,
            message=rule.message.format_map(fields), hint=rule.hint.format_map(fields),
            other_row=other_row, marks=marks,
        )  # fmt: skip


def safe(given: object) -> object:
    """A field of a message, bounded and fit for a terminal."""
    return escaped(given, most=_LONGEST_FIELD)[0] if isinstance(given, str) else given


def escaped(text: str, spots: Iterable[int] = (), most: int = _SHOWN) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Write a text so that it cannot harm a terminal and every odd character shows, cut at `most` characters.

    Returns the text and the spans in it that stand for the characters at `spots`.
    """
    if text.isascii() and text.isprintable() and len(text) <= most:
        return text, tuple((spot, spot + 1) for spot in spots if spot < len(text))
    wanted, marks, parts, length = set(spots), [], [], 0
    for position, character in enumerate(text[:most]):
        part = character if _readable(character) else _code(character)
        if position in wanted:
            marks.append((length, length + len(part)))
        parts.append(part)
        length += len(part)
    return "".join(parts) + ("..." if len(text) > most else ""), tuple(marks)


def _readable(character: str) -> bool:
    if " " <= character <= "~":
        return True
    # Letters, digits, signs: harmless. Marks that combine or turn the line round, and all blanks, are spelled out.
    return unicodedata.category(character)[0] in "LNPS" and unicodedata.bidirectional(character) in (
        "L",
        "EN",
        "ON",
        "ET",
        "ES",
        "CS",
    )


def _code(character: str) -> str:
    number = ord(character)
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character) or (
        f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
    )


def _index(cell: str | None) -> int:
    number = 0
    for character in (cell or "").rstrip("0123456789"):
        number = number * 26 + ord(character) - 64
    return number
