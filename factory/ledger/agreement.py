"""Rows against the chain: the tables answer quickly, and only the events are chained. Both must say the same.

A row that was changed behind the ledger's back, by a program, a person or a failing disk, shows here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Column, Connection, Row, exists, or_, select

from factory.ledger.claim import DEVICE_NAME
from factory.ledger.errors import LedgerError
from factory.ledger.records import as_data
from factory.ledger.schema import attempts, events, identity_values, sightings, units, uploads

_AT_ONCE = 1000
_ADMITTED = ("attempt.admitted",)
_ENDED = ("attempt.passed", "attempt.failed")


def contradictions(connection: Connection) -> Iterator[tuple[str, str]]:
    """Places and what is wrong there."""
    yield from _attempts(connection)
    yield from _values(connection)
    yield from _uploads(connection)


def _attempts(connection: Connection) -> Iterator[tuple[str, str]]:
    columns = (
        events.c.kind,
        events.c.data,
        events.c.at,
        events.c.operator.label("by"),
        events.c.software.label("with"),
    )
    own = [column for column in attempts.c if column.name not in ("receipt", "proof")]
    query = (
        select(*columns, events.c.station.label("of"), events.c.slot.label("place"), *own)
        .join(attempts, attempts.c.id == events.c.attempt)
        .where(events.c.kind.in_((*_ADMITTED, *_ENDED)))
        .order_by(attempts.c.id)
        .execution_options(yield_per=_AT_ONCE)
    )
    for row in connection.execute(query):
        try:
            told = _told(row, as_data(row.data))
            wrong = [name for name, value in told.items() if value != _kept(row, name)]
        except LedgerError:
            continue  # the event itself is damaged, and its chain says so
        if wrong:
            event = row.kind.partition(".")[2]
            yield f"attempt {row.id}", f"its {', '.join(wrong)} is not what the event says that told it {event}"


def _told(row: Row[Any], data: Mapping[str, Any]) -> dict[str, object]:
    """What an event says of the columns of its attempt."""
    if row.kind in _ADMITTED:
        place = {"station": row.of, "slot": row.place, "operator": row.by, "software": row._mapping["with"]}
        named = {name: data[name] for name in ("lot", "hardware_id", "identity", "fingerprint") if name in data}
        shown = (data.get("serial"), data.get("identity", {}).get("serial"))
        serial = row.serial if row.serial in shown else next(filter(None, shown), None)
        return place | named | {"started": row.at, "serial": serial}
    if row.state != row.kind.partition(".")[2]:
        return {}  # told by the states' own check
    told: dict[str, object] = {"ended": row.at}
    if row.kind == "attempt.failed":
        return told | {"code": data.get("code"), "cause": data.get("message")}
    return told | ({"image": data["image"]} if "image" in data else {})


def _kept(row: Row[Any], name: str) -> object:
    return as_data(row.identity) if name == "identity" else row._mapping[name]


def _values(connection: Connection) -> Iterator[tuple[str, str]]:
    """What a unit owns and never showed."""
    tried = exists().where(attempts.c.unit == identity_values.c.unit).correlate(identity_values)
    # A name stands there as it is compared, and as it is spelled.
    spelled = (identity_values.c.kind == DEVICE_NAME) & ~_shown(identity_values.c.name)
    columns = (identity_values.c.unit, identity_values.c.kind, identity_values.c.value, identity_values.c.name)
    query = select(*columns).where(tried, or_(~_shown(identity_values.c.value), spelled))
    for row in connection.execute(query.order_by(identity_values.c.unit)):
        value = row.name if row.kind == DEVICE_NAME else row.value
        yield f"unit {row.unit}", f"owns {row.kind} {value!r}, which no attempt of it showed"
    serial = identity_values.alias()
    owned = exists().where(serial.c.unit == units.c.id, serial.c.kind == "serial", serial.c.value == units.c.serial)
    lost = select(units.c.id, units.c.serial).where(units.c.serial.is_not(None), ~owned.correlate(units), _tried())
    for unit, text in connection.execute(lost.order_by(units.c.id)):
        yield f"unit {unit}", f"has serial {text!r}, and does not own it"


def _shown(value: Column[str]) -> Any:
    """Whether an attempt of the unit that owns a value showed it."""
    return (
        exists()
        .where(
            sightings.c.value == value,
            sightings.c.kind == identity_values.c.kind,
            attempts.c.id == sightings.c.attempt,
            attempts.c.unit == identity_values.c.unit,
        )
        .correlate(identity_values)
    )


def _tried() -> Any:
    return exists().where(attempts.c.unit == units.c.id).correlate(units)


def _uploads(connection: Connection) -> Iterator[tuple[str, str]]:
    told: dict[str, tuple[object, object]] = {}
    exported = select(events.c.data).where(events.c.kind == "upload.exported")
    for text in connection.execute(exported).scalars():
        try:
            for file in as_data(text).get("files", ()):
                told[file["name"]] = (file["sha256"], file.get("companions", {}))
        except (LedgerError, KeyError, TypeError):
            continue  # a damaged event: its chain says so
    for row in connection.execute(select(uploads).order_by(uploads.c.name)):
        if told.get(row.name) != (row.sha256, as_data(row.companions)):
            yield f"upload {row.name}", "its hash, or that of a file beside it, is not what the event says that told it"
