"""Orders: which units are expected, and which row of them a unit is. One row, one unit."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, literal, select, update

from factory.errors import UsageError
from factory.ledger import lots
from factory.ledger.claim import MAC, SERIAL, Value, shown_by
from factory.ledger.direct import Direct
from factory.ledger.errors import OrderTaken, Refused
from factory.ledger.holdings import cells_of, holders
from factory.ledger.journal import append
from factory.ledger.order_records import (
    BY_ID,
    BY_MAC,
    BY_SERIAL,
    Imported,
    OrderFile,
    OrderRow,
    Skipped,
    folded,
)
from factory.ledger.owners import Owned, owned, units_with
from factory.ledger.records import as_text
from factory.ledger.schema import lots as lot_table
from factory.ledger.schema import order_keys, order_rows, orders
from factory.ledger.store import LostRace, Writer
from factory.values import Facts, Work, canonical, sentinel

_LONGEST = 255

_rows_of = select(order_rows.c.order_id, order_rows.c.number).where(
    order_rows.c.lot == bindparam("lot"), order_rows.c.unit.in_(bindparam("units", expanding=True))
)
_row = (
    select(order_rows, orders.c.file)
    .join(orders, orders.c.id == order_rows.c.order_id)
    .where(order_rows.c.order_id == bindparam("order"), order_rows.c.number == bindparam("number"))
)


@dataclass(frozen=True, slots=True)
class Found:
    """A row of an order, and the unit that has it (None: no unit yet)."""

    order: int
    number: int
    lot: str
    file: str
    cells: Mapping[str, str]
    unit: int | None

    @property
    def place(self) -> str:
        """Where it stands: 'order.xlsx row 5'."""
        return f"{self.file} row {self.number}"


def take_in(writer: Writer, order: OrderFile, rows: Sequence[OrderRow], *, skip_existing: bool) -> Imported:
    """Import the rows of an order, all or none. Raises UsageError for another product's lot, OrderTaken for rows of
    which a value is taken, unless those shall be skipped. Raises ValueError for a key that stands in the rows twice.
    """
    _require_product(writer.connection, order)
    _require_distinct(rows)
    skipped = _taken(writer.connection, rows)
    if skipped and not skip_existing:
        raise OrderTaken(order.file, order.lot, skipped)
    left_out = {one.number for one in skipped}
    taken = [row for row in rows if row.number not in left_out]
    number = _insert(writer, order, taken) if taken else None
    told: dict[str, object] = {"lot": order.lot, "product": order.product, "file": order.file, "sha256": order.sha256}
    told |= {"rows": len(taken), "skipped": len(skipped)}
    append(writer, "order.imported", data=told, about={order.file, order.sha256})
    return Imported(number, len(taken), skipped)


def assign(connection: Connection, facts: Facts, lot: str, *, required: bool) -> Work:
    """What the order gives to a unit: the cells of its row, the same at every attempt; nothing when it has no row.

    Raises UsageError for an unknown lot, Refused (`ledger.two-order-rows`, and `ledger.not-on-order` if `required`).
    """
    name = lots.find(connection, lot).name
    row = find(connection, facts, lot, owned(connection, shown_by(facts, None)))
    if row is not None:
        return Work(name, order=row.cells)
    if required:
        raise _not_expected(connection, facts, lot)
    return Work(name)


def find(connection: Connection, facts: Facts, lot: str, found: Iterable[Owned]) -> Found | None:
    """The order row of a unit: one that names its serial or a MAC of its, or the one that it got before. `found` is
    what units own of the values that it shows.

    Raises Refused (`ledger.two-order-rows`) that names both rows when two match.
    """
    keys = {(kind, value) for kind, values in _shown(facts).items() for value in values}
    values = {f"value{number}": value for number, value in enumerate(sorted({value for _, value in keys}))}
    rows = _named(len(values)).rows(connection, {"lot": lot, **values}) if keys else ()
    places = {(row.order_id, row.number) for row in rows if (row.kind, row.value) in keys}
    # A serial that many boards share says nothing once a row names the unit: the rules of admission judge it.
    owners = units_with(found, _marks(facts, by_serial=not places))
    if owners:
        there = connection.execute(_rows_of, {"lot": lot, "units": owners})
        places |= {(row.order_id, row.number) for row in there}
    rows_found = [_found(connection, *place) for place in sorted(places)]
    if len(rows_found) > 1:
        raise _two_rows(facts, rows_found)
    return rows_found[0] if rows_found else None


def bind(writer: Writer, row: Found, unit: int, attempt: int) -> None:
    """Give a row to the unit that was admitted with it; nothing when it has it. The database refuses a second unit."""
    if row.unit == unit:
        return
    place = (order_rows.c.order_id == row.order) & (order_rows.c.number == row.number)
    bound = writer.connection.execute(update(order_rows).where(place, order_rows.c.unit.is_(None)).values(unit=unit))
    if bound.rowcount != 1:
        raise LostRace(None)  # another unit was admitted with it a moment ago
    told = {"lot": row.lot, "file": row.file, "row": row.number, "unit": unit}
    append(writer, "order.assigned", attempt=attempt, data=told)


def _require_product(connection: Connection, order: OrderFile) -> None:
    bound = connection.execute(select(lot_table.c.product).where(lot_table.c.name == order.lot)).scalar()
    planned = select(orders.c.product).where(orders.c.lot == order.lot).limit(1)
    product = bound or connection.execute(planned).scalar()
    if product is not None and product != order.product:
        raise UsageError(
            f"lot {order.lot} is made as product {product}, and the order would be for {order.product}",
            hint="Name the product file of the lot, or another lot.",
            code="ledger.order-product",
        )


def _require_distinct(rows: Sequence[OrderRow]) -> None:
    keys = [key for row in rows for key in row.keys]
    if len(set(keys)) != len(keys) or len({row.number for row in rows}) != len(rows):
        raise ValueError("an order has two rows with the same key or number")


def _taken(connection: Connection, rows: Sequence[OrderRow]) -> tuple[Skipped, ...]:
    held = holders(connection, {key.value for row in rows for key in row.keys})
    skipped = []
    for row in rows:
        for key in row.keys:
            against = next((one for one in held.get(key.value, ()) if one.bars_order), None)
            if against is not None:
                names = [name for name, value in row.cells.items() if against.cells.get(name, value) != value]
                skipped.append(Skipped(row.number, key, against.where, against.state, tuple(names)))
                break
    return tuple(skipped)


def _insert(writer: Writer, order: OrderFile, rows: Sequence[OrderRow]) -> int:
    columns = {"lot": order.lot, "product": order.product, "file": order.file, "sha256": order.sha256}
    head = {**columns, "profile": order.profile, "rows": len(rows), "at": as_text(writer.now)}
    key = writer.connection.execute(insert(orders).values(**head, **writer.signature.columns())).inserted_primary_key
    assert key is not None
    number: int = key[0]
    place = {"lot": order.lot, "order_id": number}
    lines = [
        {**place, "number": row.number, "cells": canonical([list(cell) for cell in row.cells.items()]).decode("utf-8")}
        for row in rows
    ]
    keys = [{**place, "number": row.number, "kind": one.kind, "value": one.value} for row in rows for one in row.keys]
    writer.connection.execute(insert(order_rows), lines)
    writer.connection.execute(insert(order_keys), keys)
    return number


def _shown(facts: Facts) -> dict[str, list[str]]:
    """What a unit shows, in the forms of order keys. A placeholder is nobody's serial."""
    serials = {text for text in (facts.serial, facts.values.get("serial")) if text and not sentinel(text)}
    ids = serials | {text for text in facts.values.values() if text and not sentinel(text)}
    return {
        BY_MAC: sorted({mac.plain for mac in facts.interfaces.values() if mac.defect() is None}),
        BY_SERIAL: _folded(serials),
        # An id that is no address is the board's serial, or what a fact of the product's own says.
        BY_ID: _folded(ids | {mac.plain for mac in facts.interfaces.values()}),
    }


