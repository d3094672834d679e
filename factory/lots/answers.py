"""What a portal answered, as a table or as a plain list of ids, whoever saved it and with which header."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from factory.files import read_bytes
from factory.ledger import Verdict, VerdictsTaken
from factory.sheets import SheetError
from factory.sheets.finding import escaped
from factory.sheets.profile import letter
from factory.sheets.reading.open_file import open_sheet
from factory.sheets.reading.source import Cells, Source, Unreadable, split
from factory.sheets.rules import RULES, Use
from factory.values import Finding, RowState, Severity

IDS = ("hardware_id", "hardwareid", "hwid", "hw_id", "device_hardware_id", "hardware", "mac", "mac_address", "id")
STATES = ("status", "state", "result", "verdict", "outcome", "registration_status", "provisioning_status")
REASONS = ("reason", "message", "error", "error_message", "detail", "details", "description", "comment", "note")
KEYS = ("registration_key", "key")

WORDS: Mapping[str, RowState] = {
    **dict.fromkeys(("uploaded", "accepted", "configured", "publishing", "ok", "success", "succeeded", "created",
                     "imported", "added", "valid"), RowState.UPLOADED),
    **dict.fromkeys(("preregistered", "pre_registered", "published", "registered"), RowState.PREREGISTERED),
    **dict.fromkeys(("online", "active", "provisioned", "connected"), RowState.ONLINE),
    **dict.fromkeys(("rejected", "refused", "failed", "failure", "error", "invalid", "duplicate", "denied"),
                    RowState.REJECTED),
    **dict.fromkeys(("unknown", "pending", "timeout", "timed_out", "in_progress", "no_answer"), RowState.UNKNOWN),
}  # fmt: skip
"""What a portal's words mean. Acceptance alone is no more than 'uploaded': it is frozen when it is published."""

_LONGEST_REASON = 500
_HEADER_WITHIN = 20


