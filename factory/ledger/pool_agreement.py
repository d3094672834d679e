"""Pools against the chain and against themselves: a value that counts as free, and is not, would be given twice."""

from __future__ import annotations

import bisect
import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, Select, exists, select

from factory.errors import FactoryError
from factory.ledger.carried import JOURNAL, taken_along
from factory.ledger.errors import LedgerError
from factory.ledger.mentions import mentions
from factory.ledger.merging.conflicts import merge_conflicts
from factory.ledger.pool_tables import pool_cells, pool_leases, pool_ranges, pools
from factory.ledger.records import as_data
from factory.ledger.schema import events
from factory.values.pools import shown_value, text_of

_AT_ONCE = 1000
_TELLING = ("pool.given", "pool.burned")
_RowOf = tuple[str, str, int]


def contradictions(connection: Connection) -> Iterator[tuple[str, str]]:
    """Places and what is wrong there, rows of cells held against the events that told them. A journal's cells are
    those of its server, which told them.
    """
    if taken_along(connection, JOURNAL) is not None:
        return
    contradicted = connection.execute(select(merge_conflicts.c.digest).where(merge_conflicts.c.kind == "pool")).first()
    for _, group in groupby(connection.execute(_cells_with_events()), key=lambda row: (row.kind, row.value)):
        rows = list(group)
        wrong = _wrong(rows[0], list(_told(rows)), may_be_burned=contradicted is not None)
        if wrong:
            yield f"pool {rows[0].name} of product {rows[0].product}", f"{_shown(rows[0])} {wrong}"
    cell = exists().where(mentions.c.station == events.c.station, mentions.c.seq == events.c.seq)
    cell = cell.where(pool_cells.c.value == mentions.c.name)
    lost = select(events.c.station, events.c.seq).where(events.c.kind.in_(_TELLING), ~cell)
    for row in connection.execute(lost.order_by(events.c.station, events.c.seq)):
        yield f"station {row.station}, event {row.seq}", "tells a value of a pool that no pool knows any more"


def faults(connection: Connection) -> Iterator[tuple[str, str]]:
    """What no writer leaves: counters beyond their ends, leases that share a cell or have cells that their range calls
    free.
    """
    ranges: dict[_RowOf, list[Row[Any]]] = defaultdict(list)
    for row in connection.execute(select(pool_ranges).order_by(pool_ranges.c.low)):
        ranges[row.kind, row.prefix, row.width].append(row)
        if not 0 <= row.taken <= row.cells:
            yield f"range {row.file} {row.place}", f"{row.taken} of its {row.cells} cells are leased"
    before: dict[_RowOf, Row[Any]] = {}
    lows = {key: [row.low for row in rows] for key, rows in ranges.items()}
    for row in connection.execute(select(pool_leases).order_by(pool_leases.c.first)):
        key = (row.kind, row.prefix, row.width)
        at = bisect.bisect_right(lows.get(key, []), row.first) - 1
        for what in _of_lease(row, before.get(key), ranges[key][at] if at >= 0 else None):
            yield f"lease {row.id} of station {row.station}", what
        before[key] = row


def _of_lease(row: Row[Any], before: Row[Any] | None, lies_in: Row[Any] | None) -> Iterator[str]:
    if not 0 <= row.next <= row.cells:
        yield f"{row.next} of its {row.cells} cells are gone"
    first = shown_value(row.kind, text_of(row.kind, row.prefix, row.width, row.first))
    if before is not None and row.first <= before.first + (before.cells - 1) * before.stride:
        yield f"{first} is leased to station {before.station} too, in lease {before.id}"
    if lies_in is None or not lies_in.low <= row.first <= lies_in.high:
        return  # a merge left the range out
    end = row.first + (row.cells - 1) * row.stride
    if end >= lies_in.first + lies_in.taken * lies_in.stride:
        yield f"it begins at {first}, and some of its cells can be leased once more: {lies_in.taken} are said to be"


def _cells_with_events() -> Select[Any]:
    """Each cell with the events about its first value."""
    told = (events.c.station == mentions.c.station) & (events.c.seq == mentions.c.seq) & events.c.kind.in_(_TELLING)
    return (
        select(pool_cells.c.kind, pool_cells.c.value, pool_cells.c.key, pool_cells.c.state)
        .add_columns(pools.c.product, pools.c.name, events.c.kind.label("told"), events.c.data)
        .join(pools, pools.c.id == pool_cells.c.pool)
        .outerjoin(mentions.join(events, told), mentions.c.name == pool_cells.c.value)
        .order_by(pool_cells.c.kind, pool_cells.c.value)
        .execution_options(yield_per=_AT_ONCE)
    )


def _told(rows: Sequence[Row[Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What the events say of one cell, with the kind of each."""
    shown = _shown(rows[0])
    for row in rows:
        if row.told is None:
            continue
        with contextlib.suppress(LedgerError, KeyError, IndexError, TypeError):  # damaged: its chain says so
            data = as_data(row.data)
            if data["values"][0] == shown:
                yield row.told, data


def _wrong(row: Row[Any], told: Sequence[tuple[str, Mapping[str, Any]]], *, may_be_burned: bool) -> str:
    if row.state not in ("given", "burned"):
        return f"is {row.state!r}, which is nothing that a value can be"
    own = [data for _, data in told if (data.get("product"), data.get("pool")) == (row.product, row.name)]
    burned = any(kind == "pool.burned" for kind, _ in told)
    if not own:
        return f"is {row.state} from this pool, and no event says so"
    if row.key not in [data.get("key") for data in own]:
        return f"belongs to the unit with key {row.key!r}, and no event says so"
    # A merge burns what two ledgers gave; what only the other one burned it left as ours was, and told that.
    if row.state == "given" and burned and not may_be_burned:
        return "is given, and an event says that it is burned"
    return ""


def _shown(row: Row[Any]) -> str:
    try:
        return shown_value(row.kind, row.value)
    except (FactoryError, TypeError, AttributeError):  # damaged: no event tells such a one
        return str(row.value)
