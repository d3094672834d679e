"""What the ledger knows of the values in a sheet, asked in bulk and never cell by cell."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from factory.sheets.duplicates import Duplicates
from factory.sheets.finding import Findings, Place, Trouble
from factory.sheets.header import Header
from factory.sheets.report import CheckedRow


@dataclass(frozen=True, slots=True)
class KnownUnit:
    """One unit or earlier row that holds a value.

    `where` names it for people ("lot 2026-11-B", "upload 2026-11-03-02 row 41"), `state` is its state in words
    ("uploaded, preregistered"); `passed` says that it passed the bench and may be exported. `values` are what was
    read or recorded, by column name and without secrets; `interfaces` are its addresses by interface, plain hex.
    """

    where: str
    state: str
    passed: bool
    values: Mapping[str, str] = field(default_factory=dict)
    interfaces: Mapping[str, str] = field(default_factory=dict)


class KnownValues(Protocol):
    """The ledger as a sheet sees it. Both calls are bulk look-ups."""

    def find(self, values: Collection[str]) -> Mapping[str, Sequence[KnownUnit]]:
        """The units that hold each of these values, in normal form; values that nobody holds are left out."""
        ...

    def expected(self) -> Iterable[KnownUnit]:
        """Every unit that has passed and belongs into the sheet; nothing when that is not asked."""
        ...


class History(StrEnum):
    """Which questions are put to the ledger: none; whether a value is new (an order); whether each row is a unit that
    has passed with exactly these values (an upload).
    """

    NONE = "none"
    NEW = "new"
    PASSED = "passed"

    def judge(
        self, known: KnownValues, findings: Findings, header: Header, duplicates: Duplicates, rows: Sequence[CheckedRow]
    ) -> None:
        """Add what the ledger has to say. PASSED wants the rows kept."""
        if self is History.NEW:
            _judge_new(known, findings, duplicates)
        elif self is History.PASSED:
            _judge_passed(known, findings, header, duplicates, rows)


def _judge_new(known: KnownValues, findings: Findings, duplicates: Duplicates) -> None:
    values = {value for place in duplicates.judges for value in duplicates.rows[place]}
    held = known.find(values)
    for place, judge in duplicates.judges.items():
        for value, row in duplicates.rows[place].items():
            for unit in held.get(value, ())[:1]:
                at = Place(row, None, judge.column.name, place + duplicates.offset, judge.limits.secret)
                findings.add(Trouble("DUP-LEDGER", {"where": unit.where, "state": unit.state}), at, value)


def _judge_passed(
    known: KnownValues, findings: Findings, header: Header, duplicates: Duplicates, rows: Sequence[CheckedRow]
) -> None:
    place = next((at for at, judge in duplicates.judges.items() if judge.column.required), None)
    if place is None:
        return
    judge = duplicates.judges[place]
    column = judge.column.name
    ids = {row.row: judge.compared(row.values.get(column, "")) for row in rows}
    every = {value for value in ids.values() if value}
    held = known.find(every)
    for row in rows:
        value = ids[row.row]
        if value:
            _judge_row(row, value, held.get(value, ()), findings, header, column, duplicates.offset)
    for unit in known.expected():
        own = judge.compared(unit.values.get(column, ""))
        if own and own not in every:
            findings.add(Trouble("LED-MISSING", {"id": unit.values[column], "where": unit.where}), Place())


def _judge_row(
    row: CheckedRow,
    value: str,
    units: Sequence[KnownUnit],
    findings: Findings,
    header: Header,
    column: str,
    offset: int,
) -> None:
    at = Place(row.row, None, column, (header.place(column) or 0) + offset)
    if not units:
        findings.add(Trouble("LED-UNKNOWN"), Place(row.row))
        return
    unit = next((one for one in units if one.passed), units[0])
    swapped = _swap(row, unit, value, column)
    if swapped is not None:
        findings.add(swapped, at, value)
        return
    if not unit.passed:
        findings.add(Trouble("LED-STATE", {"state": unit.state, "where": unit.where}), Place(row.row))
    for name, read in unit.values.items():
        given = row.values.get(name)
        index = header.place(name)
        if given is not None and index is not None and given != read:
            fields = {"shown": given, "ledger": read}
            findings.add(Trouble("LED-DIFF", fields), Place(row.row, None, name, index + offset), given)


def _swap(row: CheckedRow, unit: KnownUnit, value: str, column: str) -> Trouble | None:
    """The id of the sheet is another interface's address of the same unit, and another column holds the right one."""
    right = unit.values.get(column)
    if right is None or right == row.values.get(column) or not unit.interfaces:
        return None
    by_value = {address: name for name, address in unit.interfaces.items()}
    if value not in by_value:
        return None
    for name, text in row.values.items():
        if name != column and text and text.lower().replace(":", "").replace("-", "") == right:
            what = f"value of {by_value[value]} here and of {by_value.get(right, 'the id')} in {name}"
            return Trouble("COL-SWAP", {"what": what, "other": name})
    return None
