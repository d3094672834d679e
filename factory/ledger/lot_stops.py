"""A lot stops by itself when its last N units failed with the same code, whatever station they were at.

What counts are failures, in the order in which the attempts began. A unit that was refused says nothing about the lot,
and neither does an attempt that was called off. The stop is a row of its own: it stays until somebody says why the
lot goes on, also when another station passes a unit meanwhile.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, Select, Table, func, insert, select, update

from factory.errors import UsageError
from factory.ledger.attempts import INTERRUPTED
from factory.ledger.first_articles import STOPPED
from factory.ledger.journal import append
from factory.ledger.records import as_text
from factory.ledger.schema import attempts
from factory.ledger.stage_agreement import as_stop
from factory.ledger.stage_records import LotStop
from factory.ledger.stage_tables import lot_stops, stage_results
from factory.ledger.store import Writer
from factory.values import AttemptState

NOT_COUNTED = frozenset({INTERRUPTED, "line.interrupted", "line.removed", STOPPED})
"""Codes of attempts that were called off: they say nothing about units, slots or lots."""


def standing(connection: Connection, lot: str) -> LotStop | None:
    """The stop of a lot that nobody has accepted yet."""
    row = connection.execute(_standing(lot)).first()
    return None if row is None else as_stop(row)


def judge(writer: Writer, lot: str, stage: str, after: int) -> LotStop | None:
    """Stop the lot if the newest `after` attempts at its stage (empty: the flash) failed with the same code; return
    the stop that stands then, or stood before.
    """
    found = standing(writer.connection, lot)
    if found is not None or after < 1:
        return found
    rows = _newest_failures(writer.connection, lot, stage, after)
    if len(rows) < after or len({row.code for row in rows}) > 1:
        return None
    last = rows[0]
    stop = {
        "lot": lot,
        "stage": stage,
        "code": last.code or "",
        "cause": last.cause or "",
        "failures": after,
        "slot": last.slot,
    }
    values = stop | {"at": as_text(writer.now), **writer.signature.columns()}
    writer.connection.execute(insert(lot_stops).values(**values))
    append(writer, "lot.stopped", slot=last.slot, data=stop)
    return standing(writer.connection, lot)


def accept(writer: Writer, lot: str, reason: str) -> LotStop:
    """Go on with a lot that stopped. Raises UsageError (`ledger.no-stop`) when it did not: a reason that lies in wait
    would let the next failures through.
    """
    row = writer.connection.execute(_standing(lot).with_for_update()).first()
    if row is None:
        raise UsageError(
            f"lot {lot} has not stopped",
            hint="Start without accepting anything.",
            code="ledger.no-stop",
        )
    values = {
        "accepted": reason,
        "accepted_at": as_text(writer.now),
        "accepted_by": writer.signature.operator,
        "after_attempt": _newest(writer.connection, attempts),
        "after_result": _newest(writer.connection, stage_results),
    }
    writer.connection.execute(update(lot_stops).where(lot_stops.c.id == row.id).values(**values))
    stop = as_stop(row)
    told = {"lot": lot, "stage": stop.stage, "code": stop.code, "failures": stop.failures, "reason": reason}
    append(writer, "lot.accepted", slot=stop.slot, data=told)
    return stop


def _newest_failures(connection: Connection, lot: str, stage: str, limit: int) -> list[Row[Any]]:
    """The newest failures of a stage, the newest first, that no pass and no acceptance came after."""
    table = stage_results if stage else attempts
    state = stage_results.c.outcome if stage else attempts.c.state
    mine = [table.c.lot == lot, *([stage_results.c.stage == stage] if stage else [])]
    passed = select(func.max(table.c.id)).where(*mine, state == str(AttemptState.PASSED))
    since = max(connection.execute(passed).scalar() or 0, _accepted_after(connection, lot, stage))
    query = select(table.c.id, table.c.code, table.c.cause, table.c.slot).where(
        *mine, state == str(AttemptState.FAILED), table.c.id > since, table.c.code.not_in(sorted(NOT_COUNTED))
    )
    return list(connection.execute(query.order_by(table.c.id.desc()).limit(limit)))


def _accepted_after(connection: Connection, lot: str, stage: str) -> int:
    after = lot_stops.c.after_result if stage else lot_stops.c.after_attempt
    return connection.execute(select(func.max(after)).where(lot_stops.c.lot == lot)).scalar() or 0


def _newest(connection: Connection, table: Table) -> int:
    return connection.execute(select(func.max(table.c.id))).scalar() or 0


def _standing(lot: str) -> Select[Any]:
    return select(lot_stops).where(lot_stops.c.lot == lot, lot_stops.c.accepted.is_(None))
