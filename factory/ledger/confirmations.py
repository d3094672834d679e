"""What the cloud itself holds: upload rows that are seen there go up to preregistered or online, and never down."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from factory.ledger import lots, uploads
from factory.ledger.journal import append
from factory.ledger.office import Office
from factory.ledger.records import PassedUnit, as_text, as_time
from factory.ledger.schema import passes, upload_rows
from factory.ledger.schema import uploads as uploads_table
from factory.ledger.store import Writer
from factory.values import RowState

CONFIRMABLE = {
    RowState.EXPORTED: 0,
    RowState.UNKNOWN: 0,
    RowState.UPLOADED: 0,
    RowState.PREREGISTERED: 1,
    RowState.ONLINE: 2,
}
"""States of a row that stands for what the cloud holds, and their order. A row that was refused or is to be published
again does not: what the cloud holds then is of an earlier upload, or somebody else's.
"""
_SEEN = (RowState.PREREGISTERED, RowState.ONLINE)


class Confirmations(Office):
    """Every method is one transaction; what it returns is committed. All raise LedgerError when the file cannot be
    read or written.
    """

    def confirm_rows(self, lot: str, seen: Mapping[int, RowState], *, source: str) -> int:
        """Take over what was seen in the cloud: units, and whether each is PREREGISTERED or ONLINE there. Returns how
        many rows changed; a unit whose row knows better, or is not CONFIRMABLE any more, stays as it is. `source` says
        which cloud was asked. Raises UsageError for an unknown lot.
        """
        return self._store.write(lambda writer: _confirm(writer, lot, seen, source))

    def exported_again(self, lot: str) -> Mapping[int, datetime]:
        """The lot's units that stand in more than one upload, of whichever lot, and when the newest was exported: a
        device of the cloud that is older than that is of an earlier registration.
        """
        with self._store.reading() as connection:
            return _exported_again(connection, lot)


def _confirm(writer: Writer, lot: str, seen: Mapping[int, RowState], source: str) -> int:
    if any(state not in _SEEN for state in seen.values()):
        raise ValueError("what is seen in a cloud is preregistered or online")
    lots.find(writer.connection, lot, lock=True)
    moved = [
        (unit, seen[unit.unit])
        for unit in uploads.passed(writer.connection, lot, CONFIRMABLE.keys())
        if unit.unit in seen and CONFIRMABLE[seen[unit.unit]] > CONFIRMABLE[unit.row]
    ]
    if not moved:
        return 0
    statement = update(upload_rows).where(
        upload_rows.c.unit == bindparam("of_unit"),
        upload_rows.c.upload == bindparam("of_upload"),
        upload_rows.c.state == bindparam("was"),
    )
    values: dict[str, Any] = {"state": bindparam("now"), "reason": None, "changed": as_text(writer.now)}
    writer.connection.execute(statement.values(**values), [_change(unit, state) for unit, state in moved])
    told = {str(one): [unit.hardware_id for unit, state in moved if state is one] for one in _SEEN}
    about = {unit.upload for unit, _ in moved if unit.upload}
    append(writer, "upload.confirmed", data={"lot": lot, "source": source, **told}, about=about)
    return len(moved)


def _exported_again(connection: Connection, lot: str) -> Mapping[int, datetime]:
    of_lot = select(passes.c.unit).where(passes.c.lot == lot)
    newest = (
        select(func.max(upload_rows.c.id))
        .where(upload_rows.c.unit.in_(of_lot))
        .group_by(upload_rows.c.unit)
        .having(func.count() > 1)
    )
    query = (
        select(upload_rows.c.unit, uploads_table.c.at)
        .join(uploads_table, uploads_table.c.name == upload_rows.c.upload)
        .where(upload_rows.c.id.in_(newest))
    )
    return {row.unit: as_time(row.at) for row in connection.execute(query)}


def _change(unit: PassedUnit, state: RowState) -> dict[str, object]:
    return {"of_unit": unit.unit, "of_upload": unit.upload, "was": str(unit.row), "now": str(state)}
