"""Taking over units and attempts: new units with all that they own, attempts that follow ours, attempts put aside."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, insert, or_, select, update

from factory.ledger import attempts as journal_of_attempts
from factory.ledger.claim import DEVICE_NAME
from factory.ledger.merging.placing import Place
from factory.ledger.merging.plan import Plan
from factory.ledger.merging.sides import AT_ONCE, parts
from factory.ledger.schema import attempts, events, identity_values, units
from factory.ledger.store import Writer
from factory.values import AttemptState, UnitState

_MOVED = ("state", "image", "ended", "code", "cause", "receipt", "proof", "note")


def take_units(plan: Plan) -> int:
    """Insert the new units, and bring those that are ours to where the other ledger has them. Returns how many are new.

    Their attempts come after; a unit is there before what refers to it.
    """
    new = [place for place in plan.places.values() if place.here is None and not place.aside]
    for part in parts(new):
        rows = []
        for place in part:
            values = place.there.row._asdict()
            del values["id"]
            rows.append(values | {"station": plan.station(values["station"])})
        made = plan.target.execute(insert(units).returning(units.c.id, sort_by_parameter_order=True), rows).scalars()
        for place, number in zip(part, made, strict=True):
            plan.numbers["units"][place.there.unit] = number
        _give(plan.target, [(plan.numbers["units"][place.there.unit], place) for place in part])
    for place in plan.places.values():
        if place.here is not None and not place.aside:
            _bring_up(plan.target, place)
    return len(new)


def take_attempts(plan: Plan, touched: Collection[int]) -> int:
    """Insert the attempts that are not here, and bring those that are to where they stand now. Returns how many are
    new.
    """
    known = plan.numbers["attempts"]
    follows = {
        place.here.unit: place.here.last.number for place in plan.places.values() if place.here and not place.aside
    }
    done = 0
    ordered = select(attempts).order_by(attempts.c.id).execution_options(yield_per=AT_ONCE)
    for part in plan.source.execute(ordered).partitions(AT_ONCE):
        fresh = [row for row in part if row.id not in known]
        if fresh:
            values = [_attempt(plan, row, follows) for row in fresh]
            back = insert(attempts).returning(attempts.c.id, sort_by_parameter_order=True)
            made = plan.target.execute(back, values).scalars()
            known |= {row.id: number for row, number in zip(fresh, made, strict=True)}
            done += len(fresh)
        moved = [row for row in part if row.id in touched and row not in fresh]
        if moved:
            _move(plan, moved)
    return done


def settle_unknown(writer: Writer, plan: Plan) -> None:
    """Close attempts of ours that a crash left unknown, where the other ledger read the unit again since."""
    came = set(plan.numbers["attempts"].values())
    for place in plan.places.values():
        left = None if place.here is None or place.aside or not place.fresh else place.here.last
        if left is not None and left.state is AttemptState.UNKNOWN and left.id not in came:
            now = plan.numbers["attempts"][place.fresh[0].id]
            text = f"{left.cause}; the unit was read again in attempt {now}"
            journal_of_attempts.fail(writer, left.id, journal_of_attempts.INTERRUPTED, text)


def _give(target: Connection, made: Sequence[tuple[int, Place]]) -> None:
    """What new units own. A name of a scrapped unit is free: it goes to the one that is not."""
    wanted = [value for _, place in made for kind, value in place.there.values if kind == DEVICE_NAME]
    scrapped = select(units.c.id).where(units.c.state == str(UnitState.SCRAPPED))
    name = and_(identity_values.c.kind == DEVICE_NAME, identity_values.c.value.in_(wanted))
    target.execute(delete(identity_values).where(name, identity_values.c.unit.in_(scrapped)))
    taken = set(target.execute(select(identity_values.c.value).where(name)).scalars())
    rows = [
        {"kind": kind, "value": value, "unit": unit, "name": spelled}
        for unit, place in made
        for (kind, value), spelled in sorted(place.there.values.items())
        if kind != DEVICE_NAME or value not in taken
    ]
    if rows:
        target.execute(insert(identity_values), rows)


def _bring_up(target: Connection, place: Place) -> None:
    assert place.here is not None
    here, there = place.here, place.there
    changed: dict[str, Any] = {}
    if place.state is not here.state:
        changed["state"] = str(place.state)
    if there.serial and not here.serial:
        changed["serial"] = there.serial
    if changed:
        target.execute(update(units).where(units.c.id == here.unit).values(**changed))
    fresh = {value: name for value, name in there.values.items() if here.values.get(value) != name}
    gone = [value for value in fresh if value in here.values]
    if any(kind == DEVICE_NAME for kind, _ in fresh):
        gone += [value for value in here.values if value[0] == DEVICE_NAME]
    if gone:
        mine = [
            and_(identity_values.c.kind == kind, identity_values.c.value == value) for kind, value in sorted(set(gone))
        ]
        target.execute(delete(identity_values).where(identity_values.c.unit == here.unit, or_(*mine)))
    rows = [
        {"kind": kind, "value": value, "unit": here.unit, "name": name} for (kind, value), name in sorted(fresh.items())
    ]
    if rows:
        target.execute(insert(identity_values), rows)


def _attempt(plan: Plan, row: Row[Any], follows: dict[int, int]) -> dict[str, Any]:
    values = row._asdict()
    del values["id"]
    unit = plan.unit(row.unit)
    if unit is None:
        values["number"] = 0
    elif unit in follows:
        follows[unit] += 1
        values["number"] = follows[unit]
    return values | {"unit": unit, "station": plan.station(row.station)}


def _move(plan: Plan, rows: Sequence[Row[Any]]) -> None:
    """Attempts that went on there: ours stand as there, unless something was told of them here alone."""
    ours = {plan.numbers["attempts"][row.id]: row for row in rows}
    alone = set(_told_here(plan, sorted(ours)))
    for number, row in ours.items():
        if number in alone:
            continue
        place = plan.places.get(row.unit)
        values = {name: getattr(row, name) for name in _MOVED}
        if place is not None and place.aside:
            values |= {"unit": None, "number": 0}
        elif row.unit is None:
            values["unit"] = None
        plan.target.execute(update(attempts).where(attempts.c.id == number).values(**values))


def _told_here(plan: Plan, numbers: Sequence[int]) -> Iterator[int]:
    shared = [and_(events.c.station == one.name, events.c.seq <= one.common) for one in plan.chains]
    for part in parts(numbers):
        query = select(events.c.attempt).where(events.c.attempt.in_(part), ~or_(*shared))
        yield from plan.target.execute(query.distinct()).scalars()
