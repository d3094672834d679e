"""Labels of units: the intent before one is printed, what came of it, and the scan that verifies it.

Whatever is not known to be on its unit is void: a reprint voids the label before it, and so does an attempt that fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, func, insert, literal, select, update

from factory.ledger.direct import Direct
from factory.ledger.errors import Refused
from factory.ledger.journal import append
from factory.ledger.label_lookup import every, find, require
from factory.ledger.label_records import LabelRecord, as_label
from factory.ledger.label_tables import LIVE, labels
from factory.ledger.records import as_text
from factory.ledger.schema import attempts, units
from factory.ledger.store import Writer
from factory.values import AttemptState, LabelState, UnitState

REPRINT = "Print the unit's label again: `factory label print`, or r at the slot; the one before is void then."
# Asked at every pass, also of products without labels: made once.
_live_of = Direct(
    select(labels.c.state, labels.c.scan).where(
        labels.c.attempt == bindparam("attempt"), labels.c.state.in_([literal(state) for state in LIVE])
    )
)
_MAY_HAVE = (str(AttemptState.PROVED), str(AttemptState.PASSED))
_ASIDE = (str(UnitState.SCRAPPED), str(UnitState.QUARANTINED))


def begin(
    writer: Writer,
    attempt: int,
    nonce: str,
    *,
    sha256: str,
    printer: str,
    slot: str,
    scan: bool,
    reason: str,
    template: str = "",
) -> LabelRecord:
    """Commit that a label is about to be printed for an attempt that is proved or passed; what the unit had is void.

    Raises Refused (`label.not-passed`) when the attempt is at another point or is not its unit's newest,
    `label.unit-aside` when the unit is quarantined or scrapped.
    """
    row = writer.connection.execute(select(attempts).where(attempts.c.id == attempt)).one()
    # Whoever prints for this unit at the same moment waits here.
    state = writer.connection.execute(select(units.c.state).where(units.c.id == row.unit).with_for_update()).scalar()
    tried = attempts.c.unit == row.unit, attempts.c.state != str(AttemptState.REFUSED)
    newest = writer.connection.execute(select(func.max(attempts.c.id)).where(*tried)).scalar()
    if row.unit is None or row.state not in _MAY_HAVE or newest != attempt:
        raise Refused(
            f"unit {row.hardware_id} gets no label: attempt {attempt} is {row.state}"
            + ("" if newest in (attempt, None) else f", and attempt {newest} came after it"),
            hint="A label is printed for a unit that has been proved. Let the unit pass.",
            code="label.not-passed",
        )
    if state in _ASIDE:
        raise Refused(
            f"unit {row.hardware_id} gets no label: it is {state}",
            hint="`factory ledger trace` says why; `factory unit release` ends a quarantine.",
            code="label.unit-aside",
        )
    number = writer.connection.execute(select(func.max(labels.c.number)).where(labels.c.unit == row.unit)).scalar()
    _void(writer, labels.c.unit == row.unit, reason or f"attempt {attempt} prints another")
    values: dict[str, Any] = {
        "nonce": nonce,
        "number": (number or 0) + 1,
        "unit": row.unit,
        "attempt": attempt,
        "state": str(LabelState.INTENT),
        "scan": scan,
        "sha256": sha256,
        "printer": printer,
        "slot": slot,
        "reason": reason,
        "at": as_text(writer.now),
        **writer.signature.columns(),
    }
    writer.connection.execute(insert(labels).values(**values))
    made = require(writer.connection, nonce)
    told = {"sha256": sha256, "template": template, "printer": printer, "reason": reason, "scan": scan}
    _tell(writer, "label.intent", made, told)
    return made


def printed(writer: Writer, nonce: str) -> LabelRecord:
    """The printer took all of it. Raises ValueError unless it was the intent."""
    _set(writer, nonce, LabelState.PRINTED, (LabelState.INTENT,), printed_at=as_text(writer.now))
    made = require(writer.connection, nonce)
    _tell(writer, "label.printed", made, {"printer": made.printer})
    return made


def verify(writer: Writer, nonce: str, hardware_id: str, *, slot: str) -> LabelRecord:
    """The label was scanned, and belongs to the unit that calls itself `hardware_id`: once, and never after void.

    Raises Refused: `label.unknown`, `label.other-unit`, `label.void`, `label.verified-before`, `label.not-printed`.
    """
    known = find(writer.connection, nonce, lock=True)
    fault = against(known, hardware_id)
    if fault is not None:
        raise fault
    assert known is not None
    _set(writer, nonce, LabelState.VERIFIED, (LabelState.PRINTED,), verified_at=as_text(writer.now))
    made = require(writer.connection, nonce)
    _tell(writer, "label.verified", made, {"where": slot})
    return made


def against(known: LabelRecord | None, hardware_id: str) -> Refused | None:
    """What speaks against a scanned label being that of the unit `hardware_id`; None where nothing does."""
    if known is None:
        return _refused("this ledger never printed that label", "unknown")
    if known.hardware_id != hardware_id:
        return _refused(f"it belongs to another unit, not {hardware_id}: {known.standing()}", "other-unit")
    if known.state is LabelState.VOID:
        return _refused(f"it is void: {known.standing()}", "void")
    if known.state is LabelState.VERIFIED:
        return _refused(f"it was scanned before: {known.standing()}", "verified-before")
    if known.state is LabelState.INTENT:
        return _refused(f"nobody knows whether it was printed: {known.standing()}", "not-printed")
    return None


def void(writer: Writer, nonce: str, reason: str) -> LabelRecord:
    """A label must not be on any unit from now on; nothing where it is void already."""
    _void(writer, labels.c.nonce == nonce, reason)
    return require(writer.connection, nonce)


def void_of_attempt(writer: Writer, attempt: int, reason: str) -> None:
    """An attempt failed: what was printed for it proves nothing."""
    _void(writer, labels.c.attempt == attempt, reason)


def require_done(writer: Writer, attempt: int) -> None:
    """Raise ValueError when an attempt is about to pass whose label waits for its printer or its scan."""
    rows = _live_of.rows(writer.connection, {"attempt": attempt})
    if rows and rows[0].state != str(LabelState.VERIFIED if rows[0].scan else LabelState.PRINTED):
        raise ValueError(f"attempt {attempt} cannot pass: its label is {rows[0].state}")


def tell(writer: Writer, kind: str, label: LabelRecord | None, *, slot: str, attempt: int | None, **data: Any) -> None:
    """Append what happened to a label that does not change: a wrong scan, a scan at a later station."""
    own = {} if label is None else _named(label)
    append(writer, kind, slot=slot, attempt=attempt, data={**own, **data})


def _void(writer: Writer, which: Any, reason: str) -> None:
    for row in writer.connection.execute(every().where(which, labels.c.state.in_(LIVE))).all():
        label = as_label(row)
        values = {"state": str(LabelState.VOID), "reason": reason, "voided_at": as_text(writer.now)}
        writer.connection.execute(update(labels).where(labels.c.nonce == label.nonce).values(**values))
        _tell(writer, "label.void", label, {"was": str(label.state), "reason": reason})


def _set(writer: Writer, nonce: str, state: LabelState, was: tuple[LabelState, ...], **values: Any) -> None:
    before = labels.c.state.in_([str(one) for one in was])
    changed = update(labels).where(labels.c.nonce == nonce, before).values(state=str(state), **values)
    if writer.connection.execute(changed).rowcount != 1:
        known = find(writer.connection, nonce)
        raise ValueError(f"label {nonce} cannot become {state}: it is {None if known is None else known.state}")


def _tell(writer: Writer, kind: str, label: LabelRecord, data: Mapping[str, object]) -> None:
    append(writer, kind, slot=label.slot or None, attempt=label.attempt, data={**_named(label), **data})


def _named(label: LabelRecord) -> dict[str, object]:
    return {"nonce": label.nonce, "number": label.number, "hardware_id": label.hardware_id}


def _refused(message: str, code: str) -> Refused:
    return Refused(message, hint=REPRINT, code=f"label.{code}")
