"""Registrations with a cloud: the intent before the request, and what came of it. No key ever stands here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Index,
    Row,
    Select,
    Table,
    Text,
    func,
    insert,
    select,
    text,
    update,
)

from factory.errors import FactoryError
from factory.ledger.attempts import OPEN_STATES, newest_of
from factory.ledger.columns import NAME, TIME, Number, metadata, signed
from factory.ledger.errors import Refused
from factory.ledger.journal import append
from factory.ledger.records import as_data, as_text
from factory.ledger.schema import attempts, units
from factory.ledger.store import Writer
from factory.values import CloudRecord, CloudState, canonical

KEY_USED_UP = "xyte.key-used-up"
_LIVE_STATES = ("intent", "registered", "unknown")
_LIVE = text("state IN ('intent', 'registered', 'unknown')")
_IN_WORK = [str(state) for state in OPEN_STATES]
_NEXT: Mapping[CloudState, frozenset[CloudState]] = {
    CloudState.INTENT: frozenset({CloudState.REGISTERED, CloudState.REFUSED, CloudState.UNKNOWN}),
    CloudState.UNKNOWN: frozenset({CloudState.REGISTERED, CloudState.REMOVED}),
    CloudState.REGISTERED: frozenset({CloudState.REMOVED}),
}

# One row per request. A unit has one live registration, and a serial number one within its product.
cloud_registrations = Table(
    "cloud_registrations",
    metadata,
    Column("number", Number, primary_key=True),
    Column("token", NAME, nullable=False, unique=True),
    Column("unit", Number, ForeignKey("units.id")),
    Column("attempt", Number, ForeignKey("attempts.id")),
    Column("hardware_id", NAME, nullable=False),
    Column("product", NAME, nullable=False),
    Column("lot", NAME, nullable=False),
    Column("sn", NAME),
    Column("sent", Text, nullable=False),
    Column("state", NAME, nullable=False),
    Column("device", NAME, unique=True),
    Column("fingerprint", NAME),
    Column("parent", NAME),
    Column("cause", Text, nullable=False),
    Column("at", TIME, nullable=False),
    Column("changed", TIME, nullable=False),
    *signed(),
    Index("cloud_registrations_lot", "lot"),
    Index("cloud_registrations_live", "unit", unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE),
    Index("cloud_registrations_sn", "product", "sn", unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE),
)

# Which units a batch's hardware key was used for: once counted, always counted.
cloud_key_uses = Table(
    "cloud_key_uses",
    metadata,
    Column("fingerprint", NAME, primary_key=True),
    Column("unit", Number, ForeignKey("units.id"), primary_key=True),
    Column("at", TIME, nullable=False),
    *signed(),
)


def use_key(writer: Writer, unit: int, fingerprint: str, expected: int | None) -> int:
    """Count the use of a hardware key for a unit; returns how many units have it now. A unit counts once.

    Raises FactoryError (`xyte.key-used-up`) when `expected` units have it already.
    """
    uses = cloud_key_uses.c
    # Two stations at the last place: the second one waits here for the first.
    writer.connection.execute(select(units).where(units.c.id == unit).with_for_update())
    count = writer.connection.execute(select(func.count()).where(uses.fingerprint == fingerprint)).scalar_one()
    own = select(uses.unit).where(uses.fingerprint == fingerprint, uses.unit == unit)
    if writer.connection.execute(own).first() is not None:
        return int(count)
    if expected is not None and count >= expected:
        raise FactoryError(
            f"the batch's hardware key was used for {count} units, which is its expected count",
            hint="Make the next batch's key in the portal (Models, your model, Hardware Keys), and put it and its "
            "count into product.toml: registration.hardware_key and expected_units.",
            code=KEY_USED_UP,
        )
    row = {"fingerprint": fingerprint, "unit": unit, "at": as_text(writer.now), **writer.signature.columns()}
    writer.connection.execute(insert(cloud_key_uses).values(**row))
    return int(count) + 1


def begin(
    writer: Writer,
    token: str,
    *,
    unit: int | None,
    attempt: int | None,
    hardware_id: str,
    product: str,
    lot: str,
    sent: Mapping[str, object],
    parent: str | None = None,
) -> CloudRecord:
    """Commit that a cloud is about to be asked. Raises Refused (`ledger.cloud-registered`, `ledger.cloud-sn`)."""
    sn = None if parent is not None else _text_or_none(sent.get("sn"))
    live = cloud_registrations.c.state.in_(_LIVE_STATES)
    own = None if unit is None else writer.connection.execute(
        _every().where(live, cloud_registrations.c.unit == unit)
    ).first()  # fmt: skip
    if own is not None:
        raise _refused(writer, own, f"unit {own.hardware_id} has a registration already: {own.state}", "registered")
    same = cloud_registrations.c.product == product, cloud_registrations.c.sn == sn
    other = None if sn is None else writer.connection.execute(_every().where(live, *same)).first()
    if other is not None:
        raise _refused(writer, other, f"the serial number {sn} is registered for unit {other.hardware_id}", "sn")
    row: dict[str, Any] = {
        "token": token,
        "unit": unit,
        "attempt": attempt,
        "hardware_id": hardware_id,
        "product": product,
        "lot": lot,
        "sn": sn,
        "sent": canonical(dict(sent)).decode("utf-8"),
        "state": str(CloudState.INTENT),
        "parent": parent,
        "cause": "",
        "at": as_text(writer.now),
        "changed": as_text(writer.now),
        **writer.signature.columns(),
    }
    writer.connection.execute(insert(cloud_registrations).values(**row))
    told = {"token": token, "hardware_id": hardware_id, "product": product, "lot": lot, "parent": parent}
    about = {hardware_id} if attempt is None else ()
    append(writer, "cloud.intent", attempt=attempt, data={**told, "sent": dict(sent)}, about=about)
    return find(writer.connection, token)


def settle(
    writer: Writer,
    token: str,
    state: CloudState,
    *,
    device: str | None = None,
    fingerprint: str | None = None,
    cause: str = "",
) -> CloudRecord:
    """Commit what came of it. Raises ValueError for a step that makes no sense."""
    query = _every().where(cloud_registrations.c.token == token).with_for_update()
    row = writer.connection.execute(query).one()
    was = CloudState(row.state)
    if state not in _NEXT.get(was, frozenset()):
        raise ValueError(f"registration {token} is {was} and cannot become {state}")
    values = {"state": str(state), "cause": cause, "changed": as_text(writer.now)}
    values |= {"device": device or row.device, "fingerprint": fingerprint or row.fingerprint}
    writer.connection.execute(update(cloud_registrations).where(cloud_registrations.c.token == token).values(**values))
    told = {"token": token, "hardware_id": row.hardware_id, "was": str(was), "cause": cause}
    told |= {"device": values["device"], "fingerprint": values["fingerprint"]}
    named = {row.hardware_id, str(values["device"] or row.hardware_id)} if row.attempt is None else ()
    append(writer, f"cloud.{state}", attempt=row.attempt, data=told, about=named)
    return find(writer.connection, token)


def find(connection: Connection, token: str) -> CloudRecord:
    """One registration. Raises ValueError when there is none."""
    row = connection.execute(_every().where(cloud_registrations.c.token == token)).first()
    if row is None:
        raise ValueError(f"no registration {token}")
    return _record(row)


def newest(connection: Connection, unit: int) -> CloudRecord | None:
    """The unit's last registration, None where it was never asked for."""
    query = _every().where(cloud_registrations.c.unit == unit).order_by(cloud_registrations.c.number.desc())
    row = connection.execute(query.limit(1)).first()
    return None if row is None else _record(row)


