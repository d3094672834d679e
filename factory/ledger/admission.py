"""Admission: one transaction that gives a unit its identity, or refuses it and says who has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert, select, update

from factory.ledger import attempts as journal_of_attempts
from factory.ledger.claim import Claim, Owner, Verdict, claim_of, in_words, judge, shown_by
from factory.ledger.errors import Refused
from factory.ledger.journal import append
from factory.ledger.records import Attempt, as_text
from factory.ledger.schema import attempts, identity_values, units
from factory.ledger.store import Writer
from factory.values import AttemptState, Facts, Identity, UnitState, canonical

_ASIDE = "Put both units aside and compare their labels: no two units may have one identity."


def admit(
    writer: Writer,
    identity: Identity,
    facts: Facts,
    *,
    lot: str,
    slot: str,
    fingerprint: str,
    same_unit: bool | None,
) -> Attempt | Refused:
    """Admit a unit, or return the refusal with its committed attempt. Raises Refused for the operator's question."""
    claim = claim_of(identity, facts)
    owners = _owners(writer.connection, claim)
    verdict = judge(claim, owners, same_unit)
    row = _row(identity, lot, slot, fingerprint)
    if verdict is Verdict.NEW:
        unit = _new_unit(writer, claim, slot)
        return _begin(writer, row | {"unit": unit, "number": 1}, claim, identity, facts)
    if verdict is Verdict.ASK:
        raise _question(claim, owners[0])
    if verdict is not Verdict.AGAIN:
        return _refuse(writer, row, claim, owners, verdict, identity)
    owner = owners[0]
    _add_serial(writer, owner, claim)
    row |= {"unit": owner.unit, "number": owner.last.number + 1, "note": _note(owner.last)}
    attempt = _begin(writer, row, claim, identity, facts, asked=same_unit)
    if owner.last.state is AttemptState.UNKNOWN:
        text = f"{owner.last.cause}; the unit was read again in attempt {attempt.id}"
        journal_of_attempts.fail(writer, owner.last.id, journal_of_attempts.INTERRUPTED, text)
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
) -> Attempt:
    """Record an attempt that was never admitted. It takes no values."""
    if state not in (AttemptState.REFUSED, AttemptState.FAILED):
        raise ValueError(f"an attempt that was never admitted cannot be {state}")
    row = _row(identity, lot, slot, None)
    if facts and row["serial"] is None:
        row["serial"] = facts.serial
    ended = {"state": str(state), "code": code, "cause": text, "ended": as_text(writer.now)}
    attempt = journal_of_attempts.begin(writer, row | ended, shown_by(facts, identity))
    told: dict[str, object] = {"hardware_id": attempt.hardware_id, "code": code, "message": text, **_seen(facts)}
    append(writer, f"attempt.{state}", slot=slot, attempt=attempt.id, data=told)
    return attempt


def _owners(connection: Connection, claim: Claim) -> tuple[Owner, ...]:
    wanted = [value for _, value in claim.owned]
    rows = connection.execute(select(identity_values).where(identity_values.c.value.in_(wanted)))
    hits = sorted({row.unit for row in rows if (row.kind, row.value) in claim.owned})
    return tuple(_owner(connection, unit) for unit in hits)


def _owner(connection: Connection, unit: int) -> Owner:
    row = connection.execute(select(units).where(units.c.id == unit)).one()
    owned = connection.execute(select(identity_values).where(identity_values.c.unit == unit))
    values = frozenset((value.kind, value.value) for value in owned if value.kind != "serial")
    newest = select(attempts).where(attempts.c.unit == unit).order_by(attempts.c.id.desc()).limit(1)
    last = journal_of_attempts.as_attempt(connection.execute(newest).one())
    return Owner(unit, UnitState(row.state), row.serial, values, last)


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


def _new_unit(writer: Writer, claim: Claim, slot: str) -> int:
    row = {"state": str(UnitState.OPEN), "serial": claim.serial, "first_seen": as_text(writer.now), "slot": slot}
    key = writer.connection.execute(insert(units).values(**row, **writer.signature.columns())).inserted_primary_key
    assert key is not None
    unit: int = key[0]
    owned = [
        {"kind": kind, "value": value, "unit": unit, "name": claim.names.get((kind, value), "")}
        for kind, value in sorted(claim.owned)
    ]
    writer.connection.execute(insert(identity_values), owned)
    return unit


