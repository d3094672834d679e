"""Where the units of another ledger go: new here, the same as one of ours, or aside because the two contradict."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, and_, or_, select

from factory.ledger.carried import HEADS, taken_along
from factory.ledger.claim import CLOUD_ID, DEVICE_NAME, MAC, Value, in_words
from factory.ledger.merging.chains import Chain
from factory.ledger.merging.conflicts import Conflict
from factory.ledger.merging.rules import objection, state_after
from factory.ledger.merging.sides import Side, owners, parts, sides
from factory.ledger.records import Attempt
from factory.ledger.schema import attempts, events, host_keys
from factory.values import UnitState


@dataclass(frozen=True, slots=True)
class Place:
    """Where one unit goes. `here` is the unit of ours that it is, None for a new one; `aside` says that its attempts
    are kept without a unit, and `here` then is whom they contradict. `state` is what ours becomes.
    """

    there: Side
    here: Side | None
    aside: bool
    state: UnitState
    fresh: tuple[Attempt, ...]


@dataclass(slots=True)
class Placed:
    """All units of the other ledger that have something to tell, and what contradicts."""

    places: dict[int, Place] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)


def place(
    source: Connection, target: Connection, chains: tuple[Chain, ...], known: Mapping[int, int], touched: set[int]
) -> Placed:
    """Find a place for every unit of which the other ledger tells something new."""
    placed = Placed()
    heads = _heads(source)
    for part in parts(sorted(_units_of(source, touched))):
        theirs = sides(source, part)
        before = _known_units(target, theirs, known)
        held = owners(target, {value for side in theirs.values() for value in side.values})
        ours = sides(target, {unit for unit in (*held.values(), *before.values()) if unit is not None}, lock=True)
        for side in theirs.values():
            _place(placed, _Case(source, target, chains, known, heads, side, ours, held, before))
    return placed


@dataclass(frozen=True, slots=True)
class _Case:
    """One unit of the other ledger with everything that is looked at to find its place."""

    source: Connection
    target: Connection
    chains: tuple[Chain, ...]
    known: Mapping[int, int]
    heads: Mapping[str, int]
    side: Side
    ours: Mapping[int, Side]
    held: Mapping[Value, int]
    before: Mapping[int, int | None]

    @property
    def fresh(self) -> tuple[Attempt, ...]:
        """Its attempts that are not here yet."""
        return tuple(one for one in self.side.attempts if one.id not in self.known)

    @property
    def holders(self) -> list[int]:
        """Our units that own something of its; a name of a scrapped unit is free."""
        found = set()
        for value in self.side.values:
            unit = self.held.get(value)
            free = value[0] == DEVICE_NAME and UnitState.SCRAPPED in (
                self.side.state,
                None if unit is None else self.ours[unit].state,
            )
            if unit is not None and not free:
                found.add(unit)
        return sorted(found)


def _place(placed: Placed, case: _Case) -> None:
    side = case.side
    if side.unit in case.before and case.before[side.unit] is None:
        # Put aside by an earlier merge: what is told of it since goes the same way, and a person has been told.
        here = case.ours[case.holders[0]] if case.holders else None
        placed.places[side.unit] = Place(side, here, True, side.state, case.fresh)
        return
    past = case.before.get(side.unit)
    holders = case.holders if past is None else sorted({past, *case.holders})
    if not holders:
        placed.places[side.unit] = Place(side, None, False, side.state, case.fresh)
        return
    here = case.ours[past if past is not None else holders[0]]
    why, state = _judged(case, here, holders, known=past is not None)
    placed.places[side.unit] = Place(side, here, why is not None, here.state if why else state, case.fresh)
    if why is not None:
        units = tuple(holders)
        shared = in_words({value for value in side.values if value in case.held}) or f"unit {here.last.hardware_id}"
        told = "; ".join(case.ours[unit].told() for unit in units)
        placed.conflicts.append(Conflict("unit", f"{shared}: {why}", told, side.told(), units))


def _judged(case: _Case, here: Side, holders: Sequence[int], *, known: bool) -> tuple[str | None, UnitState]:
    others = [unit for unit in holders if unit != here.unit or not known]
    kinds = {value[0] for value in case.side.values if case.held.get(value) in others}
    if kinds and kinds <= {DEVICE_NAME, CLOUD_ID}:
        word = "name" if DEVICE_NAME in kinds else "cloud id"
        return f"its {word} is that of another unit here", here.state
    if len(holders) > 1:
        return "its values are those of several units here", here.state
    ours = _only_ours(case, here)
    if known and not ours and not _changed_here(case, here):
        # Nothing was done here since: what the other ledger tells is simply what came next.
        why = None if case.side.marks == here.marks else "its values are others than before"
        return why, case.side.state
    why = objection(
        here,
        case.side,
        known=known,
        ours=ours,
        fresh=case.fresh,
        seen=lambda one: _seen(case, one),
        clocks=not case.heads,
    )
    return why or _keys_differ(case), state_after(here, case.side, case.fresh)


def _only_ours(case: _Case, here: Side) -> tuple[Attempt, ...]:
    shared = {case.known[one.id] for one in case.side.attempts if one.id in case.known}
    return tuple(one for one in here.attempts if one.id not in shared)


def _changed_here(case: _Case, here: Side) -> bool:
    """Whether our ledger tells something of the unit, or of an attempt at it, that the other one has not heard."""
    query = select(events.c.seq).join(attempts, attempts.c.id == events.c.attempt).where(attempts.c.unit == here.unit)
    of_life = or_(events.c.kind.startswith("attempt."), events.c.kind.startswith("unit."))
    shared = [and_(events.c.station == one.name, events.c.seq <= one.common) for one in case.chains]
    return case.target.execute(query.where(of_life, ~or_(*shared)).limit(1)).first() is not None


def _seen(case: _Case, attempt: Attempt) -> bool:
    """Whether the other ledger knew how this attempt of ours ended when it began to work by itself."""
    query = select(events.c.station, events.c.seq).where(events.c.attempt == attempt.id)
    told = case.target.execute(query.where(events.c.kind.startswith("attempt."))).all()
    return bool(told) and all(row.seq <= case.heads.get(row.station, 0) for row in told)


def _keys_differ(case: _Case) -> str | None:
    """The same addresses with other SSH host keys are two boards, or one that was written by somebody else."""
    macs = [value for kind, value in case.side.values if kind == MAC]
    query = select(host_keys).where(host_keys.c.mac.in_(macs), host_keys.c.policy != "per-boot")
    both: list[dict[str, set[str]]] = []
    for connection in (case.target, case.source):
        shown: dict[str, set[str]] = defaultdict(set)
        for row in connection.execute(query):
            shown[row.mac].add(row.fingerprint)
        both.append(shown)
    for mac in sorted(both[0].keys() & both[1].keys()):
        if not both[0][mac] & both[1][mac]:
            return f"its SSH host key is {min(both[0][mac])} here and {min(both[1][mac])} there"
    return None


def _units_of(source: Connection, touched: Collection[int]) -> set[int]:
    units: set[int] = set()
    for part in parts(sorted(touched)):
        query = select(attempts.c.unit).where(attempts.c.id.in_(part), attempts.c.unit.is_not(None))
        units |= set(source.execute(query.distinct()).scalars())
    return units


def _known_units(target: Connection, theirs: Mapping[int, Side], known: Mapping[int, int]) -> dict[int, int | None]:
    """Which unit here a unit of theirs became when it came here before; None where it was put aside."""
    came = {known[one.id]: side.unit for side in theirs.values() for one in side.attempts if one.id in known}
    found: dict[int, int | None] = {}
    for part in parts(sorted(came)):
        for row in target.execute(select(attempts.c.id, attempts.c.unit).where(attempts.c.id.in_(part))):
            unit = came[row.id]
            found[unit] = row.unit if row.unit is not None else found.get(unit)
    return found


def _heads(source: Connection) -> Mapping[str, int]:
    """How far our chains were known to the other ledger when it began to work by itself."""
    told = taken_along(source, HEADS) or {}
    return {station: int(seq) for station, seq in told.items()}
