"""Answers about one value, years later: every unit that ever showed it, and its whole life in order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, select

from factory.ledger.attempts import as_attempt
from factory.ledger.claim import DEVICE_NAME
from factory.ledger.histories import Receipts, Trace, UnitHistory
from factory.ledger.journal import as_event
from factory.ledger.mentions import events_about
from factory.ledger.records import Attempt, as_data, as_time
from factory.ledger.schema import attempts, events, identity_values, sightings, units, upload_rows, uploads
from factory.values import Event, RowState


def trace(connection: Connection, value: str) -> Trace:
    """Find units and strangers by a MAC in any form, serial, hardware id, device name, image hash or upload file."""
    shown = _attempts_that_showed(connection, value)
    found = {attempt.unit for attempt in shown if attempt.unit is not None} | _units_in_upload(connection, value)
    strangers = tuple(attempt for attempt in shown if attempt.unit is None)
    numbers = [attempt.id for attempt in strangers]
    told = tuple(as_event(row) for row in connection.execute(_events_of(numbers))) if numbers else ()
    if not found and not strangers:
        told = _media(connection, value)
    units_found = tuple(_history(connection, unit) for unit in sorted(found))
    return Trace(value, units_found, strangers, _receipts(connection, numbers), told)


def _forms(value: str) -> list[str]:
    """The ways in which the ledger may have written the value."""
    text = value.strip()
    folded = re.sub(r"[^a-z0-9]", "", text.lower())
    return sorted({text, text.lower(), text.upper(), folded} - {""})


def _attempts_that_showed(connection: Connection, value: str) -> list[Attempt]:
    forms = _forms(value)
    seen = select(sightings.c.attempt).where(sightings.c.value.in_(forms))
    query = select(attempts).where(attempts.c.id.in_(seen) | attempts.c.image.in_(forms)).order_by(attempts.c.id)
    return [as_attempt(row) for row in connection.execute(query)]


def _units_in_upload(connection: Connection, value: str) -> set[int]:
    name = value.strip()
    # Few files, and companions (the workbook beside the CSV) stand in the record of theirs.
    names = [
        row.name
        for row in connection.execute(select(uploads))
        if name in (row.name, row.sha256)
        or name in (companions := as_data(row.companions))
        or name in companions.values()
    ]
    return set(connection.execute(select(upload_rows.c.unit).where(upload_rows.c.upload.in_(names))).scalars())


def _media(connection: Connection, value: str) -> tuple[Event, ...]:
    """Cards and boot loaders that were written for a unit which nobody has seen yet."""
    return tuple(event for event in events_about(connection, _forms(value)) if event.kind.startswith("flash."))


def _events_of(numbers: Sequence[int]) -> Select[Any]:
    return (
        select(events).where(events.c.attempt.in_(numbers)).order_by(events.c.attempt, events.c.station, events.c.seq)
    )


def _receipts(connection: Connection, numbers: Sequence[int]) -> Receipts:
    query = select(attempts.c.id, attempts.c.receipt).where(attempts.c.id.in_(numbers), attempts.c.receipt.is_not(None))
    return {row.id: as_data(row.receipt) for row in connection.execute(query)}


def _history(connection: Connection, unit: int) -> UnitHistory:
    row = connection.execute(select(units).where(units.c.id == unit)).one()
    owned = select(identity_values).where(identity_values.c.unit == unit)
    owned = owned.order_by(identity_values.c.kind, identity_values.c.value)
    own_attempts = select(attempts).where(attempts.c.unit == unit).order_by(attempts.c.id)
    listed = select(upload_rows).where(upload_rows.c.unit == unit).order_by(upload_rows.c.id)
    own_events = (
        select(events)
        .join(attempts, attempts.c.id == events.c.attempt)
        .where(attempts.c.unit == unit)
        # Within an attempt its own station speaks first; a later station can only close what was left open.
        .order_by(events.c.attempt, events.c.station != attempts.c.station, events.c.station, events.c.seq)
    )
    rows = connection.execute(listed).all()
    own = tuple(as_attempt(attempt) for attempt in connection.execute(own_attempts))
    return UnitHistory(
        unit=unit,
        state=row.state,
        serial=row.serial,
        first_seen=as_time(row.first_seen),
        values=tuple(
            # A name is shown as the unit has it, not as it is compared.
            (value.kind, value.name if value.kind == DEVICE_NAME else value.value)
            for value in connection.execute(owned)
        ),
        attempts=own,
        events=tuple(as_event(event) for event in connection.execute(own_events)),
        uploads=tuple((line.upload, line.position, RowState(line.state)) for line in rows),
        receipts=_receipts(connection, [attempt.id for attempt in own]),
        refusals={line.upload: line.reason for line in rows if line.reason},
    )
