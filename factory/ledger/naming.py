"""Device names: unique in an account, so unique in the ledger, whatever their case.

A name is no mark of a board: it comes from the product file, and a later attempt may give the unit another. So it
stands outside the rules for clones (remote.it reference, section 8: a name is unique in file and account ledger).
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from factory.ledger.attempts import newest_of
from factory.ledger.claim import DEVICE_NAME, name_value
from factory.ledger.records import Attempt
from factory.ledger.schema import identity_values, units
from factory.ledger.store import Writer
from factory.values import DeviceName, UnitState

_is_name = identity_values.c.kind == DEVICE_NAME
_scrapped = select(units.c.id).where(units.c.state == str(UnitState.SCRAPPED))


@dataclass(frozen=True, slots=True)
class Holder:
    """A unit that has a name; `spelled` is the name as it has it, `last` is its newest attempt."""

    spelled: str
    last: Attempt


def holder(connection: Connection, name: DeviceName, unit: int | None) -> Holder | None:
    """The unit other than `unit` that has this name, unless it is scrapped: then its name is free."""
    same = _is_name & (identity_values.c.value == name_value(name)[1]) & identity_values.c.unit.not_in(_scrapped)
    row = connection.execute(select(identity_values).where(same)).first()
    if row is None or row.unit == unit:
        return None
    return Holder(row.name, newest_of(connection, row.unit))


def give(writer: Writer, unit: int, name: DeviceName, *, new: bool = False) -> str | None:
    """Make `name` the one name of a unit; returns the name that it had before, None when it had this or none. A `new`
    unit has none, and its name was looked up a moment ago: a scrapped unit's is the only one that it could meet.

    What it was called before stays in the sightings and events of the earlier attempts. Only a scrapped unit's name
    is taken away for it: any other's is refused by the database itself.
    """
    own = _is_name & (identity_values.c.unit == unit)
    before = None if new else writer.connection.execute(select(identity_values.c.name).where(own)).scalar()
    if before is not None and before == name.text:
        return None
    kind, value = name_value(name)
    freed = _is_name & (identity_values.c.value == value) & identity_values.c.unit.in_(_scrapped)
    writer.connection.execute(delete(identity_values).where(own | freed))
    row = {"kind": kind, "value": value, "unit": unit, "name": name.text}
    writer.connection.execute(insert(identity_values).values(**row))
    return before
