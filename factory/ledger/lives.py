"""One unit's whole life in order: what its attempts told, and what was told of its uploads, its media and its board."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select

from factory.ledger.attempts import as_attempt
from factory.ledger.claim import DEVICE_NAME, HARDWARE_ID
from factory.ledger.histories import Receipts, UnitHistory
from factory.ledger.journal import as_event
from factory.ledger.mentions import events_about
from factory.ledger.records import as_data, as_time
from factory.ledger.schema import attempts, events, identity_values, units, upload_rows
from factory.values import Event, RowState

_BY_STATE = (str(RowState.PREREGISTERED), str(RowState.ONLINE))


def life_of(connection: Connection, unit: int) -> UnitHistory:
    """The life of a unit that is there."""
    row = connection.execute(select(units).where(units.c.id == unit)).one()
    owned = select(identity_values).where(identity_values.c.unit == unit)
    values = connection.execute(owned.order_by(identity_values.c.kind, identity_values.c.value)).all()
    own = [
        as_attempt(attempt)
        for attempt in connection.execute(select(attempts).where(attempts.c.unit == unit).order_by(attempts.c.id))
    ]
    listed = select(upload_rows).where(upload_rows.c.unit == unit).order_by(upload_rows.c.id)
    lines = connection.execute(listed).all()
    ids = {value.value for value in values if value.kind == HARDWARE_ID}
    ids |= {attempt.hardware_id for attempt in own if attempt.hardware_id is not None}
    names = ids | {value.value for value in values}
    loose = _of_uploads(connection, lines, ids) + _of_itself(connection, names, {attempt.id for attempt in own})
    return UnitHistory(
        unit=unit,
        state=row.state,
        serial=row.serial,
        first_seen=as_time(row.first_seen),
        values=tuple(
            # A name is shown as the unit has it, not as it is compared.
            (value.kind, value.name if value.kind == DEVICE_NAME else value.value)
            for value in values
        ),
        attempts=tuple(own),
        events=_in_order(events_of(connection, attempts.c.unit == unit), loose),
        uploads=tuple((line.upload, line.position, RowState(line.state)) for line in lines),
        receipts=receipts_of(connection, [attempt.id for attempt in own]),
        refusals={line.upload: line.reason for line in lines if line.reason},
    )


def events_of(connection: Connection, which: ColumnElement[bool], *, any_of: bool = True) -> tuple[Event, ...]:
    """The events of some attempts, in order. Within an attempt its own station speaks first: later stations close
    what was left open, or do the stages that follow.
    """
    query = (
        select(events, (events.c.station == attempts.c.station).label("own"))
        .join(attempts, attempts.c.id == events.c.attempt)
        .where(which)
        .order_by(events.c.attempt, events.c.station != attempts.c.station, events.c.station, events.c.seq)
    )
    told: list[Event] = []
    for _, rows in groupby(connection.execute(query).all() if any_of else (), key=lambda row: row.attempt):
        of_attempt = [(row.own, as_event(row)) for row in rows]
        told += [event for own, event in of_attempt if own]
        told += _by_turns([event for own, event in of_attempt if not own])
    return tuple(told)


def receipts_of(connection: Connection, numbers: Sequence[int]) -> Receipts:
    """The receipts of attempts that wrote."""
    query = select(attempts.c.id, attempts.c.receipt).where(attempts.c.id.in_(numbers), attempts.c.receipt.is_not(None))
    return {row.id: as_data(row.receipt) for row in connection.execute(query)} if numbers else {}


def _of_uploads(connection: Connection, lines: Sequence[Row[Any]], ids: set[str]) -> list[Event]:
    """What was told of the uploads that the unit stands in, as far as it is about this unit."""
    rows = {line.upload: line.position for line in lines}
    found = []
    for event in events_about(connection, rows.keys()):
        told = _for_unit(event, rows, ids)
        if told is not None:
            found.append(replace(event, data=told))
    return found


def _for_unit(event: Event, rows: Mapping[str, int], ids: set[str]) -> Mapping[str, object] | None:
    """The data of an upload's event without the other units of the upload; None where it says nothing of this one."""
    data = event.data
    if event.kind == "upload.exported":
        files = data.get("files")
        own = [file for file in files if file.get("name") in rows] if isinstance(files, list) else []
        own = [{"name": file["name"], "sha256": file["sha256"], "row": rows[file["name"]]} for file in own]
        return {"lot": data.get("lot"), "files": own}
    if event.kind not in ("upload.verdicts", "upload.confirmed"):
        return data
    states = _states(data, ids)
    if not states:
        return None
    told = {name: data[name] for name in ("lot", "upload", "file", "sha256", "source") if data.get(name) is not None}
    rejected = data.get("rejected")
    reasons = [one["reason"] for one in rejected if one["hardware_id"] in ids] if isinstance(rejected, list) else []
    return told | {"state": states[0]} | ({"reason": reasons[0]} if reasons and reasons[0] else {})


def _states(data: Mapping[str, object], ids: set[str]) -> list[str]:
    """The state that an answer, or a cloud, gave to the unit."""
    by_state = data.get("units")
    lists = by_state if isinstance(by_state, dict) else {name: data.get(name) for name in _BY_STATE}
    found = [state for state, listed in lists.items() if isinstance(listed, list) and ids & set(listed)]
    rejected = data.get("rejected")
    refused = isinstance(rejected, list) and any(one["hardware_id"] in ids for one in rejected)
    return found or (["rejected"] if refused else [])


def _of_itself(connection: Connection, names: set[str], own: set[int]) -> list[Event]:
    """Its cards, its values of pools, and the board whose place it took."""
    return [event for event in events_about(connection, names) if event.attempt not in own]


def _in_order(told: Sequence[Event], loose: Iterable[Event]) -> tuple[Event, ...]:
    """Put events among those of the attempts: by the number within a station, and by the clock between stations."""
    life = list(told)
    for event in loose:
        at = next((place for place, other in enumerate(life) if _before(event, other)), len(life))
        life.insert(at, event)
    return tuple(life)


def _by_turns(told: Sequence[Event]) -> Iterator[Event]:
    """Several stations' events as one row: each station's in its own order, the earliest of those that are next."""
    chains = [list(chain) for _, chain in groupby(told, key=lambda event: event.station)]
    while chains:
        first = min(chains, key=lambda chain: chain[0].at)
        yield first.pop(0)
        chains = [chain for chain in chains if chain]


def _before(one: Event, other: Event) -> bool:
    if one.station == other.station:
        return (one.seq or 0) < (other.seq or 0)
    return one.at < other.at
