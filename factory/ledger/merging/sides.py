"""One unit as one of two ledgers holds it, loaded for many units at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from factory.ledger.attempts import OPEN_STATES, as_attempt
from factory.ledger.claim import CLOUD_ID, DEVICE_NAME, SERIAL, Value, in_words
from factory.ledger.records import Attempt
from factory.ledger.schema import attempts, identity_values, passes, units
from factory.values import UnitState

AT_ONCE = 500
_NO_MARKS = (SERIAL, DEVICE_NAME, CLOUD_ID)


@dataclass(frozen=True, slots=True)
class Side:
    """A unit of one ledger. `values` are all that it owns, with the name of each; `marks` those that tell boards apart
    but for the serial; `written` are its attempts that got as far as writing to it.
    """

    row: Row[Any]
    values: Mapping[Value, str]
    attempts: tuple[Attempt, ...]
    passes: int

    @property
    def unit(self) -> int:
        """Its number in its ledger."""
        number: int = self.row.id
        return number

    @property
    def state(self) -> UnitState:
        """What it is."""
        return UnitState(self.row.state)

    @property
    def serial(self) -> str | None:
        """The serial of its board."""
        serial: str | None = self.row.serial
        return serial

    @property
    def marks(self) -> frozenset[Value]:
        """What has to be the same where two ledgers speak of one unit."""
        return frozenset(value for value in self.values if value[0] not in _NO_MARKS)

    @property
    def last(self) -> Attempt:
        """Its newest attempt."""
        return self.attempts[-1]

    @property
    def in_work(self) -> bool:
        """Whether an attempt holds it."""
        return self.last.state in OPEN_STATES

    def named(self, kind: str) -> str | None:
        """Its device name as spelled, or its cloud id."""
        found = next(((value, name) for (is_kind, value), name in self.values.items() if is_kind == kind), None)
        return None if found is None else found[1] or found[0]

    def told(self) -> str:
        """For people: what it is, what it owns, where it was last."""
        return f"{self.state}, {in_words(self.values)}, {self.last.place()}"


def parts(values: Collection[Any]) -> Iterator[Sequence[Any]]:
    """The values in portions that one statement takes."""
    ordered = list(values)
    return (ordered[start : start + AT_ONCE] for start in range(0, len(ordered), AT_ONCE))


def sides(connection: Connection, wanted: Collection[int], *, lock: bool = False) -> dict[int, Side]:
    """These units; with `lock` nobody changes them until the transaction ends."""
    found: dict[int, Side] = {}
    for part in parts(sorted(wanted)):
        query = select(units).where(units.c.id.in_(part)).order_by(units.c.id)
        rows = connection.execute(query.with_for_update() if lock else query).all()
        values: dict[int, dict[Value, str]] = defaultdict(dict)
        for row in connection.execute(select(identity_values).where(identity_values.c.unit.in_(part))):
            values[row.unit][row.kind, row.value] = row.name
        made: dict[int, list[Attempt]] = defaultdict(list)
        for row in connection.execute(select(attempts).where(attempts.c.unit.in_(part)).order_by(attempts.c.id)):
            made[row.unit].append(as_attempt(row))
        won: dict[int, int] = defaultdict(int)
        for unit in connection.execute(select(passes.c.unit).where(passes.c.unit.in_(part))).scalars():
            won[unit] += 1
        for row in rows:
            found[row.id] = Side(row, dict(values[row.id]), tuple(made[row.id]), won[row.id])
    return found


def owners(connection: Connection, wanted: Collection[Value]) -> dict[Value, int]:
    """Who owns these values."""
    found: dict[Value, int] = {}
    for part in parts(sorted({value for _, value in wanted})):
        rows = connection.execute(select(identity_values).where(identity_values.c.value.in_(part)))
        found |= {(row.kind, row.value): row.unit for row in rows if (row.kind, row.value) in wanted}
    return found
