"""Cloud ids: the maker's own id of a unit, made once, printed on its label, and kept for ever (Xyte reference, 5.1).

No mark of a board, like a device name: so it stands outside the rules for clones. Unlike a name it never changes, and
a scrapped unit takes it along.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, insert, select

from factory.ledger.attempts import newest_of
from factory.ledger.claim import CLOUD_ID, MAC, SERIAL, Value
from factory.ledger.errors import Refused
from factory.ledger.owners import Owned
from factory.ledger.schema import identity_values
from factory.ledger.store import Writer
from factory.values import Facts, Identity, sentinel

_NAME = "cloud_id"  # as an identity calls it
_is_cloud_id = identity_values.c.kind == CLOUD_ID


def cloud_id_of(connection: Connection, facts: Facts) -> str | None:
    """The cloud id of the unit that owns an address or the serial of these facts; None where there is none yet."""
    wanted = {(MAC, mac.plain) for mac in facts.interfaces.values()}
    if facts.serial and not sentinel(facts.serial):
        wanted.add((SERIAL, facts.serial))
    rows = connection.execute(
        select(identity_values).where(identity_values.c.value.in_({value for _, value in wanted}))
    )
    units = {row.unit for row in rows if (row.kind, row.value) in wanted}
    # Values of several units are a clone's: admission refuses it, whatever id it would get here.
    return None if len(units) != 1 else _of(connection, units.pop())


def objection(connection: Connection, found: Iterable[Owned], identity: Identity, unit: int | None) -> Refused | None:
    """What speaks against giving the cloud id of `identity` to `unit`, None for one never seen; `found` is what is
    owned of all that it shows.
    """
    cloud_id = identity.registration.get(_NAME)
    if cloud_id is None:
        return None
    owner = next((one.unit for one in found if one.value == (CLOUD_ID, cloud_id)), None)
    if owner is not None and owner != unit:
        other = newest_of(connection, owner)
        return Refused(
            f"the cloud id {cloud_id} is that of unit {other.hardware_id}, which was in {other.place()}",
            hint="Each unit has one of its own. Is a row or a label used twice?",
            code="ledger.cloud-id-taken",
            other=other,
        )
    own = None if unit is None else _of(connection, unit)
    if own is not None and own != cloud_id and unit is not None:
        other = newest_of(connection, unit)
        return Refused(
            f"the unit has the cloud id {own} already, and now it would get {cloud_id}",
            hint="A cloud id stays: it is on the label. Does the order or registration.cloud_id say another one?",
            code="ledger.cloud-id-changed",
            other=other,
        )
    return None


def of_identity(identity: Identity) -> dict[Value, str]:
    """The cloud id as a value that a unit owns, with the name that stands beside values; empty where there is none."""
    cloud_id = identity.registration.get(_NAME)
    return {} if cloud_id is None else {(CLOUD_ID, cloud_id): ""}


def give(writer: Writer, unit: int, identity: Identity) -> None:
    """Make the cloud id of `identity` the unit's own. Call `objection` before."""
    cloud_id = identity.registration.get(_NAME)
    if cloud_id is not None and _of(writer.connection, unit) is None:
        row = {"kind": CLOUD_ID, "value": cloud_id, "unit": unit, "name": ""}
        writer.connection.execute(insert(identity_values).values(**row))


def _of(connection: Connection, unit: int) -> str | None:
    own = select(identity_values.c.value).where(_is_cloud_id & (identity_values.c.unit == unit))
    return connection.execute(own).scalar()
