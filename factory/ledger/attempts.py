"""Attempts: their states, in order, each committed before what it announces is done."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, Row, bindparam, false, insert, or_, select, update

from factory.ledger import labels
from factory.ledger.claim import HARDWARE_ID, MAC, SERIAL, Value
from factory.ledger.direct import Direct
from factory.ledger.journal import append
from factory.ledger.records import Attempt, as_text, as_time
from factory.ledger.rows import insert_rows
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

# Made once: building a statement costs more than running it.
_one = select(attempts).where(attempts.c.id == bindparam("attempt"))
_locked = _one.with_for_update()
_newest = select(attempts).where(attempts.c.unit == bindparam("unit")).order_by(attempts.c.id.desc()).limit(1)
_of_lot = {
    name: select(lots.c[name]).where(lots.c.name == bindparam("of_lot")).scalar_subquery()
    for name in ("product_sha256", "template_sha256")
}
_EMPTY: Mapping[str, Any] = {
    **{column.name: None for column in attempts.columns if column.name not in {"id", *_of_lot}},
    "number": 0,
    "note": "",
}
_begin = Direct(insert(attempts).values(_of_lot).returning(attempts.c.id))
_moves = {
    state: Direct(
        update(attempts)
        .where(
            attempts.c.id == bindparam("moved"),
            or_(false(), *(attempts.c.state == str(before) for before, after in NEXT.items() if state in after)),
        )
        .returning(*(attempts.c[name] for name in ("id", "unit", "number", "lot", "slot", "hardware_id")))
    )
    for state in AttemptState
}
# A unit that was set aside while it was at work stays aside.
_pass_unit = Direct(update(units).where(units.c.id == bindparam("unit"), units.c.state != str(UnitState.QUARANTINED)))
_pass = Direct(insert(passes))


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
    row = connection.execute(_locked if lock else _one, {"attempt": attempt}).first()
    if row is None:
        raise ValueError(f"there is no attempt {attempt}")
    return as_attempt(row)


def newest_of(connection: Connection, unit: int) -> Attempt:
    """The newest attempt on a unit; a unit begins with its first."""
    return as_attempt(connection.execute(_newest, {"unit": unit}).one())


def begin(writer: Writer, values: Mapping[str, Any], shown: frozenset[Value]) -> Attempt:
    """Insert an attempt with what its lot is made with now, and what its unit showed."""
    row = {**_EMPTY, **writer.signature.columns(), "started": as_text(writer.now), **values}
    (key,) = _begin.rows(writer.connection, row | {"of_lot": row["lot"]})
    seen = [{"attempt": key.id, "kind": kind, "value": value} for kind, value in sorted(shown)]
    insert_rows(writer.connection, sightings, seen)
    return as_attempt(SimpleNamespace(**row, id=key.id))


def move(
    writer: Writer, attempt: int, state: AttemptState, data: Mapping[str, object] | None = None, **columns: Any
) -> Event:
    """Change an attempt's state and tell it in one transaction. Raises ValueError for an illegal transition."""
    if state is AttemptState.FLASHED and data:
        columns["receipt"] = _json(dict(data))
    if data and isinstance(data.get("transcript"), str):
        columns["transcript"] = data["transcript"]
    moved = _move(writer, attempt, state, columns)
    if state is AttemptState.FLASHING and moved.number != 1:
        # A unit's first attempt found it new. Without a record it may all the same be one that the ledger knows.
        for unit in (moved.unit,) if moved.unit is not None else _units_seen_in(writer.connection, attempt):
            in_rework(writer, unit)
    if state is AttemptState.FAILED:
        labels.void_of_attempt(writer, attempt, "the attempt failed")
    return _tell(writer, moved, state, data)


def _move(writer: Writer, attempt: int, state: AttemptState, columns: Mapping[str, Any]) -> Any:
    """Put an attempt into its next state, and hold it until the commit; returns whose it is. Raises ValueError."""
    ended = {"ended": as_text(writer.now)} if state.is_final else {}
    values = {"moved": attempt, "state": str(state), **ended, **columns}
    rows = _moves[state].rows(writer.connection, values)
    if not rows:
        raise ValueError(f"attempt {attempt} cannot go from {find(writer.connection, attempt).state} to {state}")
    return rows[0]


def _tell(writer: Writer, moved: Any, state: AttemptState, data: Mapping[str, object] | None) -> Event:
    told = {"hardware_id": moved.hardware_id, **(data or {})}
    return append(writer, f"attempt.{state}", slot=moved.slot, attempt=moved.id, data=told)


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
    columns = {"receipt": _json(receipt.as_json()), "proof": _json(proof.as_json()), "image": receipt.image}
    moved = _move(writer, attempt, AttemptState.PASSED, columns)
    labels.require_done(writer, attempt)
    if moved.unit is not None:
        _pass_unit.run(writer.connection, {"unit": moved.unit, "state": str(UnitState.PASSED)})
        passed = {"unit": moved.unit, "attempt": attempt, "lot": moved.lot, "at": as_text(writer.now)}
        _pass.run(writer.connection, passed)
        if hook:
            due = {"attempt": attempt, "done": False, "tries": 0, "detail": "not run yet", "last_at": passed["at"]}
            writer.connection.execute(insert(hooks), due)
    return _tell(writer, moved, AttemptState.PASSED, {"image": receipt.image})


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
