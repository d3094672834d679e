"""Flashes outside the line: the record that an image names, and attempts with or without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from factory.ledger import attempts as journal_of_attempts
from factory.ledger import lots
from factory.ledger.admission import seen
from factory.ledger.claim import HARDWARE_ID, shown_by
from factory.ledger.errors import Refused
from factory.ledger.journal import append
from factory.ledger.records import Attempt, Binding, as_data
from factory.ledger.schema import attempts, identity_values, units
from factory.ledger.store import Writer
from factory.values import AttemptState, Facts, Identity, Mac, UnitState, canonical, sentinel

_ASK = "`factory ledger trace` tells its life."
_CLOSED = {
    UnitState.QUARANTINED: "Release it first: a quarantined unit gets nothing.",
    UnitState.SCRAPPED: "A scrapped unit is never flashed again.",
}
_SHOWN = (UnitState.PASSED, UnitState.SHIPPED)


@dataclass(frozen=True, slots=True)
class UnitRecord:
    """What the ledger holds about one unit: `identity` as its image's manifest must have it (without the key), the
    `fingerprint` of its key, the `image` that it has or had last, None before its first, and its newest attempt.
    """

    unit: int
    state: UnitState
    lot: str
    hardware_id: str
    identity: Mapping[str, Any]
    fingerprint: str | None
    serial: str | None
    image: str | None
    last: Attempt

    @property
    def is_done(self) -> bool:
        """Whether it passed already, so that flashing it again wants a reason."""
        return self.state in _SHOWN


def record_of(connection: Connection, hardware_id: str) -> UnitRecord | None:
    """The record of the unit with this hardware id, None where the ledger has none."""
    owned = (identity_values.c.kind == HARDWARE_ID) & (identity_values.c.value == hardware_id)
    query = select(units).join(identity_values, identity_values.c.unit == units.c.id).where(owned)
    unit = connection.execute(query).first()
    if unit is None:
        return None
    mine = select(attempts).where(attempts.c.unit == unit.id).order_by(attempts.c.id.desc())
    rows = connection.execute(mine).all()
    # The identity that it passed with stands; before its first pass that of the newest attempt.
    holding = next((row for row in rows if row.state == str(AttemptState.PASSED)), rows[0])
    image = next((row.image for row in (holding, *rows) if row.image), None)
    return UnitRecord(
        unit.id,
        UnitState(unit.state),
        holding.lot,
        hardware_id,
        as_data(holding.identity),
        holding.fingerprint,
        unit.serial,
        image,
        journal_of_attempts.as_attempt(rows[0]),
    )


def require(record: UnitRecord | None, hardware_id: str, reason: str | None) -> UnitRecord:
    """The record, if its unit may be flashed. Raises Refused: `flash.unknown-unit`, `flash.quarantined`,
    `flash.scrapped`, `flash.in-work`, and `flash.passed` for a unit that passed when no reason is given.
    """
    if record is None:
        raise Refused(
            f"the ledger has no unit {hardware_id}, which the image is for",
            hint="Let `factory run` make the unit, or name the right --ledger. Without a record: --off-ledger REASON.",
            code="flash.unknown-unit",
        )
    last = record.last
    if record.state in _CLOSED:
        message = f"unit {hardware_id} is {record.state}; it was in {last.place()}"
        raise Refused(message, hint=f"{_CLOSED[record.state]} {_ASK}", code=f"flash.{record.state}", other=last)
    if last.state in journal_of_attempts.OPEN_STATES:
        raise Refused(
            f"unit {hardware_id} is in work in {last.place()}",
            hint="If nobody works on it any more, its station was cut off: start that station again.",
            code="flash.in-work",
            other=last,
        )
    if record.is_done and not reason:
        raise Refused(
            f"unit {hardware_id} has {record.state} already, in {last.place()}",
            hint="To write it once more say why: --reason TEXT. Until it has passed again it counts as in rework.",
            code="flash.passed",
            other=last,
        )
    return record


def other_unit(record: UnitRecord, facts: Facts) -> str | None:
    """How the unit that was read is not the one of the record; None where nothing speaks against it."""
    wrong = []
    for name, text in sorted(record.identity.get("macs", {}).items()):
        now = facts.interfaces.get(name)
        if now != Mac.parse(text):
            wrong.append(f"{name} is {'missing' if now is None else now.colons} and should be {text}")
    if record.serial and facts.serial and not sentinel(facts.serial) and facts.serial != record.serial:
        wrong.append(f"its serial is {facts.serial} and should be {record.serial}")
    return "; ".join(wrong) or None


def require_unit(record: UnitRecord, facts: Facts, reason: str | None) -> None:
    """Raise Refused unless the unit that was read is the record's: `flash.wrong-unit`, and `flash.same-unit` where no
    serial tells it from a clone and nobody vouches for it with a reason.
    """
    wrong = other_unit(record, facts)
    if wrong is not None:
        raise Refused(
            f"this is not unit {record.hardware_id}: {wrong}",
            hint="Nothing was written. Connect the unit that the image is for, or take this unit's own image.",
            code="flash.wrong-unit",
            other=record.last,
        )
    told_apart = record.serial and facts.serial and not sentinel(facts.serial)
    if not told_apart and not reason:
        raise Refused(
            f"only its addresses say that this is unit {record.hardware_id}: there is no serial to compare, and a "
            f"clone would have them too; it was in {record.last.place()}",
            hint="If this very unit was on the bench then, say so: --reason TEXT.",
            code="flash.same-unit",
            other=record.last,
        )


def admit_again(
    writer: Writer,
    identity: Identity,
    facts: Facts,
    *,
    slot: str,
    image: str,
    fingerprint: str | None,
    reason: str | None,
) -> Attempt:
    """Lease a unit that the ledger knows for one more flash of its own identity. Raises Refused as `require` and
    `require_unit` do, with nothing committed.
    """
    hardware_id = identity.hardware_id.text
    record = require(record_of(writer.connection, hardware_id), hardware_id, reason)
    require_unit(record, facts, reason)
    note = f"flashed again: {reason}" if reason else "flashed again"
    row = {"lot": record.lot, "unit": record.unit, "number": record.last.number + 1, "note": note}
    attempt = _begin(writer, row, identity, facts, slot=slot, fingerprint=fingerprint)
    told: dict[str, object] = {"unit": record.unit, "number": attempt.number, "was": str(record.state)}
    if image != record.image:
        told["image_before"] = record.image
    _tell(writer, attempt, identity, facts, told | {"image": image, "reason": reason})
    if record.last.state is AttemptState.UNKNOWN:
        _settle(writer, record.last, attempt)
    settle_loose(writer, attempt)
    return attempt


def admit_off_ledger(
    writer: Writer, identity: Identity, facts: Facts, *, binding: Binding, slot: str, image: str, reason: str
) -> Attempt:
    """An attempt without a unit's record: it takes no values and lets nobody pass, but everything stays findable. It
    stands in a lot of the product's own, 'off-ledger PRODUCT'.
    """
    lot = f"off-ledger {binding.product}"
    lots.bind(writer, lot, binding, f"off-ledger: {reason}")
    row = {"lot": lot, "note": f"off-ledger: {reason}"}
    attempt = _begin(writer, row, identity, facts, slot=slot, fingerprint=None)
    told = {"image": image, "reason": reason, "hardware_id": identity.hardware_id.text, **seen(facts)}
    append(writer, "flash.off-ledger", slot=slot, attempt=attempt.id, data=told)
    _tell(writer, attempt, identity, facts, {"image": image, "reason": reason, "off_ledger": True})
    settle_loose(writer, attempt)
    return attempt


def settle_loose(writer: Writer, attempt: Attempt) -> None:
    """Close attempts without a record that a crash left unknown, once the same unit is at work again."""
    loose = attempts.c.unit.is_(None) & (attempts.c.state == str(AttemptState.UNKNOWN))
    query = select(attempts).where(loose, attempts.c.hardware_id == attempt.hardware_id, attempts.c.id != attempt.id)
    for row in writer.connection.execute(query).all():
        _settle(writer, journal_of_attempts.as_attempt(row), attempt)


def _begin(
    writer: Writer, row: Mapping[str, Any], identity: Identity, facts: Facts, *, slot: str, fingerprint: str | None
) -> Attempt:
    values = {
        **row,
        "slot": slot,
        "state": str(AttemptState.ADMITTED),
        "fingerprint": fingerprint,
        "hardware_id": identity.hardware_id.text,
        "serial": facts.serial or identity.serial,
        "identity": canonical(identity.public()).decode("utf-8"),
        "key_version": identity.key_version,
    }
    return journal_of_attempts.begin(writer, values, shown_by(facts, identity))


def _tell(writer: Writer, attempt: Attempt, identity: Identity, facts: Facts, told: Mapping[str, object]) -> None:
    data = {
        "hardware_id": attempt.hardware_id,
        "lot": attempt.lot,
        "identity": identity.public(),
        "fingerprint": attempt.fingerprint,
        "note": attempt.note,
        **seen(facts),
        **told,
    }
    append(writer, "attempt.admitted", slot=attempt.slot, attempt=attempt.id, data=data)


def _settle(writer: Writer, left: Attempt, now: Attempt) -> None:
    text = f"{left.cause}; the unit was read again in attempt {now.id}"
    journal_of_attempts.fail(writer, left.id, journal_of_attempts.INTERRUPTED, text)
