"""What an event that belongs to no attempt is about: files, hashes, hardware ids. So it is found without a scan."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Column, Connection, ForeignKeyConstraint, Table, select, tuple_

from factory.ledger.columns import NAME, Number, metadata
from factory.ledger.schema import events
from factory.values import Event

mentions = Table(
    "mentions",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("station", NAME, primary_key=True),
    Column("seq", Number, primary_key=True, autoincrement=False),
    ForeignKeyConstraint(["station", "seq"], ["events.station", "events.seq"]),
)


def events_about(connection: Connection, names: Collection[str]) -> tuple[Event, ...]:
    """The events that any of these names stands for, by time; within a station in the order of its chain."""
    from factory.ledger.journal import as_event  # the journal writes what is read here

    named = select(mentions.c.station, mentions.c.seq).where(mentions.c.name.in_(sorted(names))).distinct()
    places = [(row.station, row.seq) for row in connection.execute(named)]
    if not places:
        return ()
    query = select(events).where(tuple_(events.c.station, events.c.seq).in_(places))
    found = [as_event(row) for row in connection.execute(query)]
    return tuple(sorted(found, key=lambda event: (event.at, event.station, event.seq or 0)))
