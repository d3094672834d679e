"""Who holds a value: units and rows of orders, looked up for a whole sheet with a few queries."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select, text

from factory.ledger.claim import DEVICE_NAME, FOLDED, MAC
from factory.ledger.order_records import Holding
from factory.ledger.records import as_data, damaged
from factory.ledger.schema import attempts, identity_values, order_keys, order_rows, orders, units, upload_rows
from factory.ledger.uploads import newest_row
from factory.values import RowState, UnitState

# As many values as one statement of any engine takes.
CHUNK = 500
_LOOKED_UP = (MAC, FOLDED, DEVICE_NAME)
# Spelled out as in the index, which is of serials alone.
_IS_SERIAL = text("kind = 'serial'")


def holders(connection: Connection, values: Collection[str]) -> Mapping[str, tuple[Holding, ...]]:
    """Who holds each of these values: a MAC in plain hex, a folded id or serial, a name in lower case.

    Units come before rows of orders; values that nobody holds are left out.
    """
    wanted = set(values)
    units_of: dict[str, set[int]] = {}
    rows_of: dict[str, set[tuple[int, int]]] = {}
    for part in chunks(sorted(wanted)):
        owned = select(identity_values).where(identity_values.c.value.in_(part))
        # One look per value and not one for each kind: most values of a sheet are nobody's.
        for row in connection.execute(owned):
            if row.kind in _LOOKED_UP:
                units_of.setdefault(row.value, set()).add(row.unit)
        # Serials are kept as the board says them, and compared folded.
        named = select(identity_values.c.name, identity_values.c.unit)
        for value, unit in connection.execute(named.where(_IS_SERIAL, identity_values.c.name.in_(part))):
            units_of.setdefault(value, set()).add(unit)
        keys = select(order_keys).where(order_keys.c.value.in_(part))
        for row in connection.execute(keys):
            rows_of.setdefault(row.value, set()).add((row.order_id, row.number))
    made = _units(connection, {unit for found in units_of.values() for unit in found})
    ordered = _order_rows(connection, {place for found in rows_of.values() for place in found})
    return {
        value: (
            *(made[unit] for unit in sorted(units_of.get(value, ()))),
            *(ordered[place] for place in sorted(rows_of.get(value, ()))),
        )
        for value in sorted(units_of.keys() | rows_of.keys())
    }


def cells_of(text: str) -> dict[str, str]:
    """The cells of an order row, in the sheet's order. Raises LedgerError when the text is none."""
    try:
        return {str(name): str(value) for name, value in json.loads(text)}
    except (ValueError, TypeError) as error:
        raise damaged("a row of an order cannot be read") from error


def chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The values in parts that one statement takes."""
    return (values[start : start + CHUNK] for start in range(0, len(values), CHUNK))


def _units(connection: Connection, wanted: Collection[int]) -> dict[int, Holding]:
    found: dict[int, Holding] = {}
    for part in chunks(sorted(wanted)):
        newest = select(func.max(attempts.c.id)).where(attempts.c.unit.in_(part)).group_by(attempts.c.unit)
        query = (
            select(
                attempts.c.unit,
                attempts.c.lot,
                attempts.c.state,
                attempts.c.identity,
                units.c.state.label("unit_state"),
                upload_rows.c.upload,
                upload_rows.c.position,
                upload_rows.c.state.label("row_state"),
            )
            .join(units, units.c.id == attempts.c.unit)
            .outerjoin(upload_rows, upload_rows.c.id == newest_row(attempts.c.unit))
            .where(attempts.c.id.in_(newest))
        )
        for row in connection.execute(query):
            found[row.unit] = _holding(row)
    return found


def _holding(row: Any) -> Holding:
    identity = as_data(row.identity)
    passed = row.unit_state == str(UnitState.PASSED)
    listed = RowState(row.row_state) if row.row_state else RowState.UNLISTED
    states = [str(row.state) if row.unit_state == str(UnitState.OPEN) else str(row.unit_state)]
    if listed is not RowState.UNLISTED:
        states.append(str(listed))
    return Holding(
        lot=row.lot,
        state=", ".join(states),
        unit=row.unit,
        passed=passed,
        settled=row.unit_state != str(UnitState.OPEN),
        hardware_id=identity["hardware_id"],
        device_name=identity["device_name"],
        categories=identity["categories"],
        macs=identity["macs"],
        upload=None if row.upload is None else (row.upload, row.position),
    )


def _order_rows(connection: Connection, wanted: Collection[tuple[int, int]]) -> dict[tuple[int, int], Holding]:
    files = {row.id: row for row in connection.execute(select(orders))}
    found: dict[tuple[int, int], Holding] = {}
    for order in sorted({place[0] for place in wanted}):
        for part in chunks(sorted(number for one, number in wanted if one == order)):
            query = select(order_rows).where(order_rows.c.order_id == order, order_rows.c.number.in_(part))
            for row in connection.execute(query):
                state = "on the order" if row.unit is None else "on the order, and its unit was here"
                place = (files[order].file, row.number)
                holding = Holding(row.lot, state, unit=row.unit, order=place, cells=cells_of(row.cells))
                found[order, row.number] = holding
    return found
