"""What the stages beyond the flash came to: units through, units that wait, and what failed them most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from factory.ledger import Columns


@dataclass(frozen=True, slots=True)
class StageNumbers:
    """One stage. `goes` are all results, `passed` and `failed` the units by their newest one, `first` how many of these
    passed at their first go; `unread` are goes at which no unit could be read. `causes` are codes with how often each
    failed a go, the most frequent first.
    """

    name: str
    goes: int
    passed: int
    failed: int
    first: int
    unread: int
    causes: tuple[tuple[str, int], ...]

    @property
    def units(self) -> int:
        """How many units were at the stage."""
        return self.passed + self.failed

    @property
    def rate(self) -> float | None:
        """The share of units that passed at their first go."""
        return self.first / self.units if self.units else None


def stage_numbers(columns: Columns) -> tuple[StageNumbers, ...]:
    """Each stage's numbers, in the order in which the lot came to them. A unit that came again
    counts once, by its newest result.
    """
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    names = list(dict.fromkeys(row["stage"] or "" for row in rows))
    return tuple(_stage(name, [row for row in rows if row["stage"] == name]) for name in names)


def _stage(name: str, rows: Sequence[dict[str, str | None]]) -> StageNumbers:
    newest = {row["unit"]: row for row in rows if row["unit"] is not None}
    first: dict[str | None, str | None] = {}
    for row in rows:
        first.setdefault(row["unit"], row["outcome"])
    outcomes = Counter(row["outcome"] for row in newest.values())
    causes = Counter(row["code"] or "" for row in rows if row["outcome"] == "failed")
    return StageNumbers(
        name,
        goes=len(rows),
        passed=outcomes["passed"],
        failed=outcomes["failed"],
        first=sum(first[unit] == "passed" for unit in newest),
        unread=sum(row["unit"] is None for row in rows),
        causes=tuple(causes.most_common()),
    )
