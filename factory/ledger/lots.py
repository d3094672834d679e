"""Lots: bound to one product at their first unit, so that all units of a lot are made alike."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from factory.errors import UsageError
from factory.ledger.errors import LotChanged
from factory.ledger.journal import append
from factory.ledger.records import Binding, LotRecord, as_text, as_time
from factory.ledger.schema import lots, orders
from factory.ledger.store import Writer

_WORDS = {
    "product": "product name",
    "product_sha256": "product file",
    "template_sha256": "templates",
    "key_version": "key version",
}


def bind(writer: Writer, lot: str, binding: Binding, accept_reason: str | None) -> LotRecord:
    """Bind a new lot, or check a known one. Raises LotChanged, unless the change is accepted with a reason."""
    row = writer.connection.execute(select(lots).where(lots.c.name == lot).with_for_update()).first()
    if row is None:
        against = order_of_another(writer.connection, lot, binding.product)
        if against and not accept_reason:
            raise LotChanged(lot, (against,))
        values = {**asdict(binding), "bound_at": as_text(writer.now), **writer.signature.columns()}
        writer.connection.execute(insert(lots).values(name=lot, **values))
        append(writer, "lot.bound", data={"lot": lot, **asdict(binding)}, about=_about(lot, binding))
        return LotRecord(lot, binding, writer.now, writer.signature.station)
    known = _record(row)
    differences = _differences(known.binding, binding)
    if not differences:
        return known
    if not accept_reason:
        raise LotChanged(lot, differences)
    writer.connection.execute(update(lots).where(lots.c.name == lot).values(**asdict(binding)))
    data = {"lot": lot, "was": asdict(known.binding), "now": asdict(binding), "reason": accept_reason}
    append(writer, "lot.changed", data=data, about=_about(lot, binding))
    return LotRecord(lot, binding, known.bound_at, known.station)


def order_of_another(connection: Connection, lot: str, product: str) -> str | None:
    """What speaks against making a lot as `product`: an order of the lot that is for another one."""
    other = select(orders).where(orders.c.lot == lot, orders.c.product != product).limit(1)
    row = connection.execute(other).first()
    return None if row is None else f"its order {row.file} is for product {row.product}, this is {product}"


def find(connection: Connection, lot: str, *, lock: bool = False) -> LotRecord:
    """The lot, with `lock` held until the transaction ends. Raises UsageError that names the lots there are."""
    query = select(lots).where(lots.c.name == lot)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        names = connection.execute(select(lots.c.name).order_by(lots.c.bound_at.desc()).limit(20)).scalars().all()
        there = (
            f"There are: {', '.join(names)}."
            if names
            else "The ledger has no lot yet: a station that flashes begins one."
        )
        raise UsageError(f"there is no lot {lot} in the ledger", hint=there, code="ledger.no-lot")
    return _record(row)


def every(connection: Connection) -> tuple[LotRecord, ...]:
    """All lots, the oldest first."""
    return tuple(_record(row) for row in connection.execute(select(lots).order_by(lots.c.bound_at, lots.c.name)))


def _record(row: Row[Any]) -> LotRecord:
    binding = Binding(row.product, row.product_sha256, row.template_sha256, row.key_version)
    return LotRecord(row.name, binding, as_time(row.bound_at), row.station)


def _about(lot: str, binding: Binding) -> set[str]:
    return {lot, binding.product_sha256, binding.template_sha256}


def _differences(was: Binding, now: Binding) -> tuple[str, ...]:
    return tuple(
        f"{_WORDS[name]} was {_short(old)}, is {_short(new)}"
        for name, old, new in ((name, getattr(was, name), getattr(now, name)) for name in _WORDS)
        if old != new
    )


def _short(value: object) -> str:
    text = str(value)
    return text[:12] + "..." if len(text) == 64 else text