def _folded(texts: Iterable[str]) -> list[str]:
    return sorted({folded(text) for text in texts if len(text) <= _LONGEST})


@functools.lru_cache(maxsize=64)
def _named(count: int) -> Direct:
    """The keys of a lot's orders among so many values."""
    kinds = order_keys.c.kind.in_([literal(kind) for kind in (BY_ID, BY_MAC, BY_SERIAL)])
    values = order_keys.c.value.in_([bindparam(f"value{number}") for number in range(count)])
    return Direct(select(order_keys).where(order_keys.c.lot == bindparam("lot"), kinds, values))


def _marks(facts: Facts, *, by_serial: bool) -> set[Value]:
    """The values by whose owner a unit gets the row that it had before."""
    serial = {(SERIAL, facts.serial)} if facts.serial and by_serial else set()
    return {(MAC, mac.plain) for mac in facts.interfaces.values()} | serial


def _found(connection: Connection, order: int, number: int) -> Found:
    row: Row[Any] = connection.execute(_row, {"order": order, "number": number}).one()
    return Found(order, number, row.lot, row.file, cells_of(row.cells), row.unit)


def _who(facts: Facts) -> str:
    macs = ", ".join(f"{name} {mac.colons}" for name, mac in facts.interfaces.items())
    return f"serial {facts.serial or 'none'}, {macs or 'no MAC'}"


def _two_rows(facts: Facts, found: Sequence[Found]) -> Refused:
    places = " and ".join(row.place for row in found)
    return Refused(
        f"the order has {len(found)} rows for this unit ({_who(facts)}): {places}",
        hint="Its serial stands in one row and a MAC of its in another: compare the label with both rows.",
        code="ledger.two-order-rows",
    )


def _not_expected(connection: Connection, facts: Facts, lot: str) -> Refused:
    rows = connection.execute(select(func.count()).select_from(order_rows).where(order_rows.c.lot == lot)).scalar_one()
    if not rows:
        return Refused(
            f"lot {lot} has no order, and the product makes no unit without one",
            hint="Import it: factory sheet import FILE --product FILE --lot LOT.",
            code="ledger.not-on-order",
        )
    return Refused(
        f"this unit ({_who(facts)}) is not on the order of lot {lot}, which has {rows} rows",
        hint="Set it aside, or import an order that has it.",
        code="ledger.not-on-order",
    )
