"""Admission: one transaction that gives a unit its identity, or refuses it and says who has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert, update

from factory.ledger import attempts as journal_of_attempts
from factory.ledger import cloud_ids, naming, orders, pool_cells
from factory.ledger.claim import SERIAL, Claim, Owner, Verdict, claim_of, judge, name_value, shown_by
from factory.ledger.direct import Direct
from factory.ledger.errors import Refused
from factory.ledger.journal import append
from factory.ledger.order_records import folded
from factory.ledger.owners import owned, owners_among
from factory.ledger.records import Attempt, as_text
from factory.ledger.refusals import name_taken, order_changed, order_row_taken, question, refusal
from factory.ledger.rows import insert_rows
from factory.ledger.schema import identity_values, units
from factory.ledger.store import Writer
from factory.values import AttemptState, Facts, Identity, UnitState, Work, canonical

_insert_unit = Direct(insert(units).returning(units.c.id))


def admit(
    writer: Writer,
    identity: Identity,
    facts: Facts,
    *,
    lot: str,
    slot: str,
    fingerprint: str | None,
    same_unit: bool | None,
    work: Work | None,
    transcript: str | None = None,
) -> Attempt | Refused:
    """Admit a unit with its row of the order, or return the refusal with its committed attempt.

    Raises Refused for the operator's question and for two rows of the order.
    """
    claim = claim_of(identity, facts)
    found = owned(writer.connection, claim.shown | claim.owned)
    owners = owners_among(writer.connection, found, claim)
    verdict = judge(claim, owners, same_unit)
    if verdict is Verdict.ASK and pool_cells.are_of(writer.connection, work, owners[0].unit):
        verdict = Verdict.AGAIN  # its key of a pool says what a serial would
    row = _row(identity, lot, slot, fingerprint) | {"transcript": transcript}
    if verdict is Verdict.ASK:
        raise question(claim, owners[0])
    if verdict not in (Verdict.NEW, Verdict.AGAIN):
        return _refuse(writer, row, claim, identity, refusal(claim, owners, verdict), verdict.value)
    # Only now: a clone, which often has its original's name as well, must be called one.
    known = owners[0].unit if owners else None
    holder = naming.holder(writer.connection, found, identity.device_name, known)
    if holder:
        return _refuse(writer, row, claim, identity, name_taken(identity, holder), "the name is another unit's")
    order = orders.find(writer.connection, facts, lot, found)
    against = _order_objection(writer.connection, order, known, work)
    if against:
        return _refuse(writer, row, claim, identity, against, "the order's row")
    against = cloud_ids.objection(writer.connection, found, identity, known)
    if against:
        return _refuse(writer, row, claim, identity, against, "the cloud id")
    against = pool_cells.objection(writer.connection, work, known)
    if against:
        return _refuse(writer, row, claim, identity, against, "the pool's cell")
    if owners:
        attempt = _again(writer, row, claim, identity, facts, owners[0], same_unit)
    else:
        naming.free(writer, found, identity.device_name)
        unit = _new_unit(writer, claim, identity, slot)
        attempt = _begin(writer, row | {"unit": unit, "number": 1}, claim, identity, facts)
    if order and attempt.unit is not None:
        orders.bind(writer, order, attempt.unit, attempt.id)
    if attempt.unit is not None:
        pool_cells.bind(writer, work, attempt.unit, attempt.id)
    return attempt


def turn_away(
    writer: Writer,
    *,
    lot: str,
    slot: str,
    code: str,
    text: str,
    facts: Facts | None,
    identity: Identity | None,
    state: AttemptState,
    transcript: str | None = None,
    stage: str | None = None,
) -> Attempt:
    """Record an attempt that was never admitted; `stage` is one beyond the flash. It takes no values."""
    if state not in (AttemptState.REFUSED, AttemptState.FAILED):
        raise ValueError(f"an attempt that was never admitted cannot be {state}")
    row = _row(identity, lot, slot, None) | {"transcript": transcript, "stage": stage}
    if facts and row["serial"] is None:
        row["serial"] = facts.serial
    ended = {"state": str(state), "code": code, "cause": text, "ended": as_text(writer.now)}
    attempt = journal_of_attempts.begin(writer, row | ended, shown_by(facts, identity))
    told: dict[str, object] = {"hardware_id": attempt.hardware_id, "code": code, "message": text, **seen(facts)}
    append(writer, f"attempt.{state}", slot=slot, attempt=attempt.id, data=told)
    return attempt


def _order_objection(
    connection: Connection, order: orders.Found | None, unit: int | None, work: Work | None
) -> Refused | None:
    """What the order has against a unit: its row is another unit's, or is not the one the identity was made with."""
    if work is not None and dict(work.order) != (dict(order.cells) if order else {}):
        return order_changed(order.place if order else None)
    if order is None or order.unit in (None, unit):
        return None
    return order_row_taken(order.place, journal_of_attempts.newest_of(connection, order.unit))


def owners_of(connection: Connection, claim: Claim) -> tuple[Owner, ...]:
    """The units that own any of the values of a claim."""
    return owners_among(connection, owned(connection, claim.owned), claim)


