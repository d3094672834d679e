"""Whether what stages came to is what the events say, and which lots stand still."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, exists, select

from factory.ledger.records import as_time
from factory.ledger.schema import events
from factory.ledger.stage_records import LotStop
from factory.ledger.stage_tables import lot_stops, stage_results


def untold(connection: Connection) -> Iterator[tuple[int, str]]:
    """Results that say what no event ever said, by number and in words: changed behind the journal's back."""
    one = stage_results.c
    here = (events.c.station == one.station) & (events.c.seq == one.seq)
    told = exists().where(here, events.c.kind == "stage." + one.outcome)
    for row in connection.execute(select(stage_results).where(~told).order_by(one.id)):
        yield row.id, f"stage {row.stage} of unit {row.hardware_id} {row.outcome}, and no event says so"


def standing(connection: Connection) -> tuple[LotStop, ...]:
    """The stops of all lots that nobody has accepted yet."""
    query = select(lot_stops).where(lot_stops.c.accepted.is_(None)).order_by(lot_stops.c.id)
    return tuple(as_stop(row) for row in connection.execute(query))


def as_stop(row: Row[Any]) -> LotStop:
    """The stop of a row of `lot_stops`. Raises LedgerError when the row is damaged."""
    return LotStop(row.lot, row.stage, row.code, row.cause, row.failures, row.station, row.slot, as_time(row.at))
