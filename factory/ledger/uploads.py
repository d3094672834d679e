"""Uploads: which passed unit stands in which file, in which row, and never in two live ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row, ScalarSelect, Select, func, insert, select

from factory.errors import UsageError
from factory.ledger import lots
from factory.ledger.journal import append
from factory.ledger.records import PassedUnit, UploadFile, UploadRecord, as_data, as_text, as_time
from factory.ledger.schema import DEAD_ROWS, attempts, passes, units, upload_rows, uploads
from factory.ledger.store import Writer
from factory.values import Event, RowState, UnitState, canonical

# As many values as one statement of any engine takes.
_CHUNK = 500


def passed(connection: Connection, lot: str, states: Collection[RowState] | None) -> tuple[PassedUnit, ...]:
    """The lot's passed units in the order of passing; `states` keeps those whose upload row is in one of them."""
    lots.find(connection, lot)
    found = tuple(as_passed(row) for row in connection.execute(_query(passes.c.lot == lot)))
    return found if states is None else tuple(unit for unit in found if unit.row in states)


def passed_in(connection: Connection, attempt: int) -> PassedUnit | None:
    """The unit that passed in this attempt; None when it is passed no more, or has passed again since."""
    row = connection.execute(_query(passes.c.attempt == attempt)).first()
    return None if row is None else as_passed(row)


def newest_row(unit: Column[int]) -> ScalarSelect[int]:
    """The number of a unit's newest upload row; `unit` is a column of the query that it stands in."""
    every_row = upload_rows.alias()
    return select(func.max(every_row.c.id)).where(every_row.c.unit == unit).correlate(unit.table).scalar_subquery()


def _newest_pass() -> ScalarSelect[int]:
    """The number of a unit's newest pass: one that was flashed again has passed more than once."""
    every = passes.alias()
    return select(func.max(every.c.id)).where(every.c.unit == passes.c.unit).correlate(passes).scalar_subquery()


def _query(which: ColumnElement[bool]) -> Select[Any]:
    newest = newest_row(passes.c.unit)
    columns = (passes.c.unit, passes.c.at, attempts, upload_rows.c.state.label("row_state"), upload_rows.c.upload)
    return (
        select(*columns)
        .select_from(passes)
        .join(attempts, attempts.c.id == passes.c.attempt)
        .join(units, units.c.id == passes.c.unit)
        .outerjoin(upload_rows, upload_rows.c.id == newest)
        .where(which, units.c.state == str(UnitState.PASSED), passes.c.id == _newest_pass())
        .order_by(passes.c.id)
    )


def as_passed(row: Row[Any]) -> PassedUnit:
    """The unit of a row of the query above. Raises LedgerError when the row is damaged."""
    identity = as_data(row.identity)
    return PassedUnit(
        unit=row.unit,
        attempt=row.id,
        lot=row.lot,
        hardware_id=identity["hardware_id"],
        device_name=identity["device_name"],
        bulk_identification_code=identity["bulk_identification_code"],
        macs=identity["macs"],
        serial=identity["serial"],
        categories=identity["categories"],
        key_version=row.key_version,
        fingerprint=row.fingerprint,
        image=row.image,
        station=row.station,
        slot=row.slot,
        passed_at=as_time(row.at),
        row=RowState(row.row_state) if row.row_state else RowState.UNLISTED,
        upload=row.upload,
        key_parts=identity.get("key_parts", {}),
    )


def next_number(connection: Connection, lot: str) -> int:
    """The number of the lot's next upload file, from 1."""
    highest = select(func.max(uploads.c.number)).where(uploads.c.lot == lot)
    return (connection.execute(highest).scalar_one() or 0) + 1


