"""The journal: append-only events, numbered and chained per station by hash over canonical JSON.

Each event's hash covers the one before it, so that a changed, swapped or missing row shows; the head kept in
`stations` betrays a cut-off tail. A full rewrite needs an anchor outside (factory floor reference, section 10).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from factory.ledger.direct import Direct
from factory.ledger.errors import LedgerError
from factory.ledger.mentions import mentions
from factory.ledger.order_records import Head
from factory.ledger.records import as_data, as_text, as_time
from factory.ledger.schema import events, stations
from factory.ledger.store import ChainEnd, LostRace, Writer
from factory.values import Event, canonical, canonical_with

GENESIS = "0" * 64
_BACKWARD = timedelta(seconds=1)
_HASHED = ("station", "seq", "kind", "slot", "attempt", "at", "operator", "software", "prev")

_read_head = select(stations).where(stations.c.name == bindparam("station"))
_head = _read_head.with_for_update()
_first_head = insert(stations)
_next_head = Direct(
    update(stations).where(
        stations.c.name == bindparam("station"),
        stations.c.seq == bindparam("was"),
        stations.c.hash == bindparam("before"),
    )
)
_append = Direct(insert(events))
_mention = insert(mentions)


def append(
    writer: Writer,
    kind: str,
    *,
    slot: str | None = None,
    attempt: int | None = None,
    data: Mapping[str, object] | None = None,
    about: Collection[str] = (),
) -> Event:
    """Append one event to the station's chain, within the writer's transaction. `about` are values by which an event
    without an attempt is to be found: names and hashes of files, hardware ids.

    A clock that went back, or stands before 2024, is flagged in the data ("clock") and never fails. Raises
    TypeError for data that is not canonical JSON.
    """
    told = {"kind": kind, "slot": slot, "attempt": attempt, "at": as_text(writer.now)}
    row, full = _next(writer, writer.head, told, data or {})
    if writer.head is None or not _move(writer, row, writer.head):
        # Not known, or another process of this station went on meanwhile: look, and hold it until the commit.
        station = {"station": writer.signature.station}
        found = writer.connection.execute(_head, station).first()
        head = ChainEnd(found.seq, found.hash, found.at) if found else None
        row, full = _next(writer, head, told, data or {})
        if head is None:
            first = {"name": row["station"], "seq": row["seq"], "hash": row["hash"], "at": row["at"]}
            writer.connection.execute(_first_head, first)
        elif not _move(writer, row, head):
            raise LostRace(None)
    _append.run(writer.connection, row)
    if about:
        place = {"station": row["station"], "seq": row["seq"]}
        writer.connection.execute(_mention, [{"name": name, **place} for name in sorted(set(about))])
    writer.head = ChainEnd(row["seq"], row["hash"], row["at"])
    event = Event(kind, row["station"], writer.now, slot, attempt, row["seq"], full)
    writer.events.append(event)
    return event


def _next(
    writer: Writer, head: ChainEnd | None, told: Mapping[str, object], data: Mapping[str, object]
) -> tuple[dict[str, Any], dict[str, object]]:
    """The event that follows `head`: its row, and its data with what is wrong with the clock."""
    full = dict(data) | _clock_fault(writer, head)
    row: dict[str, Any] = {**writer.signature.columns(), **told}
    row |= {"seq": head.seq + 1 if head else 1, "prev": head.hash if head else GENESIS}
    text = canonical(full)
    row["hash"] = _hash(row, text)
    row["data"] = text.decode("utf-8")
    return row, full


def _move(writer: Writer, row: Mapping[str, Any], head: ChainEnd) -> bool:
    """Put the chain's end after `head`, if it is there; whoever moved it holds it until the commit."""
    moved = {"station": row["station"], "was": head.seq, "before": head.hash}
    values = {"seq": row["seq"], "hash": row["hash"], "at": row["at"]}
    return _next_head.run(writer.connection, moved | values) == 1


def head(connection: Connection, station: str) -> Head:
    """The end of a station's chain; number 0 before its first event."""
    row = connection.execute(_read_head, {"station": station}).first()
    return Head(station, row.seq, row.hash) if row else Head(station, 0, GENESIS)


def as_event(row: Row[Any]) -> Event:
    """The event of a row of `events`. Raises LedgerError when the row is damaged."""
    return Event(row.kind, row.station, as_time(row.at), row.slot, row.attempt, row.seq, as_data(row.data))


def broken_links(connection: Connection, of: Collection[str] | None = None) -> Iterator[tuple[str, int, str]]:
    """Walk every chain, or those of some stations; yield (station, seq, what is wrong) wherever one does not hold."""
    ends, query = select(stations), select(events).order_by(events.c.station, events.c.seq)
    if of is not None:
        ends, query = ends.where(stations.c.name.in_(of)), query.where(events.c.station.in_(of))
    heads = {row.name: (row.seq, row.hash) for row in connection.execute(ends)}
    last: dict[str, tuple[int, str]] = {}
    for row in connection.execute(query.execution_options(yield_per=1000)):
        seq, prev = last.get(row.station, (0, GENESIS))
        if row.seq != seq + 1:
            yield row.station, row.seq, f"events {seq + 1} to {row.seq - 1} are missing"
        elif row.prev != prev:
            yield row.station, row.seq, "does not follow the event before it"
        if _hash_of(row) != row.hash:
            yield row.station, row.seq, "was changed after it was written"
        last[row.station] = (row.seq, row.hash)
    for station in sorted(heads.keys() | last.keys()):
        head, end = heads.get(station, (0, GENESIS)), last.get(station, (0, GENESIS))
        if head != end:
            yield station, end[0], f"the chain ends here, but its head says event {head[0]}"


def _hash_of(row: Row[Any]) -> str | None:
    try:
        # What came from another ledger has other numbers here, and is hashed as its own station told it.
        return _hash(row._asdict() | as_data(row.told), canonical(as_data(row.data)))
    except (TypeError, ValueError, LedgerError):
        return None


def _hash(row: Mapping[str, Any], data: bytes) -> str:
    """The hash of an event, which covers its data as canonical JSON."""
    return hashlib.sha256(canonical_with({name: row[name] for name in _HASHED}, "data", data)).hexdigest()


def _clock_fault(writer: Writer, head: ChainEnd | None) -> dict[str, str]:
    if writer.now.year < 2024:
        return {"clock": f"stands at {as_text(writer.now)}, before 2024"}
    if head and writer.now < as_time(head.at) - _BACKWARD:
        return {"clock": f"went back from {head.at}"}
    return {}
