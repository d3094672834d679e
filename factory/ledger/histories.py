"""Answers about one value: the lives of the units that had it, and what only showed it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from factory.ledger.records import Attempt, as_text
from factory.values import Event, RowState

Receipts = Mapping[int, Mapping[str, Any]]
"""By attempt: what was written and how it was read back, or how far a flash got that failed."""


@dataclass(frozen=True, slots=True)
class UnitHistory:
    """One unit's whole life: what it owns, its attempts and events in order, the uploads it stood in, the receipts of
    its flashes, and why a portal refused it, by upload.
    """

    unit: int
    state: str
    serial: str | None
    first_seen: datetime
    values: tuple[tuple[str, str], ...]
    attempts: tuple[Attempt, ...]
    events: tuple[Event, ...]
    uploads: tuple[tuple[str, int, RowState], ...]
    receipts: Receipts = field(default_factory=dict)
    refusals: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """The history as plain JSON values."""
        return {
            "unit": self.unit,
            "state": self.state,
            "serial": self.serial,
            "first_seen": as_text(self.first_seen),
            "values": [{"kind": kind, "value": value} for kind, value in self.values],
            "attempts": [_attempt(attempt, self.receipts) for attempt in self.attempts],
            "events": [event.as_json() for event in self.events],
            "uploads": [
                {"upload": name, "row": row, "state": str(state), "reason": self.refusals.get(name)}
                for name, row, state in self.uploads
            ],
        }


@dataclass(frozen=True, slots=True)
class OnOrder:
    """A row of an order: the lot, the file and the row in it, and the unit that has it (None: none was seen yet)."""

    lot: str
    file: str
    row: int
    unit: int | None


@dataclass(frozen=True, slots=True)
class InPool:
    """A value that a supplier brought into a pool: product and name of the pool, the file, and where in it."""

    product: str
    pool: str
    file: str
    place: str


@dataclass(frozen=True, slots=True)
class Trace:
    """The answer to 'what was this?': units that own or owned the value, and attempts that only showed it, with their
    receipts and events; `events` are also what no attempt belongs to: cards, orders, uploads, lots. `orders` are rows
    of which no unit was seen yet. `more` is not 0 where units are left out, which a recall lists: so many at least.
    `pools` says where a value comes from that no unit has yet.
    """

    value: str
    units: tuple[UnitHistory, ...]
    strangers: tuple[Attempt, ...]
    receipts: Receipts = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    orders: tuple[OnOrder, ...] = ()
    more: int = 0
    pools: tuple[InPool, ...] = ()

    @property
    def found(self) -> bool:
        """False when nobody ever showed this value, and nobody brought it."""
        return bool(self.units or self.strangers or self.events or self.orders or self.more or self.pools)

    def as_json(self) -> dict[str, object]:
        """The trace as plain JSON values."""
        own = {attempt.id for attempt in self.strangers}
        return {
            "value": self.value,
            "units": [history.as_json() for history in self.units],
            "strangers": [
                _attempt(attempt, self.receipts)
                | {"events": [event.as_json() for event in self.events if event.attempt == attempt.id]}
                for attempt in self.strangers
            ],
            "events": [event.as_json() for event in self.events if event.attempt not in own],
            "orders": [{"lot": one.lot, "file": one.file, "row": one.row} for one in self.orders],
            "more_units": self.more,
            "pools": [
                {"product": one.product, "pool": one.pool, "file": one.file, "place": one.place} for one in self.pools
            ],
        }


def _attempt(attempt: Attempt, receipts: Receipts) -> dict[str, object]:
    return attempt.as_json() | {"receipt": receipts.get(attempt.id)}
