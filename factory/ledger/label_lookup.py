"""Labels looked up: by nonce, code, unit, lot; and the unit that a label is made for."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, select

from factory.errors import UsageError
from factory.ledger.errors import Refused
from factory.ledger.label_records import LabelRecord, LabelSubject, as_label
from factory.ledger.label_tables import labels
from factory.ledger.records import as_data, as_time
from factory.ledger.schema import attempts, identity_values, passes, units
from factory.values import AttemptState, InvalidValue, LabelCode, LabelState, UnitState, shown
from factory.values.label import LETTERS, NONCE


def find(connection: Connection, nonce: str, *, lock: bool = False) -> LabelRecord | None:
    """The label with this nonce."""
    if lock:
        connection.execute(select(labels.c.id).where(labels.c.nonce == nonce).with_for_update())
    row = connection.execute(every().where(labels.c.nonce == nonce)).first()
    return None if row is None else as_label(row)


def require(connection: Connection, nonce: str) -> LabelRecord:
    """The label with this nonce. Raises ValueError when there is none."""
    found = find(connection, nonce)
    if found is None:
        raise ValueError(f"there is no label {nonce}")
    return found


def of_unit(connection: Connection, unit: int) -> tuple[LabelRecord, ...]:
    """All labels of a unit, the oldest first."""
    query = every().where(labels.c.unit == unit).order_by(labels.c.number)
    return tuple(as_label(row) for row in connection.execute(query))


def of_lot(connection: Connection, lot: str) -> tuple[tuple[str, tuple[LabelRecord, ...]], ...]:
    """The units that passed in a lot and still count as made, by hardware id, in order of passing; and their labels,
    the oldest first.
    """
    made = passes.c.lot == lot, units.c.state.in_((str(UnitState.PASSED), str(UnitState.SHIPPED)))
    query = select(passes.c.unit, attempts.c.hardware_id).join(attempts, attempts.c.id == passes.c.attempt)
    query = query.join(units, units.c.id == passes.c.unit).where(*made).order_by(passes.c.id)
    names = {row.unit: row.hardware_id for row in connection.execute(query)}
    own = every().where(labels.c.unit.in_(select(passes.c.unit).where(passes.c.lot == lot)))
    found: dict[int, list[LabelRecord]] = {unit: [] for unit in names}
    for row in connection.execute(own.order_by(labels.c.unit, labels.c.number)):
        if row.unit in found:
            found[row.unit].append(as_label(row))
    return tuple((names[unit], tuple(of)) for unit, of in found.items())


def unsettled(connection: Connection) -> tuple[LabelRecord, ...]:
    """Labels that were printed and not scanned, or not even that, and on which nobody works: somebody may have one."""
    waits = (labels.c.state == str(LabelState.INTENT)) | ((labels.c.state == str(LabelState.PRINTED)) & labels.c.scan)
    open_ones = attempts.c.state == str(AttemptState.PROVED)
    query = every().where(waits, ~open_ones).order_by(labels.c.id)
    return tuple(as_label(row) for row in connection.execute(query))


def subject(connection: Connection, value: str) -> LabelSubject:
    """The unit that has this value: a MAC in any form, serial, hardware id, device name, or the code of its label.

    Raises UsageError (`label.no-unit`, `label.two-units`), Refused (`label.not-passed`).
    """
    of_label = select(attempts.c.unit).where(attempts.c.id.in_(attempts_of(connection, value)))
    text = value.strip()
    forms = {text, text.lower(), text.upper(), "".join(char for char in text.lower() if char.isalnum())}
    owners = select(identity_values.c.unit).where(identity_values.c.value.in_(sorted(forms - {""})))
    found = sorted(set(connection.execute(of_label.union(owners)).scalars()) - {None})
    if len(found) != 1:
        raise UsageError(
            f"{len(found)} units have the value {shown(text)}" if found else f"no unit has the value {shown(text)}",
            hint="Name its hardware id; `factory ledger trace` looks further.",
            code="label.two-units" if found else "label.no-unit",
        )
    passed = attempts.c.unit == found[0], attempts.c.state == str(AttemptState.PASSED)
    row = connection.execute(select(attempts).where(*passed).order_by(attempts.c.id.desc()).limit(1)).first()
    if row is None:
        raise Refused(f"unit {shown(text)} has not passed", hint="The line prints its label.", code="label.not-passed")
    return LabelSubject(
        row.unit, row.id, row.hardware_id, as_data(row.identity), row.lot, as_time(row.started), row.slot
    )


def attempts_of(connection: Connection, text: str) -> tuple[int, ...]:
    """The attempt whose label has this code or nonce, in any case, with or without hyphens and blanks."""
    try:
        nonce = LabelCode.parse(text).nonce
    except InvalidValue:
        nonce = "".join(text.split()).replace("-", "").upper()
        if len(nonce) != NONCE or set(nonce) - set(LETTERS):
            return ()
    return tuple(connection.execute(select(labels.c.attempt).where(labels.c.nonce == nonce)).scalars())


def every() -> Select[Any]:
    """Every label with what its record needs of attempt and unit."""
    told = attempts.c.hardware_id, attempts.c.state.label("attempt_state"), units.c.state.label("unit_state")
    joined = labels.join(attempts, attempts.c.id == labels.c.attempt).join(units, units.c.id == labels.c.unit)
    return select(labels, *told).select_from(joined)
