"""What the office hands to the ledger and is answered: orders, verdicts, who holds a value. Frozen, without keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from factory.values import RowState

# The kinds of an order row's keys. A unit is found by the first three; a name only has to be the row's alone.
BY_MAC = "mac"
BY_SERIAL = "serial"
BY_ID = "id"
NAME = "name"

FROZEN = frozenset({RowState.PREREGISTERED, RowState.ONLINE})
"""States of an upload row that no later answer takes back."""


def folded(text: str) -> str:
    """A serial or id as it is compared: without case and separators, which labels and boards write differently."""
    return re.sub(r"[^a-z0-9]", "", text.lower()) or text.lower()


@dataclass(frozen=True, slots=True)
class OrderKey:
    """A value that only one row of a lot's orders may have. `value` is as it is compared: a MAC in twelve lower-case
    hex digits, a serial or id folded, a name without regard to case.
    """

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One expected unit: the row's number in its sheet, its cells by column in the sheet's order, and its keys."""

    number: int
    cells: Mapping[str, str]
    keys: tuple[OrderKey, ...]


@dataclass(frozen=True, slots=True)
class OrderFile:
    """Where order rows came from: the lot and product they are for, the file's name, hash and profile."""

    lot: str
    product: str
    file: str
    sha256: str
    profile: str


@dataclass(frozen=True, slots=True)
class Holding:
    """Who holds a value: a unit (`unit`), or a row of an order that no unit has met yet (`unit` None).

    `lot` is the lot of the unit's newest attempt, or of the order; `state` the state in words; `passed` says that the
    unit has passed, `settled` that it was made, whatever became of it. `order` is the order's file and the row in it,
    `upload` the file and row of the unit's newest upload. `cells` are an order row's.
    """

    lot: str
    state: str
    unit: int | None = None
    passed: bool = False
    settled: bool = False
    hardware_id: str = ""
    device_name: str = ""
    categories: Mapping[str, str] = field(default_factory=dict)
    macs: Mapping[str, str] = field(default_factory=dict)
    order: tuple[str, int] | None = None
    upload: tuple[str, int] | None = None
    cells: Mapping[str, str] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """Where it stands, for people: 'upload L-upload-001.csv row 2 of lot L', 'order.xlsx row 5 of lot L'."""
        if self.upload is not None:
            # The portal's file counts its header as row 1.
            return f"upload {self.upload[0]} row {self.upload[1] + 1} of lot {self.lot}"
        if self.order is not None:
            return f"{self.order[0]} row {self.order[1]} of lot {self.lot}"
        return f"unit {self.hardware_id} of lot {self.lot}"

    @property
    def bars_order(self) -> bool:
        """Whether a new order row must not have the value: it is on an order already, or was made.

        A unit that has not passed may well come onto an order, its own lot's or the next one's.
        """
        return self.settled or self.order is not None


@dataclass(frozen=True, slots=True)
class Skipped:
    """An order row that was left out because a value of it is taken; `differs` are the columns in which the row that
    is there has other values.
    """

    number: int
    key: OrderKey
    where: str
    state: str
    differs: tuple[str, ...] = ()

    def __str__(self) -> str:
        other = f"; other there: {', '.join(self.differs)}" if self.differs else ""
        return f"row {self.number}: {self.key.kind} {self.key.value} is {self.where}, {self.state}{other}"

    def as_json(self) -> dict[str, object]:
        """The row as plain JSON values."""
        return {
            "row": self.number,
            "kind": self.key.kind,
            "value": self.key.value,
            "where": self.where,
            "state": self.state,
            "differs": list(self.differs),
        }


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import came to; `order` is None when every row was skipped."""

    order: int | None
    rows: int
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the portal says of one unit; `row` is the row of its answer, `reason` why it refused."""

    hardware_id: str
    state: RowState
    reason: str = ""
    row: int | None = None


@dataclass(frozen=True, slots=True)
class VerdictsTaken:
    """What an answer changed: rows by their new state, rows that stand as before, rejected units with their reason,
    and the units of the same uploads that the answer does not mention.
    """

    changed: Mapping[RowState, int]
    unchanged: int
    rejected: tuple[tuple[str, str], ...]
    silent: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """The outcome as plain JSON values."""
        return {
            "changed": {str(state): count for state, count in sorted(self.changed.items())},
            "unchanged": self.unchanged,
            "rejected": [{"hardware_id": unit, "reason": reason} for unit, reason in self.rejected],
            "silent": list(self.silent),
        }


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a station's chain of events. Kept outside the ledger it anchors everything before it."""

    station: str
    seq: int
    hash: str
