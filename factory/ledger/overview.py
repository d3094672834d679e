"""The ledger at a glance: lots with their counts, and the latest attempts."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, func, select

from factory.ledger import lot_stops, lots, stages
from factory.ledger.attempts import as_attempt
from factory.ledger.records import LotRecord, LotSummary, Overview
from factory.ledger.schema import attempts, units, upload_rows, uploads


def show(connection: Connection, location: str, last: int) -> Overview:
    """Every lot, the oldest first, and the `last` attempts, the newest first."""
    newest = select(attempts).order_by(attempts.c.id.desc()).limit(last)
    summaries = tuple(_summary(connection, lot) for lot in lots.every(connection))
    return Overview(location, summaries, tuple(as_attempt(row) for row in connection.execute(newest)))


def _summary(connection: Connection, lot: LotRecord) -> LotSummary:
    of_lot = attempts.c.lot == lot.name
    by_attempt = select(attempts.c.state, func.count()).where(of_lot)
    owned = select(attempts.c.unit).where(of_lot, attempts.c.unit.is_not(None)).distinct()
    by_unit = select(units.c.state, func.count()).where(units.c.id.in_(owned))
    by_row = select(upload_rows.c.state, func.count()).join(uploads, uploads.c.name == upload_rows.c.upload)
    stop = lot_stops.standing(connection, lot.name)
    return LotSummary(
        lot,
        _counts(connection, by_attempt.group_by(attempts.c.state)),
        _counts(connection, by_unit.group_by(units.c.state)),
        _counts(connection, by_row.where(uploads.c.lot == lot.name).group_by(upload_rows.c.state)),
        stages.counts(connection, lot.name),
        None if stop is None else stop.told(),
    )


def _counts(connection: Connection, query: Select[Any]) -> dict[str, int]:
    return dict(sorted((str(row[0]), int(row[1])) for row in connection.execute(query)))