def _add_serial(writer: Writer, owner: Owner, claim: Claim) -> None:
    if claim.serial and not owner.serial:
        writer.connection.execute(update(units).where(units.c.id == owner.unit).values(serial=claim.serial))
        row = {"kind": "serial", "value": claim.serial, "unit": owner.unit, "name": ""}
        writer.connection.execute(insert(identity_values).values(**row))


def _begin(
    writer: Writer,
    row: dict[str, Any],
    claim: Claim,
    identity: Identity,
    facts: Facts,
    asked: bool | None = None,
) -> Attempt:
    attempt = journal_of_attempts.begin(writer, row, claim.shown)
    data: dict[str, object] = {
        "hardware_id": identity.hardware_id.text,
        "unit": attempt.unit,
        "number": attempt.number,
        "lot": attempt.lot,
        "identity": identity.public(),
        "fingerprint": attempt.fingerprint,
        **_seen(facts),
    }
    if attempt.note:
        data["note"] = attempt.note
    if asked:
        data["same_unit"] = "said by the operator"
    append(writer, "attempt.admitted", slot=attempt.slot, attempt=attempt.id, data=data)
    return attempt


def _seen(facts: Facts | None) -> dict[str, object]:
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
    writer: Writer,
    row: dict[str, Any],
    claim: Claim,
    owners: tuple[Owner, ...],
    verdict: Verdict,
    identity: Identity,
) -> Refused:
    refusal = _refusal(claim, owners, verdict)
    here = f"This unit is in slot {row['slot']} of station {writer.signature.station}"
    refusal.message = f"{refusal.message}. {here}"
    refusal.args = (refusal.message,)
    ended = {
        "state": str(AttemptState.REFUSED),
        "code": refusal.code,
        "cause": refusal.message,
        "ended": as_text(writer.now),
    }
    attempt = journal_of_attempts.begin(writer, row | ended, claim.shown)
    told: Mapping[str, object] = {
        "hardware_id": identity.hardware_id.text,
        "code": refusal.code,
        "message": refusal.message,
        "hint": refusal.hint,
        "identity": identity.public(),
        "other": refusal.other.id if refusal.other else None,
        "why": verdict.value,
    }
    append(writer, "attempt.refused", slot=attempt.slot, attempt=attempt.id, data=told)
    refusal.attempt = attempt
    return refusal


def _refusal(claim: Claim, owners: tuple[Owner, ...], verdict: Verdict) -> Refused:
    owner = owners[0]
    shared = in_words(claim.owned & frozenset().union(*(_all(each) for each in owners)))
    holders = " and ".join(each.last.place() for each in owners)
    if verdict is Verdict.PASSED:
        when = as_text(owner.last.ended or owner.last.started)
        message = f"already {owner.state} at {when}, use rework: {owner.last.place()}"
        hint = "Take the next unit. Nothing was changed on this one."
        return Refused(message, hint=hint, code="ledger.already-passed", other=owner.last)
    reasons = {
        Verdict.IN_WORK: "held by a unit in work",
        Verdict.OTHER_BOARD: f"those of the unit with board serial {owner.serial}, and this board is {claim.serial}",
        Verdict.PARTIAL: "another unit's, and the rest is not",
        Verdict.NOT_SAME: "those of another unit, as the operator says",
    }
    message = f"a clone: {shared}: {reasons[verdict]}: {holders}"
    return Refused(message, hint=_ASIDE, code="ledger.clone", other=owner.last)


def _question(claim: Claim, owner: Owner) -> Refused:
    return Refused(
        f"is this the same unit? {in_words(claim.values)} were seen before, without a board serial to compare: "
        f"{owner.last.place()}",
        hint="Answer yes only if this very unit was on the bench then; otherwise it is a clone.",
        code="ledger.same-unit?",
        other=owner.last,
    )


def _all(owner: Owner) -> frozenset[tuple[str, str]]:
    return owner.values | ({("serial", owner.serial)} if owner.serial else set())


def _note(last: Attempt) -> str:
    if last.state is AttemptState.UNKNOWN:
        return f"attempt {last.id} was interrupted: {last.cause}; the unit was read again"
    return f"attempt {last.id} {last.state}: {last.cause}"
