"""After-pass hooks: due from the commit of the pass until they succeed, also across a crash."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from factory.ledger.attempts import find
from factory.ledger.journal import append
from factory.ledger.records import HookDue, as_text, as_time
from factory.ledger.schema import attempts, hooks
from factory.ledger.store import Writer
from factory.ledger.uploads import passed_in
from factory.values import AttemptState, Event


def result(writer: Writer, attempt: int, ok: bool, detail: str) -> Event:
    """Record what a hook came to. Raises ValueError for an attempt that has not passed."""
    known = find(writer.connection, attempt)
    if known.state is not AttemptState.PASSED:
        raise ValueError(f"attempt {attempt} is {known.state}; hooks run after a pass")
    row = writer.connection.execute(select(hooks).where(hooks.c.attempt == attempt)).first()
    values = {"done": ok, "tries": (row.tries if row else 0) + 1, "detail": detail, "last_at": as_text(writer.now)}
    if row is None:
        writer.connection.execute(insert(hooks).values(attempt=attempt, **values))
    else:
        writer.connection.execute(update(hooks).where(hooks.c.attempt == attempt).values(**values))
    told = {"hardware_id": known.hardware_id, "ok": ok, "message": detail}
    return append(writer, "hook.ok" if ok else "hook.failed", slot=known.slot, attempt=attempt, data=told)


def due(connection: Connection, lot: str | None) -> tuple[HookDue, ...]:
    """Passed units whose hook has not succeeded, in order of their attempts."""
    query = select(hooks, attempts.c.lot).join(attempts, attempts.c.id == hooks.c.attempt)
    query = query.where(hooks.c.done.is_(False)).order_by(hooks.c.attempt)
    if lot is not None:
        query = query.where(attempts.c.lot == lot)
    found = []
    for row in connection.execute(query).all():
        unit = passed_in(connection, row.attempt)
        if unit is None:
            continue  # its newest pass has a hook of its own
        last = as_time(row.last_at)
        found.append(HookDue(row.attempt, row.lot, unit.hardware_id, row.tries, row.detail, last, unit))
    return tuple(found)
