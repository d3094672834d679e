"""What a merge is about to do: filled by looking at both ledgers, before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, Table, func, select

from factory.ledger.merging.chains import Chain
from factory.ledger.merging.conflicts import Conflict
from factory.ledger.merging.placing import Place
from factory.ledger.merging.sides import parts
from factory.ledger.schema import attempts, events


@dataclass(slots=True)
class Plan:
    """Both ledgers, what of theirs is known here, and what is to be left out because it contradicts.

    `numbers` gives our number of a row of theirs, by table; `is_journal` says that the other
    ledger is a station's journal; `left_out` names rows of theirs by table and primary key;
    `unbound` rows of orders that are taken over without their unit.
    """

    source: Connection
    target: Connection
    chains: tuple[Chain, ...]
    places: Mapping[int, Place]
    numbers: dict[str, dict[int, int]]
    is_journal: bool = False
    conflicts: list[Conflict] = field(default_factory=list)
    left_out: set[tuple[str, tuple[Any, ...]]] = field(default_factory=set)
    unbound: set[tuple[int, int]] = field(default_factory=set)
    _times: dict[tuple[bool, str], bool] = field(default_factory=dict)

    def station(self, name: str) -> str:
        """What a station of theirs is called here."""
        return next((chain.name for chain in self.chains if chain.station == name), name)

    def unit(self, number: int | None) -> int | None:
        """Our number of a unit of theirs that is here already; None for a new one, and for one put aside."""
        return None if number is None else self.numbers["units"].get(number)

    def leave_out(self, table: Table, row: Row[Any]) -> None:
        """Do not take this row over."""
        self.left_out.add(place_of(table, row))

    def is_left_out(self, table: Table, row: Row[Any]) -> bool:
        """Whether the row contradicts ours."""
        return place_of(table, row) in self.left_out

    def both_changed(self, theirs: str, ours: str) -> bool:
        """Whether a row was changed there and here, by when each was changed last: a change of one ledger that the
        other has heard of is told by an event of that moment.
        """
        return theirs != ours and not self._told(ours, here=False) and not self._told(theirs, here=True)

    def _told(self, moment: str, *, here: bool) -> bool:
        if (here, moment) not in self._times:
            query = select(events.c.seq).where(events.c.at == moment).limit(1)
            found = (self.target if here else self.source).execute(query).first()
            self._times[here, moment] = found is not None
        return self._times[here, moment]


def place_of(table: Table, row: Row[Any]) -> tuple[str, tuple[Any, ...]]:
    """A row of theirs by its table and primary key."""
    return table.name, tuple(getattr(row, column.name) for column in table.primary_key)


def units_known(
    source: Connection, target: Connection, known: Mapping[int, int], places: Mapping[int, Place]
) -> dict[int, int]:
    """Our numbers of their units, where they are here already."""
    first = select(attempts.c.unit, func.min(attempts.c.id).label("attempt")).where(attempts.c.unit.is_not(None))
    came = {
        known[row.attempt]: row.unit for row in source.execute(first.group_by(attempts.c.unit)) if row.attempt in known
    }
    found: dict[int, int] = {}
    for part in parts(sorted(came)):
        for row in target.execute(select(attempts.c.id, attempts.c.unit).where(attempts.c.id.in_(part))):
            if row.unit is not None:
                found[came[row.id]] = row.unit
    for number, place in places.items():
        if place.aside:
            found.pop(number, None)
        elif place.here is not None:
            found[number] = place.here.unit
    return found