def _row(identity: Identity | None, lot: str, slot: str, fingerprint: str | None) -> dict[str, Any]:
    row: dict[str, Any] = {"lot": lot, "slot": slot, "fingerprint": fingerprint, "state": str(AttemptState.ADMITTED)}
    row |= dict.fromkeys(("hardware_id", "serial", "identity", "key_version"))
    if identity:
        row |= {
            "hardware_id": identity.hardware_id.text,
            "serial": identity.serial,
            "identity": canonical(identity.public()).decode("utf-8"),
            "key_version": identity.key_version,
        }
    return row


def _new_unit(writer: Writer, claim: Claim, identity: Identity, slot: str) -> int:
    row = {"state": str(UnitState.OPEN), "serial": claim.serial, "first_seen": as_text(writer.now), "slot": slot}
    (key,) = _insert_unit.rows(writer.connection, row | writer.signature.columns())
    unit: int = key.id
    values = {value: claim.names.get(value, "") for value in claim.owned}
    values |= {name_value(identity.device_name): identity.device_name.text, **cloud_ids.of_identity(identity)}
    owned_now = [
        {"kind": kind, "value": value, "unit": unit, "name": name} for (kind, value), name in sorted(values.items())
    ]
    insert_rows(writer.connection, identity_values, owned_now)
    return unit


def _again(
    writer: Writer,
    row: dict[str, Any],
    claim: Claim,
    identity: Identity,
    facts: Facts,
    owner: Owner,
    same_unit: bool | None,
) -> Attempt:
    """The next attempt on a known unit, which may have another name by now."""
    _add_serial(writer, owner, claim)
    told: dict[str, object] = {"same_unit": "said by the operator"} if same_unit else {}
    before = naming.give(writer, owner.unit, identity.device_name)
    if before is not None:
        told["name_before"] = before
    row |= {"unit": owner.unit, "number": owner.last.number + 1, "note": _note(owner.last)}
    cloud_ids.give(writer, owner.unit, identity)
    attempt = _begin(writer, row, claim, identity, facts, told)
    if owner.last.state is AttemptState.UNKNOWN:
        text = f"{owner.last.cause}; the unit was read again in attempt {attempt.id}"
        journal_of_attempts.fail(writer, owner.last.id, journal_of_attempts.INTERRUPTED, text)
    return attempt


def _add_serial(writer: Writer, owner: Owner, claim: Claim) -> None:
    if claim.serial and not owner.serial:
        writer.connection.execute(update(units).where(units.c.id == owner.unit).values(serial=claim.serial))
        row = {"kind": SERIAL, "value": claim.serial, "unit": owner.unit, "name": folded(claim.serial)}
        writer.connection.execute(insert(identity_values).values(**row))


def _begin(
    writer: Writer,
    row: dict[str, Any],
    claim: Claim,
    identity: Identity,
    facts: Facts,
    told: Mapping[str, object] | None = None,
) -> Attempt:
    attempt = journal_of_attempts.begin(writer, row, claim.shown)
    data: dict[str, object] = {
        "hardware_id": identity.hardware_id.text,
        "unit": attempt.unit,
        "number": attempt.number,
        "lot": attempt.lot,
        "identity": identity.public(),
        "fingerprint": attempt.fingerprint,
        **seen(facts),
        **(told or {}),
    }
    if attempt.note:
        data["note"] = attempt.note
    append(writer, "attempt.admitted", slot=attempt.slot, attempt=attempt.id, data=data)
    return attempt


def seen(facts: Facts | None) -> dict[str, object]:
    """What was read from a unit, as events tell it."""
    if facts is None:
        return {}
    return {
        "interfaces": {name: mac.colons for name, mac in facts.interfaces.items()},
        "serial": facts.serial,
        "model": facts.model,
        "boot_id": facts.boot_id,
        "kernel": facts.kernel,
        "routes": list(facts.routes),
    }


def _refuse(
    writer: Writer, row: dict[str, Any], claim: Claim, identity: Identity, refused: Refused, why: str
) -> Refused:
    """Commit a refusal as an attempt without a unit: it takes no values."""
    here = f"This unit is in slot {row['slot']} of station {writer.signature.station}"
    refused.message = f"{refused.message}. {here}"
    refused.args = (refused.message,)
    ended = {
        "state": str(AttemptState.REFUSED),
        "code": refused.code,
        "cause": refused.message,
        "ended": as_text(writer.now),
    }
    attempt = journal_of_attempts.begin(writer, row | ended, claim.shown)
    told: Mapping[str, object] = {
        "hardware_id": identity.hardware_id.text,
        "code": refused.code,
        "message": refused.message,
        "hint": refused.hint,
        "identity": identity.public(),
        "other": refused.other.id if refused.other else None,
        "why": why,
    }
    append(writer, "attempt.refused", slot=attempt.slot, attempt=attempt.id, data=told)
    refused.attempt = attempt
    return refused


def _note(last: Attempt) -> str:
    if last.state is AttemptState.UNKNOWN:
        return f"attempt {last.id} was interrupted: {last.cause}; the unit was read again"
    return f"attempt {last.id} {last.state}: {last.cause}"
