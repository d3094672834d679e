"""A unit's life after its first pass: rework, quarantine, release, scrap. Every step has a reason, and every step that
a portal has to follow says which rows to delete there and which to add.

remote.it registers a unit once per published upload (remote.it reference, section 1.3): a unit that is made anew needs
its row deleted, uploaded and published again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from factory.errors import UsageError
from factory.ledger import attempts as journal_of_attempts
from factory.ledger.claim import DEVICE_NAME, HARDWARE_ID, MAC, SERIAL
from factory.ledger.errors import Refused
from factory.ledger.journal import append
from factory.ledger.pool_tables import pool_cells
from factory.ledger.records import Attempt, as_data, as_text
from factory.ledger.schema import DEAD_ROWS, attempts, events, identity_values, passes, sightings, units, upload_rows
from factory.ledger.store import Writer
from factory.values import InvalidValue, Mac, RowState, UnitState
from factory.values.pools import shown_value

_FROM: Mapping[UnitState, frozenset[UnitState]] = {
    UnitState.REWORK: frozenset({UnitState.OPEN, UnitState.PASSED, UnitState.SHIPPED, UnitState.REWORK}),
    UnitState.QUARANTINED: frozenset({UnitState.OPEN, UnitState.PASSED, UnitState.SHIPPED, UnitState.REWORK}),
    UnitState.SCRAPPED: frozenset(set(UnitState) - {UnitState.SCRAPPED}),
}
_KIND = {
    UnitState.REWORK: "unit.rework",
    UnitState.QUARANTINED: "unit.quarantined",
    UnitState.SCRAPPED: "unit.scrapped",
}


@dataclass(frozen=True, slots=True)
class PortalRow:
    """A row that must go from a portal: where it stands and what it says."""

    hardware_id: str
    device_name: str
    upload: str
    position: int
    state: RowState


@dataclass(frozen=True, slots=True)
class UnitChange:
    """What was done to a unit. `delete` are its rows to delete at the portal; `add` says that it has to be exported
    again once it has passed; `replaced_by` is the unit whose board took this one's place.
    """

    unit: int
    hardware_id: str
    was: UnitState
    now: UnitState
    reason: str
    last: Attempt
    delete: tuple[PortalRow, ...]
    add: bool
    replaced_by: str | None = None

    def as_json(self) -> dict[str, object]:
        """The change as canonical JSON values."""
        return {
            "unit": self.unit,
            "hardware_id": self.hardware_id,
            "was": str(self.was),
            "now": str(self.now),
            "reason": self.reason,
            "last_attempt": {"id": self.last.id, "state": str(self.last.state), "cause": self.last.cause},
            "portal": {
                "delete": [
                    {
                        "hardware_id": row.hardware_id,
                        "device_name": row.device_name,
                        "upload": row.upload,
                        "row": row.position,
                        "state": str(row.state),
                    }
                    for row in self.delete
                ],
                "add": [self.hardware_id] if self.add else [],
            },
            "replaced_by": self.replaced_by,
        }


def change(writer: Writer, value: str, state: UnitState, reason: str, *, replaced_by: str | None = None) -> UnitChange:
    """Bring a unit, named by any value that it owns, into rework, quarantine or scrap. `replaced_by` names the unit
    whose board replaces a scrapped one.

    Raises UsageError for an unknown value or an empty reason; Refused `unit.in-work` while an attempt holds it, and
    `unit.state` where the step makes no sense.
    """
    reason = _reason(reason)
    unit, was, last = _held(writer, value)
    if was not in _FROM[state]:
        raise Refused(
            f"unit {last.hardware_id} is {was} and cannot become {state}; it was in {last.place()}",
            hint="`factory unit release` ends a quarantine; a scrapped unit stays scrapped.",
            code="unit.state",
            other=last,
        )
    successor = _successor(writer, replaced_by, unit, state) if replaced_by else None
    delete = _withdraw(writer, unit) if state is not UnitState.QUARANTINED else ()
    _set(writer, unit, state)
    add = state is UnitState.REWORK and bool(delete)
    changed = UnitChange(unit, last.hardware_id or "", was, state, reason, last, delete, add, successor)
    # The unit that takes its place is led here by its own hardware id.
    about = {successor} if successor else ()
    append(writer, _KIND[state], slot=last.slot, attempt=last.id, data=changed.as_json(), about=about)
    return changed


def release(writer: Writer, value: str, reason: str) -> UnitChange:
    """End a quarantine: the unit is again what it was before. Raises as `change` does, and Refused `unit.burned`."""
    reason = _reason(reason)
    unit, was, last = _held(writer, value)
    if was is not UnitState.QUARANTINED:
        raise Refused(
            f"unit {last.hardware_id} is {was}, and not in quarantine",
            hint="There is nothing to release.",
            code="unit.state",
            other=last,
        )
    _require_own_values(writer.connection, unit, last)
    before = _before_quarantine(writer.connection, unit)
    _set(writer, unit, before)
    changed = UnitChange(unit, last.hardware_id or "", was, before, reason, last, (), add=False)
    append(writer, "unit.released", slot=last.slot, attempt=last.id, data=changed.as_json())
    return changed


def _require_own_values(connection: Connection, unit: int, last: Attempt) -> None:
    """Raise Refused (`unit.burned`) for a unit that holds a value of a pool that was burned meanwhile."""
    mine = (pool_cells.c.unit == unit) & (pool_cells.c.state == "burned")
    row = connection.execute(select(pool_cells).where(mine).limit(1)).first()
    if row is not None:
        raise Refused(
            f"unit {last.hardware_id} has {shown_value(row.kind, row.value)}, which was burned at {row.changed}: "
            f"{row.reason}",
            hint="A burned value is on no good unit, for ever. Scrap this one: factory unit scrap VALUE --reason TEXT.",
            code="unit.burned",
            other=last,
        )


def _reason(reason: str) -> str:
    if not reason.strip():
        raise UsageError("a reason is needed", hint="Say why in a few words: --reason TEXT.")
    return reason.strip()


def _held(writer: Writer, value: str) -> tuple[int, UnitState, Attempt]:
    """The unit that owns a value, locked, with its newest attempt, which holds no lease."""
    unit = _unit_of(writer.connection, value)
    row = writer.connection.execute(select(units).where(units.c.id == unit).with_for_update()).one()
    last = journal_of_attempts.newest_of(writer.connection, unit)
    if last.state in journal_of_attempts.OPEN_STATES:
        raise Refused(
            f"unit {last.hardware_id} is in work: {last.place()}",
            hint="Wait until its attempt has ended. If its station was cut off, start that station again.",
            code="unit.in-work",
            other=last,
        )
    return unit, UnitState(row.state), last


def _unit_of(connection: Connection, value: str) -> int:
    """The one unit that owns a MAC in any form, a serial, a hardware id or a device name. Raises UsageError."""
    text = value.strip()
    wanted = {(SERIAL, text), (HARDWARE_ID, text), (DEVICE_NAME, text.casefold())}
    with contextlib.suppress(InvalidValue):  # it is another kind of value
        wanted.add((MAC, Mac.parse(text).plain))
    rows = connection.execute(
        select(identity_values).where(identity_values.c.value.in_({value for _, value in wanted}))
    )
    found = sorted({row.unit for row in rows if (row.kind, row.value) in wanted})
    if len(found) == 1:
        return int(found[0])
    if found:
        ids = ", ".join(str(journal_of_attempts.newest_of(connection, unit).hardware_id) for unit in found)
        raise UsageError(f"{text} is a value of several units: {ids}", hint="Name the unit by its hardware id.")
    raise UsageError(
        f"no unit of the ledger owns {text}",
        hint="`factory ledger trace VALUE` also finds units that only showed a value.",
        code="unit.unknown",
    )


def _successor(writer: Writer, value: str, unit: int, state: UnitState) -> str:
    """The unit that takes a scrapped one's place; from now on the old one's values lead to it too."""
    if state is not UnitState.SCRAPPED:
        raise UsageError("only a scrapped unit is replaced by another", hint="Use scrap with --replaced-by.")
    other = _unit_of(writer.connection, value)
    if other == unit:
        raise UsageError("a unit cannot take its own place", hint="Name the unit with the new board.")
    last = journal_of_attempts.newest_of(writer.connection, other)
    own = writer.connection.execute(select(identity_values).where(identity_values.c.unit == unit))
    known = {row.value for row in writer.connection.execute(select(sightings).where(sightings.c.attempt == last.id))}
    fresh = {row.value for row in own} - known
    if fresh:
        rows = [{"value": value, "attempt": last.id, "kind": "replaces"} for value in sorted(fresh)]
        writer.connection.execute(insert(sightings), rows)
    return last.hardware_id or ""


def _withdraw(writer: Writer, unit: int) -> tuple[PortalRow, ...]:
    """Mark the unit's live rows as to be published anew; returns them as they stand at the portal."""
    live = (upload_rows.c.unit == unit) & upload_rows.c.state.not_in(DEAD_ROWS)
    query = select(upload_rows, attempts.c.identity, attempts.c.hardware_id).join(
        attempts, attempts.c.id == upload_rows.c.attempt
    )
    rows = writer.connection.execute(query.where(live).order_by(upload_rows.c.id)).all()
    found = tuple(
        PortalRow(
            row.hardware_id,
            str(as_data(row.identity).get("device_name", "")),
            row.upload,
            row.position,
            RowState(row.state),
        )
        for row in rows
    )
    changed = {"state": str(RowState.NEEDS_REPUBLISH), "changed": as_text(writer.now)}
    writer.connection.execute(update(upload_rows).where(live).values(**changed))
    return found


def _set(writer: Writer, unit: int, state: UnitState) -> None:
    writer.connection.execute(update(units).where(units.c.id == unit).values(state=str(state)))


def _before_quarantine(connection: Connection, unit: int) -> UnitState:
    mine = select(events.c.data).join(attempts, attempts.c.id == events.c.attempt)
    mine = mine.where(attempts.c.unit == unit, events.c.kind == _KIND[UnitState.QUARANTINED])
    newest = connection.execute(mine.order_by(events.c.at.desc(), events.c.seq.desc()).limit(1)).scalar()
    was = UnitState(as_data(newest).get("was", str(UnitState.REWORK)))
    # It may have passed in quarantine: the attempt at work went on.
    won = was is UnitState.OPEN and connection.execute(select(passes.c.id).where(passes.c.unit == unit)).first()
    return UnitState.PASSED if won else was