class Answers(Protocol):
    """What the verdicts of a portal are handed to."""

    def take_verdicts(
        self, lot: str, found: Sequence[Verdict], *, file: str, sha256: str, upload: str | None = None
    ) -> VerdictsTaken:
        """Take them over, all or none."""


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where things stand in the table; `state` is None in a plain list."""

    id: int
    state: int | None
    reason: int | None
    key: int | None


def take_verdicts(
    ledger: Answers, lot: str, file: Path, *, listed_as: RowState | None = None, upload: str | None = None
) -> VerdictsTaken:
    """Read a portal's answer and take it into the ledger, all of it or nothing.

    A table has a column for the hardware id, one for the status and perhaps one for the reason, under any of the names
    in IDS, STATES and REASONS, whatever their case and blanks; a plain list has ids alone, and `listed_as` says what
    became of them. `upload` names the upload that was answered. Raises SheetError with every finding, FileError, and
    what the ledger raises.
    """
    content = read_bytes(file)
    verdicts = read_verdicts(file, listed_as)
    return ledger.take_verdicts(
        lot, verdicts, file=file.name, sha256=hashlib.sha256(content).hexdigest(), upload=upload
    )


def read_verdicts(file: Path, listed_as: RowState | None = None) -> tuple[Verdict, ...]:
    """The verdicts of an answer, in its order. Raises SheetError (`answer.refused`) with every finding, FileError."""
    try:
        source = open_sheet(file, Use.WORK, (*IDS, *STATES))
        rows = [(number, split(row)) for number, row in enumerate(source.rows, source.first_row)]
        late = source.late()
    except Unreadable as refused:
        raise _unreadable(file, refused) from refused
    if late:
        raise _unreadable(file, Unreadable(late[0]))
    filled = [(number, cells) for number, cells in rows if any(cell not in ("", None) for cell in cells)]
    columns, below = _columns(file, filled, listed_as)
    findings: list[Finding] = []
    verdicts = tuple(_verdicts(source, filled[below:], columns, listed_as, findings))
    if findings:
        raise SheetError(f"{file.name} was not taken:", findings, code="answer.refused")
    if not verdicts:
        raise SheetError(f"{file.name} holds no answer", hint="Is it the right file?", code="answer.empty")
    return verdicts


def _columns(file: Path, rows: Sequence[tuple[int, Cells]], listed_as: RowState | None) -> tuple[_Columns, int]:
    """Where the columns are, and how many of the rows are above the first answer."""
    for at, (_, cells) in enumerate(rows[:_HEADER_WITHIN]):
        names = [_fold(cell) for cell in cells]
        place, state = _first(names, IDS), _first(names, STATES)
        if place is not None and (state is not None or listed_as is not None):
            return _Columns(place, state, _first(names, REASONS), _first(names, KEYS)), at + 1
    plain = all(sum(1 for cell in cells if cell not in ("", None)) == 1 for _, cells in rows)
    if listed_as is not None and plain:
        return _Columns(0, None, None, None), 0
    if plain:
        message = f"{file.name} is a plain list of ids and does not say what became of them"
        raise SheetError(message, hint="Say it: --state uploaded|preregistered|online|rejected|unknown.",
                         code="answer.state")  # fmt: skip
    raise SheetError(
        f"{file.name} has no columns for hardware id and status in its first rows",
        hint=f"Hardware id: {', '.join(IDS)}. Status: {', '.join(STATES)}. Case and blanks do not matter.",
        code="answer.header",
    )


def _verdicts(
    source: Source,
    rows: Sequence[tuple[int, Cells]],
    columns: _Columns,
    listed_as: RowState | None,
    findings: list[Finding],
) -> Iterator[Verdict]:
    for number, cells in rows:
        found = _cell(cells, columns.id)
        place = f"row {number}, HARDWARE_ID ({letter(columns.id + source.first_column)}{number})"
        if not isinstance(found, str):
            what = "is empty" if found is None else f"{found} is a number cell; a spreadsheet changed the id"
            code = "VAL-EMPTY" if found is None else "XLS-NUM"
            findings.append(Finding(code, Severity.ERROR, place, what, "Take the portal's own file."))
            continue
        if columns.id + source.first_column in source.marks.get(number, {}):
            what = "is a formula or an error; only values are allowed"
            findings.append(Finding("XLS-FORMULA", Severity.ERROR, place, what, "Take the portal's own file."))
            continue
        if not found.strip():
            findings.append(Finding("VAL-EMPTY", Severity.ERROR, place, "is empty", "Every answer names its unit."))
            continue
        state = _state(cells, columns, listed_as)
        if state is None:
            word = escaped(str(_cell(cells, columns.state or 0)))[0]
            known = ", ".join(sorted(WORDS))
            findings.append(
                Finding(
                    "ANSWER-WORD", Severity.ERROR, f"row {number}", f'status "{word}" is not known', f"Known: {known}."
                )
            )
            continue
        yield Verdict(escaped(found.strip(), most=128)[0], state, _reason(cells, columns), number)


def _state(cells: Cells, columns: _Columns, listed_as: RowState | None) -> RowState | None:
    if columns.state is None:
        return listed_as
    word = _cell(cells, columns.state)
    return WORDS.get(_fold(word)) if isinstance(word, str) else None


def _reason(cells: Cells, columns: _Columns) -> str:
    """Why a row was refused, fit for a terminal. A portal that repeats the key in it shall not get it into a ledger."""
    given = _cell(cells, columns.reason)
    text = "" if given is None else str(given).strip()
    key = _cell(cells, columns.key)
    if isinstance(key, str) and key.strip():
        text = text.replace(key.strip(), "***")
    return escaped(text, most=_LONGEST_REASON)[0]


def _cell(cells: Cells, place: int | None) -> object:
    return cells[place] if place is not None and place < len(cells) else None


def _first(names: Sequence[str], wanted: Sequence[str]) -> int | None:
    """The place of the most telling of the wanted names."""
    return next((names.index(name) for name in wanted if name in names), None)


def _fold(cell: object) -> str:
    return re.sub(r"[^a-z0-9]+", "_", cell.strip().lower()).strip("_") if isinstance(cell, str) else ""


def _unreadable(file: Path, refused: Unreadable) -> SheetError:
    rule = RULES[refused.trouble.code]
    message, hint = (text.format_map(refused.trouble.fields) for text in (rule.message, rule.hint))
    return SheetError(f"{file}: {message}", hint=hint, code="answer.refused")
