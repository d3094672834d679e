"""Upload rows of ours for units that were made anew, or taken out, by a station that knew nothing of the upload."""

from __future__ import annotations

from sqlalchemy import select, tuple_, update

from factory.ledger.attempts import newest_of
from factory.ledger.journal import append
from factory.ledger.merging.placing import Place
from factory.ledger.merging.plan import Plan
from factory.ledger.merging.sides import parts
from factory.ledger.records import as_text
from factory.ledger.schema import DEAD_ROWS, upload_rows
from factory.ledger.store import Writer
from factory.values import RowState, UnitState


def withdraw(writer: Writer, plan: Plan) -> int:
    """Mark those rows as to be published anew, as `rework` does, and tell which rows to delete at the portal. Returns
    how many.
    """
    ours = [place.here.unit for place in plan.places.values() if place.here and not place.aside and _made_anew(place)]
    count = 0
    mine = upload_rows.c
    for part in parts(sorted(ours)):
        live = select(upload_rows).where(mine.unit.in_(part), mine.state.not_in(DEAD_ROWS))
        rows = writer.connection.execute(live).all()
        places = [(row.upload, row.position) for row in rows]
        known = select(upload_rows.c.upload, upload_rows.c.position).where(
            tuple_(mine.upload, mine.position).in_(places)
        )
        theirs = {(row.upload, row.position) for row in plan.source.execute(known)}
        for row in rows:
            if (row.upload, row.position) in theirs:
                continue
            changed = {"state": str(RowState.NEEDS_REPUBLISH), "changed": as_text(writer.now)}
            writer.connection.execute(update(upload_rows).where(mine.id == row.id).values(**changed))
            last = newest_of(writer.connection, row.unit)
            told = {"hardware_id": last.hardware_id, "upload": row.upload, "row": row.position, "was": row.state}
            append(writer, "upload.withdrawn", slot=last.slot, attempt=last.id, data=told)
            count += 1
    return count


def _made_anew(place: Place) -> bool:
    written = any(attempt.image for attempt in place.fresh)
    return written or place.state in (UnitState.REWORK, UnitState.SCRAPPED)