def every(connection: Connection, *, lot: str | None = None) -> tuple[CloudRecord, ...]:
    """All registrations in their order, perhaps only a lot's."""
    query = _every().order_by(cloud_registrations.c.number)
    if lot is not None:
        query = query.where(cloud_registrations.c.lot == lot)
    return tuple(_record(row) for row in connection.execute(query))


def units_of(connection: Connection, lot: str) -> tuple[tuple[int, int, str, dict[str, Any]], ...]:
    """The units of a lot that nobody works on, and that are not out of it: unit, attempt, id, identity."""
    known = select(func.max(attempts.c.id)).where(attempts.c.lot == lot, attempts.c.unit.is_not(None))
    query = select(attempts, units.c.state.label("unit_state")).join(units, units.c.id == attempts.c.unit)
    query = query.where(attempts.c.id.in_(known.group_by(attempts.c.unit))).order_by(attempts.c.unit)
    query = query.where(units.c.state.not_in(("scrapped", "quarantined")), attempts.c.state.not_in(_IN_WORK))
    return tuple((row.unit, row.id, row.hardware_id, as_data(row.identity)) for row in connection.execute(query))


def _every() -> Select[Any]:
    return select(cloud_registrations)


def _refused(writer: Writer, row: Row[Any], message: str, code: str) -> Refused:
    other = None if row.unit is None else newest_of(writer.connection, row.unit)
    hint = "`factory xyte check` shows what the cloud has; `factory xyte resolve` settles a lost reply."
    return Refused(message, hint=hint, code=f"ledger.cloud-{code}", other=other)


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _record(row: Row[Any]) -> CloudRecord:
    return CloudRecord(
        row.token,
        row.unit,
        row.hardware_id,
        row.product,
        row.lot,
        CloudState(row.state),
        as_data(row.sent),
        row.device,
        row.fingerprint,
        row.parent,
        row.cause,
        row.at,
    )
