"""Merging another ledger into this one: all or nothing, in one transaction, and nothing of either is overwritten."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from factory.ledger.attempts import newest_of
from factory.ledger.carried import JOURNAL, taken_along
from factory.ledger.claim import in_words
from factory.ledger.journal import append, broken_links
from factory.ledger.merging.chains import Chain, attempts_known, compare, copy, touched_since
from factory.ledger.merging.conflicts import Conflict, MergeRefused, settle, unsettled
from factory.ledger.merging.contradictions import of_lots, of_registrations, of_uploads
from factory.ledger.merging.orders import of_orders
from factory.ledger.merging.placing import Placed, place
from factory.ledger.merging.plan import Plan, place_of, units_known
from factory.ledger.merging.pools import of_pools
from factory.ledger.merging.rows import copy_rows
from factory.ledger.merging.tables import MERGED
from factory.ledger.merging.units import settle_unknown, take_attempts, take_units
from factory.ledger.merging.withdrawn import withdraw
from factory.ledger.records import damaged
from factory.ledger.rework import UnitChange
from factory.ledger.schema import lots, units
from factory.ledger.store import Writer
from factory.values import UnitState

Progress = Callable[[str, int], None]
"""Called with what is being taken over, and how many so far."""


@dataclass(frozen=True, slots=True)
class Merge:
    """What a merge came to. `units` are new here, `followed` units of ours that went on in the other ledger, `aside`
    units whose attempts were kept without one; `quarantined` are hardware ids of ours that were set aside.
    """

    location: str
    chains: tuple[Chain, ...]
    units: int = 0
    followed: int = 0
    aside: int = 0
    attempts: int = 0
    events: int = 0
    conflicts: tuple[Conflict, ...] = ()
    quarantined: tuple[str, ...] = ()

    @property
    def is_nothing(self) -> bool:
        """Whether everything was here already."""
        return not self.events

    def as_json(self) -> dict[str, object]:
        """The merge as canonical JSON values."""
        return {
            "from": self.location,
            "chains": [
                {"station": one.station, "as": one.name, "events": [one.common + 1, one.seq], "sha256": one.hash}
                for one in self.chains
                if one.fresh
            ],
            "units": self.units,
            "followed": self.followed,
            "aside": self.aside,
            "attempts": self.attempts,
            "events": self.events,
            "conflicts": [one.as_json() for one in self.conflicts],
            "quarantined": list(self.quarantined),
        }


def merge(
    writer: Writer, source: Connection, location: str, *, quarantine: bool, progress: Progress | None = None
) -> Merge:
    """Take over what another ledger tells and this one does not.

    Without `quarantine` a conflict raises MergeRefused and nothing is written. With it the units of the conflicts are
    set aside here, and the other side's attempts at them are kept without a unit; a chain that goes on in two ways is
    refused all the same.
    """
    found = look(source, writer.connection, location, quarantine=quarantine)
    return Merge(location, found.chains) if found.plan is None else _take(writer, found, found.plan, location, progress)


@dataclass(frozen=True, slots=True)
class Look:
    """What a merge would do. `plan` is None where everything is here already; `touched` are the other ledger's attempts
    of which it tells something new, `conflicts` those that no earlier merge has settled.
    """

    chains: tuple[Chain, ...]
    plan: Plan | None = None
    touched: frozenset[int] = frozenset()
    conflicts: tuple[Conflict, ...] = ()


def look(source: Connection, target: Connection, location: str, *, quarantine: bool) -> Look:
    """Look at both ledgers and write nothing. Raises MergeRefused."""
    chains, conflicts = compare(source, target, rename=quarantine)
    if not any(chain.fresh for chain in chains):
        return Look(chains)
    _refuse(location, tuple(one for one in conflicts if one.fatal))
    known, touched = attempts_known(source, target, chains), touched_since(source, chains)
    placed = place(source, target, chains, known, touched)
    plan = _plan(source, target, chains, known, placed)
    plan.conflicts[:0] = [*conflicts, *placed.conflicts]
    fresh = unsettled(target, tuple(plan.conflicts))
    if not quarantine:
        _refuse(location, fresh)
    return Look(chains, plan, frozenset(touched), fresh)


def _take(writer: Writer, found: Look, plan: Plan, location: str, progress: Progress | None) -> Merge:
    tell = progress or (lambda _what, _count: None)
    _take_lots(plan)
    new = take_units(plan)
    tell("units", new)
    attempts = take_attempts(plan, found.touched)
    tell("attempts", attempts)
    copied = 0
    for copied in copy(plan.source, plan.target, found.chains, plan.numbers["attempts"]):
        tell("events", copied)
    for spec in MERGED:
        tell(spec.table.name.replace("_", " "), copy_rows(writer, plan, spec))
    settle_unknown(writer, plan)
    withdraw(writer, plan)
    set_aside = tuple(_quarantine(writer, plan, found.conflicts))
    _require_whole(plan.target, found.chains)
    places = plan.places.values()
    followed = sum(one.here is not None and not one.aside for one in places)
    aside = sum(one.aside for one in places)
    done = Merge(location, found.chains, new, followed, aside, attempts, copied, found.conflicts, set_aside)
    append(writer, "ledger.merged", data=done.as_json())
    return done


def _plan(
    source: Connection, target: Connection, chains: tuple[Chain, ...], known: dict[int, int], placed: Placed
) -> Plan:
    """What of the other ledger is here already, and everything that contradicts."""
    numbers: dict[str, dict[int, int]] = {spec.table.name: {} for spec in MERGED if spec.number is not None}
    numbers["attempts"] = dict(known)
    numbers["units"] = units_known(source, target, known, placed.places)
    plan = Plan(source, target, chains, placed.places, numbers, taken_along(source, JOURNAL) is not None)
    for look in (of_lots, of_orders, of_uploads, of_registrations, of_pools):
        look(plan)
    return plan


def _refuse(location: str, conflicts: tuple[Conflict, ...]) -> None:
    if conflicts:
        raise MergeRefused(location, conflicts)


def _take_lots(plan: Plan) -> None:
    """Lots come before everything that is made in them."""
    for row in plan.source.execute(select(lots).order_by(lots.c.name)).all():
        if place_of(lots, row) in plan.left_out:
            continue
        values = row._asdict() | {"station": plan.station(row.station)}
        ours = plan.target.execute(select(lots).where(lots.c.name == row.name)).first()
        if ours is None:
            plan.target.execute(insert(lots).values(**values))
            continue
        bound = {name: values[name] for name in ("product", "product_sha256", "template_sha256", "key_version")}
        plan.target.execute(update(lots).where(lots.c.name == row.name).values(**bound))


def _quarantine(writer: Writer, plan: Plan, conflicts: tuple[Conflict, ...]) -> list[str]:
    """Set the units of the conflicts aside and tell both sides of each. Returns the hardware ids."""
    aside: list[str] = []
    for conflict in conflicts:
        settle(writer, conflict)
        theirs = (plan.unit(unit) for unit in conflict.sources)
        ours = sorted({*conflict.units, *(unit for unit in theirs if unit is not None)})
        last = newest_of(writer.connection, ours[0]).id if ours else None
        append(writer, "merge.conflict", attempt=last, data=conflict.as_json())
        for unit in ours:
            name = _set_aside(writer, unit, f"two ledgers contradict each other: {conflict.what}")
            if name is not None:
                aside.append(name)
    return aside


def _set_aside(writer: Writer, unit: int, reason: str) -> str | None:
    """Quarantine a unit, also one in work; None for one that is aside already."""
    row = writer.connection.execute(select(units).where(units.c.id == unit).with_for_update()).one()
    was = UnitState(row.state)
    if was in (UnitState.QUARANTINED, UnitState.SCRAPPED):
        return None
    last = newest_of(writer.connection, unit)
    state = str(UnitState.QUARANTINED)
    writer.connection.execute(update(units).where(units.c.id == unit).values(state=state))
    change = UnitChange(unit, last.hardware_id or "", was, UnitState.QUARANTINED, reason, last, (), add=False)
    append(writer, "unit.quarantined", slot=last.slot, attempt=last.id, data=change.as_json())
    return last.hardware_id or in_words(())


def _require_whole(target: Connection, chains: tuple[Chain, ...]) -> None:
    """Before anything is committed: the chains that were copied hold here as they held there."""
    for station, seq, what in broken_links(target, [chain.name for chain in chains if chain.fresh]):
        raise damaged(f"event {seq} of station {station}, as it came from the other ledger, {what}")
