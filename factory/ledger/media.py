"""Cards and boot loaders: written outside a running unit, told before the first byte and after the last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, select

from factory.ledger import attempts as journal_of_attempts
from factory.ledger.admission import seen
from factory.ledger.claim import HARDWARE_ID, shown_by
from factory.ledger.errors import Refused
from factory.ledger.flashes import UnitRecord, record_of, require, require_unit
from factory.ledger.journal import append, as_event
from factory.ledger.mentions import events_about
from factory.ledger.order_records import BY_ID, BY_MAC, BY_SERIAL, folded
from factory.ledger.records import as_data
from factory.ledger.schema import attempts, events, order_keys, orders
from factory.ledger.store import Writer
from factory.values import Event, Facts


def begin_outside(
    writer: Writer,
    hardware_id: str | None,
    *,
    place: str,
    reason: str | None,
    off_ledger: str | None,
    facts: Facts | None,
    data: Mapping[str, object],
) -> Event:
    """Tell that a medium is about to be written outside a running unit. Raises Refused."""
    record = None if hardware_id is None else record_of(writer.connection, hardware_id)
    told: dict[str, object] = {"hardware_id": hardware_id, "reason": reason, **seen(facts), **data}
    if off_ledger is not None:
        append(writer, "flash.off-ledger", slot=place, data={**told, "reason": off_ledger}, about=_about(told))
        named = frozenset() if hardware_id is None else frozenset({(HARDWARE_ID, hardware_id)})
        for unit in journal_of_attempts.units_showing(writer.connection, named | shown_by(facts, None)):
            journal_of_attempts.in_rework(writer, unit)
    elif hardware_id is not None:
        ordered = None if record else _on_order(writer.connection, hardware_id)
        if ordered is None:
            record = require(record, hardware_id, reason)
            if facts is not None:
                require_unit(record, facts, reason)
            journal_of_attempts.in_rework(writer, record.unit)
        else:
            told["order"] = ordered
        if facts is None and not reason:
            _require_no_card(writer.connection, hardware_id, record)
    known = None if record is None or off_ledger is not None else record.last.id
    about = _about(told) if known is None else ()
    return append(writer, "flash.begun", slot=place, attempt=known, data=told, about=about)


def end_outside(
    writer: Writer, hardware_id: str | None, *, place: str, written: bool, data: Mapping[str, object]
) -> Event:
    """Tell what came of it."""
    begun = select(events).where(
        events.c.kind == "flash.begun", events.c.slot == place, events.c.station == writer.signature.station
    )
    last = writer.connection.execute(begun.order_by(events.c.seq.desc()).limit(1)).first()
    kind = "flash.written" if written else "flash.failed"
    attempt = None if last is None else last.attempt
    told = {"hardware_id": hardware_id, **data}
    return append(writer, kind, slot=place, attempt=attempt, data=told, about=_about(told) if attempt is None else ())


def unfinished(connection: Connection) -> Iterator[tuple[str, str, str]]:
    """Cards and boot loaders whose flash began and never ended: (place, hardware id, since when), from `flash.begun`
    events that no later event of the same place answers.
    """
    kinds = ("flash.begun", "flash.written", "flash.failed")
    query = select(events).where(events.c.kind.in_(kinds)).order_by(events.c.station, events.c.seq)
    open_now: dict[tuple[str, str | None], tuple[str, str]] = {}
    for row in connection.execute(query):
        place = (row.station, row.slot)
        if row.kind == "flash.begun":
            open_now[place] = (str(as_data(row.data).get("hardware_id") or "a whole system"), row.at)
        else:
            open_now.pop(place, None)
    for (station, slot), (hardware_id, at) in open_now.items():
        yield f"{slot} of station {station}", hardware_id, at


def _about(told: Mapping[str, object]) -> set[str]:
    """What the flash of a medium is found by: no attempt leads to it."""
    return {str(told[name]) for name in ("hardware_id", "image") if told.get(name)}


def _on_order(connection: Connection, hardware_id: str) -> str | None:
    """The lot and file of the order that has this hardware id, for media that are written before any unit is read."""
    query = (
        select(orders.c.lot, orders.c.file, order_keys.c.number)
        .join(orders, orders.c.id == order_keys.c.order_id)
        # An id that is a MAC address stands there as one.
        .where(order_keys.c.kind.in_((BY_ID, BY_MAC, BY_SERIAL)), order_keys.c.value == folded(hardware_id))
    )
    row = connection.execute(query).first()
    return None if row is None else f"lot {row.lot}, {row.file}, row {row.number}"


def _require_no_card(connection: Connection, hardware_id: str, record: UnitRecord | None) -> None:
    """Raise Refused (`flash.card-written`) when a card with this identity is somewhere already."""
    told = list(events_about(connection, (hardware_id,)))
    if record is not None:
        own = select(attempts.c.id).where(attempts.c.unit == record.unit)
        of_unit = select(events).where(events.c.attempt.in_(own), events.c.kind == "flash.written")
        told += [as_event(row) for row in connection.execute(of_unit)]
    cards = [event for event in told if event.kind == "flash.written" and _is_card_of(event, hardware_id)]
    if cards:
        last = max(cards, key=lambda event: event.at)
        raise Refused(
            f"unit {hardware_id} has a card already, written in {last.slot} of station {last.station}",
            hint="Two cards with one identity make two units that are one to the cloud. Another card: --reason TEXT.",
            code="flash.card-written",
        )


def _is_card_of(event: Event, hardware_id: str) -> bool:
    receipt = event.data.get("receipt")
    by_card = isinstance(receipt, dict) and receipt.get("method") == "card"
    return by_card and event.data.get("hardware_id") == hardware_id
