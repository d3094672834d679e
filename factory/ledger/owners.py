"""Who owns what a unit shows: asked once, in one statement, and read by every rule of admission."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from factory.ledger.attempts import newest_of
from factory.ledger.claim import CLOUD_ID, DEVICE_NAME, SERIAL, Claim, Owner, Value
from factory.ledger.direct import Direct
from factory.ledger.schema import identity_values, units
from factory.values import UnitState

_NO_MARKS = (SERIAL, DEVICE_NAME, CLOUD_ID)
"""What does not tell boards apart, or is compared by itself."""

_unit = select(units).where(units.c.id == bindparam("unit"))
_values = select(identity_values.c.kind, identity_values.c.value).where(identity_values.c.unit == bindparam("unit"))


@dataclass(frozen=True, slots=True)
class Owned:
    """A value and the unit that owns it; `spelled` is a device name as the unit has it, or a MAC's interface."""

    value: Value
    unit: int
    spelled: str
    state: UnitState


def owned(connection: Connection, wanted: Collection[Value]) -> tuple[Owned, ...]:
    """Those of these values that units own."""
    values = {f"value{number}": value for number, value in enumerate(sorted({value for _, value in wanted}))}
    return tuple(
        Owned((row.kind, row.value), row.unit, row.name, UnitState(row.state))
        for row in _owning(len(values)).rows(connection, values)
        if (row.kind, row.value) in wanted
    )


def units_with(found: Iterable[Owned], values: Collection[Value]) -> tuple[int, ...]:
    """The units that own any of these values, of what was found."""
    return tuple(sorted({one.unit for one in found if one.value in values}))


def owners_among(connection: Connection, found: Iterable[Owned], claim: Claim) -> tuple[Owner, ...]:
    """The units that own anything that is claimed, with all that the rules compare."""
    return tuple(_owner(connection, unit) for unit in units_with(found, claim.owned))


def _owner(connection: Connection, unit: int) -> Owner:
    row = connection.execute(_unit, {"unit": unit}).one()
    values = frozenset(
        (value.kind, value.value)
        for value in connection.execute(_values, {"unit": unit})
        if value.kind not in _NO_MARKS
    )
    return Owner(unit, UnitState(row.state), row.serial, values, newest_of(connection, unit))


@functools.lru_cache(maxsize=64)
def _owning(count: int) -> Direct:
    values = identity_values.c.value.in_([bindparam(f"value{number}") for number in range(count)])
    joined = select(identity_values, units.c.state).join(units, units.c.id == identity_values.c.unit)
    return Direct(joined.where(values))
