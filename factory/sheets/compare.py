"""Two sheets, cell by cell: what changed, and whether a spreadsheet program did it. Nothing is ever repaired."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from factory.sheets.errors import SheetError
from factory.sheets.excel import cause_of
from factory.sheets.finding import escaped
from factory.sheets.header import BESIDE, UNKNOWN, by_position, is_header, known_names, read_header
from factory.sheets.profile import Profile, letter
from factory.sheets.profiles import profile, profile_names
from factory.sheets.reading.open_file import open_sheet
from factory.sheets.reading.source import Source, Unreadable, split
from factory.sheets.rules import RULES, Use
from factory.sheets.typed import as_shown, as_text

_MOST_ROWS = 1_100_000


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `row` is the row in B (in A for a row that is gone); `cause` says what a spreadsheet program did,
    and is empty when a person, or who knows what, changed it.
    """

    kind: str
    row: int
    column: str | None
    cell: str | None
    was: str
    now: str
    cause: str = ""

    def __str__(self) -> str:
        place = f"row {self.row}, {self.column} ({self.cell})" if self.column else f"row {self.row}"
        if self.kind == "changed":
            why = f"; {self.cause}" if self.cause else ""
            return f"{place}: {self.now or '(empty)'} was {self.was or '(empty)'}{why}"
        return f"{place}: {self.kind}: {self.now or self.was}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between A and B. `excel` is true when every change is what a spreadsheet program does by itself."""

    first: str
    second: str
    rows: tuple[int, int]
    changes: tuple[Change, ...]

    @property
    def same(self) -> bool:
        """True when both hold the same values in the same rows."""
        return not self.changes

    @property
    def excel(self) -> bool:
        """True when there are changes and a spreadsheet program explains every one."""
        return bool(self.changes) and all(change.cause for change in self.changes)

    @property
    def verdict(self) -> str:
        """The outcome in one sentence."""
        if self.same:
            return f"{self.second} holds the same values as {self.first} ({self.rows[0]} rows)"
        by_program = sum(1 for change in self.changes if change.cause)
        if self.excel:
            return (
                f"{self.second} is {self.first} after a spreadsheet program: {by_program} values changed. "
                f"Throw it away and use {self.first}, or write the sheet again from the ledger."
            )
        rest = len(self.changes) - by_program
        mixed = f", {by_program} more by a spreadsheet program" if by_program else ""
        return f"{self.second} differs from {self.first}: {rest} change(s) that no spreadsheet program makes{mixed}"

    def as_json(self) -> dict[str, Any]:
        """The document without its schema."""
        changes = [
            {"kind": one.kind, "row": one.row, "column": one.column, "cell": one.cell, "was": one.was, "now": one.now,
             "cause": one.cause}
            for one in self.changes
        ]  # fmt: skip
        return {
            "first": self.first, "second": self.second, "rows": list(self.rows), "same": self.same,
            "after_spreadsheet": self.excel, "verdict": self.verdict, "changes": changes,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Table:
    columns: tuple[str, ...]
    rows: tuple[tuple[int, tuple[object, ...]], ...]
    offset: int
    identity: str | None
    secret: frozenset[str]


def compare_files(first: Path, second: Path, wanted: Profile | None = None) -> Comparison:
    """Compare two sheets. Rows are matched by their identifier where both have it, else by position among the rest.

    Raises SheetError when one of them cannot be read as a sheet, FileError when it is not there.
    """
    a, b = _read(first, wanted), _read(second, wanted)
    changes = tuple(sorted(_changes(a, b), key=lambda one: (one.row, one.cell or "")))
    names = (first.name, second.name) if first.name != second.name else (str(first), str(second))
    return Comparison(*names, (len(a.rows), len(b.rows)), changes)


def _read(path: Path, wanted: Profile | None) -> _Table:
    profiles = [wanted] if wanted else [profile(name) for name in profile_names()]
    try:
        source = open_sheet(path, Use.WORK, tuple(name for one in profiles for name in one.names))
        return _table(source, profiles)
    except Unreadable as refused:
        rule = RULES[refused.trouble.code]
        message = rule.message.format_map(refused.trouble.fields)
        raise SheetError(
            f"{path}: {message}", hint=rule.hint.format_map(refused.trouble.fields), code="sheet.compare"
        ) from refused


def _table(source: Source, profiles: Sequence[Profile]) -> _Table:
    rows = [(number, tuple(split(row))) for number, row in enumerate(source.rows, source.first_row)]
    late = source.late()
    if late:
        raise Unreadable(late[0])
    chosen, header, below = profiles[0], None, 0
    for at, (_, cells) in enumerate(rows[:20]):
        best = max(profiles, key=lambda one: known_names(cells, one))
        if is_header(cells, best):
            chosen, header, below = best, read_header(cells, best, Use.WORK, exact=False), at + 1
            break
    if header is None:
        header = by_position(rows[0][1] if rows else (), chosen)
    identity = next((one.name for one in chosen.columns if one.unique and one.required), None)
    filled = tuple((number, cells) for number, cells in rows[below:] if any(cell not in ("", None) for cell in cells))
    return _Table(
        header.columns,
        filled,
        source.first_column,
        identity,
        frozenset(one.name for one in chosen.columns if one.secret),
    )


def _changes(a: _Table, b: _Table) -> Iterator[Change]:
    names = [name for name in dict.fromkeys((*a.columns, *b.columns)) if name not in (UNKNOWN, BESIDE)]
    for row_a, row_b in _matched(a, b):
        if row_a is None and row_b is not None:
            yield Change("added", row_b[0], None, None, "", _summary(b, row_b))
        elif row_b is None and row_a is not None:
            yield Change("gone", row_a[0], None, None, _summary(a, row_a), "")
        elif row_a is not None and row_b is not None:
            yield from _cells(a, b, row_a, row_b, names)


_Row = tuple[int, tuple[object, ...]]


def _matched(a: _Table, b: _Table) -> Iterator[tuple[_Row | None, _Row | None]]:
    """Pairs of rows: by identifier first, what is left over in the order of the sheets."""
    by_id: dict[str, list[_Row]] = {}
    for row in b.rows:
        by_id.setdefault(_identity(b, row), []).append(row)
    left_a, used = [], set()
    for row in a.rows:
        name = _identity(a, row)
        same = by_id.get(name) if name else None
        if same:
            found = same.pop(0)
            used.add(found[0])
            yield row, found
        else:
            left_a.append(row)
    left_b = [row for row in b.rows if row[0] not in used]
    for at in range(max(len(left_a), len(left_b))):
        yield (left_a[at] if at < len(left_a) else None), (left_b[at] if at < len(left_b) else None)


def _identity(table: _Table, row: _Row) -> str:
    if table.identity is None or table.identity not in table.columns:
        return ""
    at = table.columns.index(table.identity)
    value = row[1][at] if at < len(row[1]) else ""
    return re.sub(r"[\s:._-]", "", value).lower() if isinstance(value, str) else ""


def _cells(a: _Table, b: _Table, row_a: _Row, row_b: _Row, names: Sequence[str]) -> Iterator[Change]:
    for name in names:
        was, now = _value(a, row_a, name), _value(b, row_b, name)
        if was == now or (was in ("", None) and now in ("", None)):
            continue
        at = b.columns.index(name) if name in b.columns else a.columns.index(name)
        cell = f"{letter(at + b.offset)}{row_b[0]}"
        cause = cause_of(was, now)
        hidden = name in a.secret | b.secret
        yield Change("changed", row_b[0], name, cell, _said(was, hidden=hidden), _said(now, hidden=hidden), cause)


def _value(table: _Table, row: _Row, name: str) -> object:
    if name not in table.columns:
        return ""
    at = table.columns.index(name)
    return row[1][at] if at < len(row[1]) else ""


def _said(value: object, *, hidden: bool) -> str:
    if value in ("", None):
        return ""
    if hidden:
        return "(key)"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return as_shown(float(value))
    return escaped(as_text(value))[0]


def _summary(table: _Table, row: _Row) -> str:
    shown = [
        _said(cell, hidden=name in table.secret)
        for name, cell in zip(table.columns, row[1], strict=False)
        if cell not in ("", None)
    ]
    return ", ".join(shown[:4])
