"""Device names: unique in an account, so unique in the ledger, whatever their case.

A name is no mark of a board: it comes from the product file, and a later attempt may give the unit another. So it
stands outside the rules for clones (remote.it reference, section 8: a name is unique in file and account ledger).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from factory.ledger.attempts import newest_of
from factory.ledger.claim import DEVICE_NAME, name_value
from factory.ledger.owners import Owned
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


def holder(connection: Connection, found: Iterable[Owned], name: DeviceName, unit: int | None) -> Holder | None:
    """The unit other than `unit` that has this name, of what was `found` to be owned, unless it is scrapped: then its
    name is free.
    """
    for one in found:
        if one.value == name_value(name) and one.unit != unit and one.state is not UnitState.SCRAPPED:
            return Holder(one.spelled, newest_of(connection, one.unit))
    return None


def free(writer: Writer, found: Iterable[Owned], name: DeviceName) -> None:
    """Take a name away from the scrapped unit that was `found` to have it, for a unit that has none yet."""
    if any(one.value == name_value(name) for one in found):
        writer.connection.execute(delete(identity_values).where(_freed(name)))


def give(writer: Writer, unit: int, name: DeviceName) -> str | None:
    """Make `name` the one name of a unit; returns the name that it had before, None when it had this or none.

    What it was called before stays in the sightings and events of the earlier attempts. Only a scrapped unit's name
    is taken away for it: any other's is refused by the database itself.
    """
    own = _is_name & (identity_values.c.unit == unit)
    before = writer.connection.execute(select(identity_values.c.name).where(own)).scalar()
    if before is not None and before == name.text:
        return None
    kind, value = name_value(name)
    writer.connection.execute(delete(identity_values).where(own | _freed(name)))
    row = {"kind": kind, "value": value, "unit": unit, "name": name.text}
    writer.connection.execute(insert(identity_values).values(**row))
    return before


def _freed(name: DeviceName) -> ColumnElement[bool]:
    return _is_name & (identity_values.c.value == name_value(name)[1]) & identity_values.c.unit.in_(_scrapped)
