"""Answers about one value, years later: every unit that ever showed it, and its whole life in order.

Every question goes by an index: a ledger of a million units answers like one of ten.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from sqlalchemy import Connection, func, select, union

from factory.ledger.attempts import as_attempt
from factory.ledger.cloud_registrations import cloud_registrations
from factory.ledger.histories import InPool, OnOrder, Trace
from factory.ledger.label_lookup import attempts_of as attempts_of_label
from factory.ledger.lives import events_of, life_of, receipts_of
from factory.ledger.manifests import WRITTEN
from factory.ledger.mentions import events_about
from factory.ledger.pool_imports import range_of
from factory.ledger.pool_tables import pool_cells
from factory.ledger.records import Attempt
from factory.ledger.schema import attempts, identity_values, order_keys, order_rows, orders, sightings, upload_rows
from factory.values import Event, InvalidValue
from factory.values.pools import Numbered, PoolKind

LIMIT = 1000
"""As many units as one answer tells; more than an upload has only those of an image or of templates."""


def trace(connection: Connection, value: str) -> Trace:
    """Find units and strangers by a MAC in any form, serial, hardware id, device name, cloud id, label, image or
    template hash, a row of an order, or the name or hash of a file that came in or went out.
    """
    forms = _forms(value)
    about = events_about(connection, forms)
    shown = _attempts_that_showed(connection, value, forms)
    found = {attempt.unit for attempt in shown if attempt.unit is not None}
    found |= _units_of_values(connection, forms) | _units_in_uploads(connection, about, forms)
    strangers = tuple(attempt for attempt in shown if attempt.unit is None)
    numbers = [attempt.id for attempt in strangers]
    ordered = _on_orders(connection, forms)
    found |= {one.unit for one in ordered if one.unit is not None}
    listed = sorted(found)
    lives = tuple(life_of(connection, unit) for unit in listed[:LIMIT])
    told = {(event.station, event.seq) for life in lives for event in life.events}
    return Trace(
        value,
        lives,
        strangers,
        receipts_of(connection, numbers),
        (
            *events_of(connection, attempts.c.id.in_(numbers), any_of=bool(numbers)),
            # What stands in the life of a unit is not told twice.
            *(event for event in about if (event.station, event.seq) not in told and event.attempt is None),
        ),
        tuple(one for one in ordered if one.unit is None),
        len(listed) - len(lives) + _made_with(connection, forms),
        () if listed else _in_pools(connection, value),
    )


def _forms(value: str) -> list[str]:
    """The ways in which the ledger may have written the value."""
    text = value.strip()
    folded = re.sub(r"[^a-z0-9]", "", text.lower())
    return sorted({text, text.lower(), text.upper(), folded} - {""})


def _attempts_that_showed(connection: Connection, value: str, forms: Sequence[str]) -> list[Attempt]:
    ways = union(
        select(sightings.c.attempt).where(sightings.c.value.in_(forms)),
        select(attempts.c.id).where(attempts.c.image.in_(forms)),
    )
    # One more than are told, so that it is known that there are more.
    numbers = {*connection.execute(ways.limit(LIMIT + 1)).scalars(), *attempts_of_label(connection, value)}
    if not numbers:
        return []
    query = select(attempts).where(attempts.c.id.in_(sorted(numbers))).order_by(attempts.c.id)
    return [as_attempt(row) for row in connection.execute(query)]


def _units_of_values(connection: Connection, forms: Sequence[str]) -> set[int]:
    """Units that own a value, have a cell of a pool, or are a record of a cloud."""
    ways = (
        select(identity_values.c.unit).where(identity_values.c.value.in_(forms)),
        select(pool_cells.c.unit).where(pool_cells.c.kind.in_(("mac", "serial")), pool_cells.c.value.in_(forms)),
        select(cloud_registrations.c.unit).where(cloud_registrations.c.device.in_(forms)),
    )
    return {unit for query in ways for unit in connection.execute(query).scalars() if unit is not None}


def _units_in_uploads(connection: Connection, about: Collection[Event], forms: Collection[str]) -> set[int]:
    names: set[str] = set()
    for event in about:
        if event.kind == WRITTEN and not set(_texts(event.data.get("uploads"))) & set(forms):
            names |= set(_texts(event.data.get("uploads")))
        elif event.kind == "upload.exported":
            names |= _exported(event, forms)
    query = select(upload_rows.c.unit).where(upload_rows.c.upload.in_(sorted(names)))
    return set(connection.execute(query).scalars()) if names else set()


def _exported(event: Event, forms: Collection[str]) -> set[str]:
    """The files of an export that are meant: one, or all when their workbook is."""
    files = event.data.get("files")
    found = set()
    for file in files if isinstance(files, list) else ():
        companions = file.get("companions", {})
        if set(forms) & {file["name"], file["sha256"], *companions, *companions.values()}:
            found.add(str(file["name"]))
    return found


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _on_orders(connection: Connection, forms: Sequence[str]) -> tuple[OnOrder, ...]:
    """The rows of orders that have the value, also those of which no unit was seen yet."""
    query = (
        select(orders.c.lot, orders.c.file, order_keys.c.number, order_rows.c.unit)
        .join(orders, orders.c.id == order_keys.c.order_id)
        .join(
            order_rows,
            (order_rows.c.order_id == order_keys.c.order_id) & (order_rows.c.number == order_keys.c.number),
        )
        .where(order_keys.c.value.in_(forms))
        .distinct()
    )
    return tuple(
        OnOrder(row.lot, row.file, row.number, row.unit)
        for row in sorted(connection.execute(query), key=lambda one: one[:3])
    )


def _in_pools(connection: Connection, value: str) -> tuple[InPool, ...]:
    """Where a value lies that no unit has yet."""
    found = []
    for kind in PoolKind:
        try:
            row = range_of(connection, Numbered.parse(kind, value.strip()))
        except InvalidValue:
            continue
        if row is not None:
            found.append(InPool(row.product, row.pool_name, row.file, row.place))
    return tuple(found)


def _made_with(connection: Connection, forms: Sequence[str]) -> int:
    """How many units were made with templates of this hash: a recall lists them."""
    made = select(func.count(attempts.c.unit.distinct())).where(attempts.c.template_sha256.in_(forms))
    return int(connection.execute(made).scalar_one()) if any(len(form) == 64 for form in forms) else 0
