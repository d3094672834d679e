"""What a report of a lot is made of: every attempt, the steps of each, the units and what became of them. Reads only.

Columns of texts, as they stand in the tables: who reads them gives each its type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Select, and_, select

from factory.ledger import lots
from factory.ledger.claim import HARDWARE_ID, SERIAL
from factory.ledger.office import Office
from factory.ledger.records import LotRecord
from factory.ledger.schema import attempts, events, identity_values, units
from factory.ledger.stage_tables import stage_results

Columns = Mapping[str, Sequence[str | None]]
"""Rows by column: every list is as long as the others; numbers are texts, NULL is None."""

STEPS = ("attempt.admitted", "attempt.flashing", "attempt.flashed", "attempt.proved", "attempt.passed")
CHANGES = ("unit.rework", "unit.quarantined", "unit.released", "unit.scrapped")
_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class LotRecords:
    """A lot as its ledger tells it at one moment.

    `attempts` are in the order in which they were committed, which no clock can upset; `serial_owner` and `id_owner`
    say which unit of the whole ledger owns the serial and the hardware id that an attempt showed. `steps` are the
    events of the attempts in the order of their station's chain, with their times; `units` the units that were
    admitted in the lot, as they stand now; `changes` what was done to them afterwards; `stages` what the stages beyond
    the flash came to, in the order of the ledger.
    """

    lot: LotRecord
    attempts: Columns
    steps: Columns
    units: Columns
    changes: Columns
    stages: Columns = field(default_factory=dict)


class ShiftRecords(Office):
    """Every method is one transaction. All raise LedgerError when the file cannot be read."""

    def lot_records(self, lot: str) -> LotRecords:
        """Everything that a report of a lot needs, as it stands in one moment. Raises UsageError for an unknown lot."""
        with self._store.snapshot() as connection:
            return LotRecords(
                lots.find(connection, lot),
                _columns(connection, _attempts(lot)),
                _columns(connection, _events(lot, STEPS)),
                _columns(connection, _units(lot)),
                _columns(connection, _events(lot, CHANGES, events.c.data)),
                _columns(connection, _stages(lot)),
            )


def _attempts(lot: str) -> Select[Any]:
    of_serial, of_id = identity_values.alias("of_serial"), identity_values.alias("of_id")
    names = (
        "id", "unit", "number", "station", "slot", "operator", "software", "state", "hardware_id", "serial", "image",
        "started", "ended", "code", "cause",
    )  # fmt: skip
    # Both joins meet a primary key: one owner at most, or none.
    return (
        select(
            *(attempts.c[name] for name in names),
            of_serial.c.unit.label("serial_owner"),
            of_id.c.unit.label("id_owner"),
        )
        .outerjoin(of_serial, and_(of_serial.c.kind == SERIAL, of_serial.c.value == attempts.c.serial))
        .outerjoin(of_id, and_(of_id.c.kind == HARDWARE_ID, of_id.c.value == attempts.c.hardware_id))
        # Turned away at a later stage: it says nothing of the flash.
        .where(attempts.c.lot == lot, attempts.c.stage.is_(None))
        .order_by(attempts.c.id)
    )


def _events(lot: str, kinds: Sequence[str], *more: Any) -> Select[Any]:
    columns = (events.c.attempt, events.c.kind, events.c.station, events.c.seq, events.c.at, *more)
    return (
        select(*columns)
        .join(attempts, attempts.c.id == events.c.attempt)
        .where(attempts.c.lot == lot, events.c.kind.in_(kinds))
        .order_by(events.c.station, events.c.seq)
    )


def _stages(lot: str) -> Select[Any]:
    names = ("stage", "unit", "attempt", "number", "outcome", "code", "cause", "station", "slot")
    columns = (stage_results.c[name] for name in names)
    return select(*columns).where(stage_results.c.lot == lot).order_by(stage_results.c.id)


def _units(lot: str) -> Select[Any]:
    here = select(attempts.c.unit).where(attempts.c.lot == lot, attempts.c.unit.is_not(None)).distinct()
    return select(units.c.id, units.c.state).where(units.c.id.in_(here)).order_by(units.c.id)


def _columns(connection: Connection, query: Select[Any]) -> Columns:
    """Rows as columns, fetched in portions: a lot may be large, and no row is kept twice."""
    result = connection.execute(query.execution_options(yield_per=_AT_ONCE))
    names = tuple(result.keys())
    columns: dict[str, list[str | None]] = {name: [] for name in names}
    for portion in result.partitions():
        for name, values in zip(names, zip(*portion, strict=True), strict=True):
            columns[name] += [None if value is None else str(value) for value in values]
    return columns