def export(writer: Writer, lot: str, files: Sequence[UploadFile], folder: str | None = None) -> Event:
    """Record the files of one export, in `folder`, and mark their rows exported, all or none. Raises UsageError."""
    wanted = [unit for file in files for unit in file.units]
    lots.find(writer.connection, lot, lock=True)  # one export of a lot at a time
    _refuse_taken_names(writer.connection, lot, files)
    passed_in = _attempts_of(writer.connection, lot, wanted)
    _refuse_listed(writer.connection, wanted)
    now = as_text(writer.now)
    for file in files:
        head = {"name": file.name, "lot": lot, "number": file.number, "sha256": file.sha256, "at": now}
        companions = canonical(dict(file.companions)).decode("utf-8")
        writer.connection.execute(insert(uploads).values(**head, companions=companions, **writer.signature.columns()))
        row = {"upload": file.name, "state": str(RowState.EXPORTED), "changed": now}
        rows = [
            row | {"position": position, "unit": unit, "attempt": passed_in[unit]}
            for position, unit in enumerate(file.units, 1)
        ]
        if rows:
            writer.connection.execute(insert(upload_rows), rows)
    told = [
        {"name": file.name, "sha256": file.sha256, "rows": len(file.units), "companions": dict(file.companions)}
        for file in files
    ]
    about = {text for file in files for text in (file.name, file.sha256, *file.companions, *file.companions.values())}
    return append(writer, "upload.exported", data={"lot": lot, "files": told, "folder": folder}, about=about)


def every(connection: Connection, lot: str | None) -> tuple[UploadRecord, ...]:
    """The uploads of one lot or of all, by lot and number, with their units in row order."""
    query = select(uploads).order_by(uploads.c.lot, uploads.c.number)
    if lot is not None:
        query = query.where(uploads.c.lot == lot)
    return tuple(_record(connection, row) for row in connection.execute(query).all())


def _record(connection: Connection, row: Row[Any]) -> UploadRecord:
    order = select(upload_rows.c.unit).where(upload_rows.c.upload == row.name).order_by(upload_rows.c.position)
    listed = tuple(connection.execute(order).scalars())
    return UploadRecord(
        row.name,
        row.number,
        row.lot,
        row.sha256,
        as_data(row.companions),
        as_time(row.at),
        row.station,
        listed,
        row.operator,
        row.software,
    )


def _refuse_taken_names(connection: Connection, lot: str, files: Sequence[UploadFile]) -> None:
    same_name = uploads.c.name.in_([file.name for file in files])
    same_number = (uploads.c.lot == lot) & uploads.c.number.in_([file.number for file in files])
    taken = connection.execute(select(uploads).where(same_name | same_number)).first()
    if taken is not None:
        raise _refused(f"upload {taken.name} (number {taken.number} of lot {taken.lot}) was made at {taken.at}")


def _attempts_of(connection: Connection, lot: str, wanted: Sequence[int]) -> dict[int, int]:
    """The passed attempt of each unit; refuses what has not passed in this lot, or stands in the list twice."""
    if len(set(wanted)) != len(wanted):
        raise ValueError("a unit stands in the export twice")
    found = {row.unit: row.id for row in connection.execute(_query(passes.c.lot == lot))}
    missing = sorted(set(wanted) - found.keys())
    if missing:
        raise _refused(f"unit {missing[0]} has not passed in lot {lot}")
    return found


def _refuse_listed(connection: Connection, wanted: Sequence[int]) -> None:
    for part in _parts(wanted):
        live = upload_rows.c.unit.in_(part) & upload_rows.c.state.not_in(DEAD_ROWS)
        listed = connection.execute(select(upload_rows).where(live)).first()
        if listed is not None:
            raise _refused(f"unit {listed.unit} already stands in {listed.upload}, row {listed.position}")


def _parts(values: Sequence[int]) -> Iterable[Sequence[int]]:
    return (values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK))


def _refused(what: str) -> UsageError:
    return UsageError(
        f"nothing was exported: {what}",
        hint="Somebody may have exported in the meantime: run 'factory ledger show', then export again.",
        code="ledger.already-exported",
    )
