"""Attempts: their states, in order, each committed before what it announces is done."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, Row, insert, or_, select, update

from factory.ledger import labels
from factory.ledger.claim import HARDWARE_ID, MAC, SERIAL, Value
from factory.ledger.journal import append
from factory.ledger.records import Attempt, as_text, as_time
from factory.ledger.schema import attempts, hooks, identity_values, lots, passes, sightings, units
from factory.ledger.store import Writer
from factory.values import AttemptState, Event, Proof, Receipt, UnitState, canonical

OPEN_STATES = (AttemptState.ADMITTED, AttemptState.FLASHING, AttemptState.FLASHED, AttemptState.PROVED)
INTERRUPTED = "ledger.interrupted"
_LOST = {AttemptState.FAILED, AttemptState.UNKNOWN}
NEXT: Mapping[AttemptState, frozenset[AttemptState]] = {
    AttemptState.ADMITTED: frozenset({AttemptState.FLASHING} | _LOST),
    AttemptState.FLASHING: frozenset({AttemptState.FLASHED} | _LOST),
    AttemptState.FLASHED: frozenset({AttemptState.PROVED} | _LOST),
    AttemptState.PROVED: frozenset({AttemptState.PASSED} | _LOST),
    AttemptState.UNKNOWN: frozenset({AttemptState.FAILED}),
    AttemptState.PASSED: frozenset(),
    AttemptState.FAILED: frozenset(),
    AttemptState.REFUSED: frozenset(),
}


def as_attempt(row: Row[Any] | SimpleNamespace) -> Attempt:
    """The attempt of a row of `attempts`. Raises LedgerError when the row is damaged."""
    return Attempt(
        id=row.id,
        unit=row.unit,
        number=row.number,
        lot=row.lot,
        station=row.station,
        slot=row.slot,
        operator=row.operator,
        software=row.software,
        state=AttemptState(row.state),
        hardware_id=row.hardware_id,
        serial=row.serial,
        key_version=row.key_version,
        fingerprint=row.fingerprint,
        image=row.image,
        note=row.note,
        started=as_time(row.started),
        ended=as_time(row.ended) if row.ended else None,
        code=row.code,
        cause=row.cause,
    )


def find(connection: Connection, attempt: int, *, lock: bool = False) -> Attempt:
    """The attempt with this number. Raises ValueError when there is none: the caller's bug."""
    query = select(attempts).where(attempts.c.id == attempt)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise ValueError(f"there is no attempt {attempt}")
    return as_attempt(row)


def newest_of(connection: Connection, unit: int) -> Attempt:
    """The newest attempt on a unit; a unit begins with its first."""
    newest = select(attempts).where(attempts.c.unit == unit).order_by(attempts.c.id.desc()).limit(1)
    return as_attempt(connection.execute(newest).one())


def begin(writer: Writer, values: Mapping[str, Any], shown: frozenset[Value]) -> Attempt:
    """Insert an attempt with what its lot is made with now, and what its unit showed."""
    bound = {
        name: select(lots.c[name]).where(lots.c.name == values["lot"]).scalar_subquery()
        for name in ("product_sha256", "template_sha256")
    }
    row = {"number": 0, "note": "", **writer.signature.columns(), "started": as_text(writer.now), **values}
    key = writer.connection.execute(insert(attempts).values(**row, **bound)).inserted_primary_key
    assert key is not None
    if shown:
        seen = [{"attempt": key[0], "kind": kind, "value": value} for kind, value in sorted(shown)]
        writer.connection.execute(insert(sightings), seen)
    known: dict[str, Any] = dict.fromkeys(column.name for column in attempts.columns)
    return as_attempt(SimpleNamespace(**known | row | {"id": key[0]}))


def move(
    writer: Writer, attempt: int, state: AttemptState, data: Mapping[str, object] | None = None, **columns: Any
) -> Event:
    """Change an attempt's state and tell it in one transaction. Raises ValueError for an illegal transition."""
    # Locked until the commit: what is judged here is what is changed.
    return _move(writer, find(writer.connection, attempt, lock=True), state, data, **columns)


