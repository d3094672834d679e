"""The chains of another ledger against ours: which of its events are known here, and which are to be copied.

A chain is copied verbatim, so that its hashes hold here as well. Its numbers of attempts, and its name where that is
taken, are others here: `events.told` keeps what the hash covers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from factory.ledger.merging.conflicts import Conflict
from factory.ledger.records import as_data
from factory.ledger.schema import events, stations
from factory.ledger.store import LostRace
from factory.values import canonical

OFFICE = "office"
"""The name of every program that is told no station: two ledgers' offices have nothing to do with each other."""
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Chain:
    """One station's chain of the other ledger. Here it is called `name`; its first `common` events are here already,
    and it ends at event `seq` with `hash`, told at `at`.
    """

    station: str
    name: str
    common: int
    seq: int
    hash: str
    at: str

    @property
    def fresh(self) -> int:
        """How many of its events are not here."""
        return max(0, self.seq - self.common)


def compare(source: Connection, target: Connection, *, rename: bool) -> tuple[tuple[Chain, ...], tuple[Conflict, ...]]:
    """Every chain of the other ledger as it relates to ours. With `rename` two stations of one name that never had
    anything in common are told apart; the office's always are. A chain that goes on in two ways is a fatal conflict.
    """
    chains: list[Chain] = []
    conflicts: list[Conflict] = []
    for row in source.execute(select(stations).order_by(stations.c.name)).all():
        found = _related(source, target, row)
        if isinstance(found, Chain):
            chains.append(found)
            continue
        own = f"{row.name}~{_event(source, row.name, 1).hash[:8]}"
        if found is not None and (found.fatal or (row.name != OFFICE and not rename)):
            conflicts.append(found)
        chains.append(Chain(row.name, row.name if found is None else own, 0, row.seq, row.hash, row.at))
    return tuple(chains), tuple(conflicts)


def attempts_known(source: Connection, target: Connection, chains: tuple[Chain, ...]) -> dict[int, int]:
    """Our numbers of the other ledger's attempts that came here before, from the events that both tell."""
    known: dict[int, int] = {}
    for chain in chains:
        theirs = source.execute(_told_attempts(chain.station, chain.common))
        ours = target.execute(_told_attempts(chain.name, chain.common))
        for there, here in zip(theirs, ours, strict=True):
            known[there.attempt] = here.attempt
    return known


def touched_since(source: Connection, chains: tuple[Chain, ...]) -> set[int]:
    """The other ledger's attempts of which it tells something that is not here yet."""
    found: set[int] = set()
    for chain in chains:
        fresh = select(events.c.attempt).where(events.c.station == chain.station, events.c.seq > chain.common)
        found |= set(source.execute(fresh.where(events.c.attempt.is_not(None)).distinct()).scalars())
    return found


def copy(
    source: Connection, target: Connection, chains: tuple[Chain, ...], attempts: Mapping[int, int]
) -> Iterator[int]:
    """Copy what is not here of every chain; yields how many events were copied so far."""
    done = 0
    for chain in chains:
        if not chain.fresh:
            continue
        fresh = select(events).where(events.c.station == chain.station, events.c.seq > chain.common)
        rows = source.execute(fresh.order_by(events.c.seq).execution_options(yield_per=_AT_ONCE))
        for part in rows.partitions(_AT_ONCE):
            target.execute(insert(events), [_as_here(row, chain.name, attempts) for row in part])
            done += len(part)
            yield done
        _move(target, chain)


def _related(source: Connection, target: Connection, row: Row[Any]) -> Chain | Conflict | None:
    """The chain where ours is its beginning, or it is ours; a conflict where both have one and they differ; None for
    one that is not here.
    """
    first = _event(source, row.name, 1)
    objection: Conflict | None = None
    for name in (row.name, f"{row.name}~{first.hash[:8]}"):
        ours = target.execute(select(stations).where(stations.c.name == name)).first()
        if ours is None:
            continue
        common = min(row.seq, ours.seq)
        if _event(source, row.name, common).hash == _event(target, name, common).hash:
            return Chain(row.name, name, common, row.seq, row.hash, row.at)
        objection = objection or _fork(source, target, row.name, name, common)
    if objection is None and row.name == OFFICE:
        return Chain(OFFICE, f"{OFFICE}~{first.hash[:8]}", 0, row.seq, row.hash, row.at)
    return objection


def _fork(source: Connection, target: Connection, station: str, name: str, common: int) -> Conflict:
    """Both have events of a station and they differ: a copy that was worked on, or two programs of one name."""
    same, other = 0, common
    while other - same > 1:
        middle = (same + other) // 2
        if _event(source, station, middle).hash == _event(target, name, middle).hash:
            same = middle
        else:
            other = middle
    here, there = _event(target, name, same + 1), _event(source, station, same + 1)
    what = (
        f"station {station} goes on in two ways after event {same}: one ledger is a copy of the other"
        if same
        else f"two programs call themselves station {station}"
    )
    told = [f"event {row.seq} at {row.at}: {row.kind} in slot {row.slot or '-'}" for row in (here, there)]
    return Conflict("station", what, told[0], told[1], fatal=bool(same))


def _event(connection: Connection, station: str, seq: int) -> Row[Any]:
    return connection.execute(select(events).where(events.c.station == station, events.c.seq == seq)).one()


def _told_attempts(station: str, common: int) -> Any:
    """Each event in which an attempt is told, in the chain's order."""
    mine = select(events.c.seq, events.c.attempt).where(events.c.station == station, events.c.seq <= common)
    return mine.where(events.c.attempt.is_not(None)).order_by(events.c.seq).execution_options(yield_per=_AT_ONCE)


def _as_here(row: Row[Any], name: str, attempts: Mapping[int, int]) -> dict[str, Any]:
    values = row._asdict()
    told = {"attempt": row.attempt, "station": row.station} | as_data(row.told)
    values |= {"station": name, "attempt": None if row.attempt is None else attempts[row.attempt]}
    others = {key: value for key, value in told.items() if value != values[key]}
    values["told"] = canonical(others).decode("utf-8") if others else None
    return values


def _move(target: Connection, chain: Chain) -> None:
    """Put the end of our copy of a chain where the other ledger has it."""
    end = {"seq": chain.seq, "hash": chain.hash, "at": chain.at}
    if chain.common == 0:
        target.execute(insert(stations).values(name=chain.name, **end))
        return
    ours = (stations.c.name == chain.name) & (stations.c.seq == chain.common)
    if target.execute(update(stations).where(ours).values(**end)).rowcount != 1:
        raise LostRace(None)
