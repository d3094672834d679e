"""Restore pending: a unit went away half written; its old content is put back at the next contact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, update

from factory.ledger.attempts import find
from factory.ledger.claim import MAC, SERIAL
from factory.ledger.journal import append
from factory.ledger.records import Restore, as_data, as_text, as_time
from factory.ledger.schema import attempts, identity_values, restores, units
from factory.ledger.store import Writer
from factory.values import Event, Facts, canonical


def leave(writer: Writer, attempt: int, data: Mapping[str, object]) -> Event:
    """Note that the unit of an attempt needs its old content back. An attempt without a unit's record can only tell
    it: what was cut is then found on the unit itself.
    """
    known = find(writer.connection, attempt)
    if known.unit is not None:
        row = {"attempt": attempt, "unit": known.unit, "data": canonical(dict(data)).decode("utf-8")}
        row |= writer.signature.columns() | {"since": as_text(writer.now)}
        writer.connection.execute(insert(restores).values(**row))
    told = {"hardware_id": known.hardware_id, **data}
    return append(writer, "restore.pending", slot=known.slot, attempt=attempt, data=told)


def pending(connection: Connection, facts: Facts | None) -> tuple[Restore, ...]:
    """What is still to be restored, the oldest first: for the unit with these facts, or for all."""
    rows = connection.execute(_open().order_by(restores.c.id)).all()
    if facts is None or not rows:
        return tuple(_record(row) for row in rows)
    mine = _units_of(connection, facts)
    return tuple(_record(row) for row in rows if row.unit in mine)


def clear(writer: Writer, restore: int, slot: str, data: Mapping[str, object] | None) -> Event:
    """Note that the old content is back. Raises ValueError when nothing of this number is pending."""
    row = writer.connection.execute(_open().where(restores.c.id == restore)).first()
    if row is None:
        raise ValueError(f"no restore {restore} is pending")
    writer.connection.execute(update(restores).where(restores.c.id == restore).values(cleared=as_text(writer.now)))
    told = {"hardware_id": row.hardware_id, **(data or {})}
    return append(writer, "restore.done", slot=slot, attempt=row.attempt, data=told)


def _open() -> Select[Any]:
    columns = (restores, attempts.c.hardware_id, attempts.c.slot)
    return select(*columns).join(attempts, attempts.c.id == restores.c.attempt).where(restores.c.cleared.is_(None))


def _units_of(connection: Connection, facts: Facts) -> set[int]:
    """Units that own one of the MACs or the serial, without those whose board serial says otherwise."""
    shown = {(MAC, mac.plain) for mac in facts.interfaces.values()}
    if facts.serial:
        shown.add((SERIAL, facts.serial))
    columns = (identity_values.c.kind, identity_values.c.value, identity_values.c.unit, units.c.serial)
    joined = select(*columns).join(units, units.c.id == identity_values.c.unit)
    rows = connection.execute(joined.where(identity_values.c.value.in_([value for _, value in shown])))
    return {
        row.unit
        for row in rows
        if (row.kind, row.value) in shown and (not row.serial or not facts.serial or row.serial == facts.serial)
    }


def _record(row: Row[Any]) -> Restore:
    return Restore(row.id, row.attempt, row.hardware_id, row.station, row.slot, as_data(row.data), as_time(row.since))