def _move(
    writer: Writer, known: Attempt, state: AttemptState, data: Mapping[str, object] | None = None, **columns: Any
) -> Event:
    if state not in NEXT[known.state]:
        raise ValueError(f"attempt {known.id} cannot go from {known.state} to {state}")
    if state.is_final:
        columns["ended"] = as_text(writer.now)
    if state is AttemptState.FLASHING:
        # Without a record it may all the same be a unit that the ledger knows.
        for unit in (known.unit,) if known.unit is not None else _units_seen_in(writer.connection, known.id):
            in_rework(writer, unit)
    if state is AttemptState.FAILED:
        labels.void_of_attempt(writer, known.id, "the attempt failed")
    if state is AttemptState.FLASHED and data:
        columns["receipt"] = _json(dict(data))
    writer.connection.execute(update(attempts).where(attempts.c.id == known.id).values(state=str(state), **columns))
    told = {"hardware_id": known.hardware_id, **(data or {})}
    return append(writer, f"attempt.{state}", slot=known.slot, attempt=known.id, data=told)


def fail(writer: Writer, attempt: int, code: str, text: str, data: Mapping[str, object] | None = None) -> Event:
    """End an attempt as failed, with its cause. Its unit may be tried again."""
    told = {"code": code, "message": text, **(data or {})}
    columns: dict[str, Any] = {"code": code, "cause": text}
    if data and isinstance(data.get("receipt"), dict):
        columns["receipt"] = _json(data["receipt"])
    return move(writer, attempt, AttemptState.FAILED, told, **columns)


def complete(writer: Writer, attempt: int, receipt: Receipt, proof: Proof, *, hook: bool) -> Event:
    """End an attempt as passed: the lease becomes the unit's for ever. One without a unit's record lets none pass.
    Raises ValueError while the attempt's label waits for its printer or its scan.
    """
    known = find(writer.connection, attempt, lock=True)
    labels.require_done(writer, attempt)
    columns = {"receipt": _json(receipt.as_json()), "proof": _json(proof.as_json()), "image": receipt.image}
    event = _move(writer, known, AttemptState.PASSED, {"image": receipt.image}, **columns)
    if known.unit is None:
        return event
    writer.connection.execute(update(units).where(units.c.id == known.unit).values(state=str(UnitState.PASSED)))
    passed = {"unit": known.unit, "attempt": attempt, "lot": known.lot, "at": as_text(writer.now)}
    writer.connection.execute(insert(passes).values(**passed))
    if hook:
        due = {"attempt": attempt, "done": False, "tries": 0, "detail": "not run yet", "last_at": as_text(writer.now)}
        writer.connection.execute(insert(hooks).values(**due))
    return event


def units_showing(connection: Connection, shown: frozenset[Value]) -> tuple[int, ...]:
    """The units that own any of these MAC addresses, serials and hardware ids."""
    one = [
        (identity_values.c.kind == kind) & (identity_values.c.value == value)
        for kind, value in sorted(shown)
        if kind in (HARDWARE_ID, MAC, SERIAL)
    ]
    if not one:
        return ()
    query = select(identity_values.c.unit).where(or_(*one)).distinct().order_by(identity_values.c.unit)
    return tuple(connection.execute(query).scalars())


def _units_seen_in(connection: Connection, attempt: int) -> tuple[int, ...]:
    rows = connection.execute(select(sightings.c.kind, sightings.c.value).where(sightings.c.attempt == attempt))
    return units_showing(connection, frozenset((row.kind, row.value) for row in rows))


def in_rework(writer: Writer, unit: int) -> None:
    """From here on the unit may be half written: if it has passed, it has to pass again."""
    done = units.c.state.in_([str(UnitState.PASSED), str(UnitState.SHIPPED)])
    writer.connection.execute(update(units).where(units.c.id == unit, done).values(state=str(UnitState.REWORK)))


def recover(writer: Writer) -> tuple[Attempt, ...]:
    """Mark what this station left in between as unknown, and return it.

    The caller holds the station: what is open now was left by a crash, and nobody works on it.
    """
    mine = attempts.c.station == writer.signature.station
    left = attempts.c.state.in_([str(state) for state in OPEN_STATES])
    rows = writer.connection.execute(select(attempts).where(mine, left).order_by(attempts.c.id)).all()
    for row in rows:
        text = f"the station stopped while the attempt was {row.state}"
        told = {"was": row.state, "code": INTERRUPTED, "message": text}
        move(writer, row.id, AttemptState.UNKNOWN, told, code=INTERRUPTED, cause=text)
    return tuple(find(writer.connection, row.id) for row in rows)


def _json(value: object) -> str:
    return canonical(value).decode("utf-8")
