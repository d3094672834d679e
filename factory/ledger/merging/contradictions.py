"""What the office's records of two ledgers say against each other: lots, orders, uploads, registrations, pools."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, select, tuple_

from factory.ledger.cloud_registrations import cloud_registrations
from factory.ledger.journal import as_event
from factory.ledger.mentions import mentions
from factory.ledger.merging.conflicts import Conflict
from factory.ledger.merging.plan import Plan
from factory.ledger.merging.sides import parts
from factory.ledger.schema import DEAD_ROWS, attempts, events, lots, upload_rows, uploads

_BINDING = ("product", "product_sha256", "template_sha256", "key_version")
_LIVE = ("intent", "registered", "unknown")


def of_lots(plan: Plan) -> None:
    """Lots that are bound otherwise, unless one side's binding is an earlier one of the other's."""
    for row in plan.source.execute(select(lots).order_by(lots.c.name)).all():
        ours = plan.target.execute(select(lots).where(lots.c.name == row.name)).first()
        if ours is None or _binding(row) == _binding(ours):
            continue
        if _binding(row) in _bindings(plan.target, row.name):
            plan.leave_out(lots, row)  # it was changed here since
            continue
        if _binding(ours) in _bindings(plan.source, row.name):
            continue  # it was changed there
        plan.leave_out(lots, row)
        what = f"lot {row.name} is made otherwise: {', '.join(_differing(row, ours))}"
        made = plan.source.execute(select(attempts.c.unit).where(attempts.c.lot == row.name).distinct()).scalars()
        here, there = [f"bound at {one.bound_at} by station {one.station}: {_in_words(one)}" for one in (ours, row)]
        fresh = tuple(unit for unit in made if unit in plan.places)
        plan.conflicts.append(Conflict("lot", what, here, there, sources=fresh))


def of_uploads(plan: Plan) -> None:
    """Upload files of one name or number that are not the same, and units that stand in two files."""
    for row in plan.source.execute(select(uploads).order_by(uploads.c.name)).all():
        same = (uploads.c.name == row.name) | ((uploads.c.lot == row.lot) & (uploads.c.number == row.number))
        ours = plan.target.execute(select(uploads).where(same).order_by(uploads.c.name != row.name)).first()
        if ours is None or (ours.name, ours.sha256, ours.lot) == (row.name, row.sha256, row.lot):
            continue
        plan.leave_out(uploads, row)
        listed = plan.source.execute(select(upload_rows).where(upload_rows.c.upload == row.name)).all()
        for line in listed:
            plan.leave_out(upload_rows, line)
        what = f"two uploads are number {row.number} of lot {row.lot}" if ours.name != row.name else (
            f"two different uploads are called {row.name}"
        )  # fmt: skip
        here, there = [
            f"{one.name}, SHA-256 {one.sha256[:12]}, made at {one.at} by {one.station}" for one in (ours, row)
        ]
        plan.conflicts.append(Conflict("upload", what, here, there, sources=tuple(line.unit for line in listed)))
    for part in parts(list(_rows_of(plan, upload_rows))):
        _upload_rows(plan, part)


def of_registrations(plan: Plan) -> None:
    """Units that both sides have registered with a cloud, and what a cloud knows under two units."""
    mine = cloud_registrations.c
    for part in parts(list(_rows_of(plan, cloud_registrations))):
        same = select(cloud_registrations).where(mine.token.in_([row.token for row in part]))
        known = {row.token: row for row in plan.target.execute(same)}
        for row in part:
            ours = known.get(row.token)
            if ours is None:
                _new_registration(plan, row)
            elif plan.both_changed(row.changed, ours.changed):
                _registration(plan, row, ours, "was changed here and there")


def _new_registration(plan: Plan, row: Row[Any]) -> None:
    mine = cloud_registrations.c
    live, unit = mine.state.in_(_LIVE), plan.unit(row.unit)
    same: list[tuple[ColumnElement[bool], str]] = []
    if row.state in _LIVE and unit is not None:
        same.append((live & (mine.unit == unit), "its unit is registered twice"))
    if row.state in _LIVE and row.sn is not None:
        serial = live & (mine.product == row.product) & (mine.sn == row.sn)
        same.append((serial, f"the serial number {row.sn} is registered twice"))
    if row.device is not None:
        same.append((mine.device == row.device, f"the device {row.device} stands for two"))
    for condition, what in same:
        ours = plan.target.execute(select(cloud_registrations).where(condition)).first()
        if ours is not None and not _removed_there(plan, ours):
            _registration(plan, row, ours, what)
            return


def _removed_there(plan: Plan, ours: Row[Any]) -> bool:
    """Whether ours is one that the other ledger has ended since, which makes room for its next."""
    same = select(cloud_registrations).where(cloud_registrations.c.token == ours.token)
    row = plan.source.execute(same).first()
    return row is not None and row.state not in _LIVE and row.changed > ours.changed


def _upload_rows(plan: Plan, rows: Sequence[Row[Any]]) -> None:
    mine = upload_rows.c
    places = [(row.upload, row.position) for row in rows]
    same = plan.target.execute(select(upload_rows).where(tuple_(mine.upload, mine.position).in_(places)))
    ours = {(row.upload, row.position): row for row in same}
    units = [unit for unit in (plan.unit(row.unit) for row in rows) if unit is not None]
    live = plan.target.execute(select(upload_rows).where(mine.unit.in_(units), mine.state.not_in(DEAD_ROWS)))
    listed = {row.unit: row for row in live}
    for row in rows:
        known = ours.get((row.upload, row.position))
        other = listed.get(plan.unit(row.unit))
        if known is not None:
            if plan.both_changed(row.changed, known.changed):
                _upload_row(plan, row, known, f"row {row.position} of {row.upload} was changed here and there")
        # One that was changed there to be no more live makes room.
        elif row.state not in DEAD_ROWS and other is not None and not _dead_there(plan, other):
            _upload_row(plan, row, other, "a unit stands in two live uploads")


def _upload_row(plan: Plan, row: Row[Any], ours: Row[Any], what: str) -> None:
    plan.leave_out(upload_rows, row)
    here, there = [f"{one.upload} row {one.position}: {one.state} since {one.changed}" for one in (ours, row)]
    plan.conflicts.append(Conflict("upload", what, here, there, units=(ours.unit,), sources=(row.unit,)))


def _dead_there(plan: Plan, ours: Row[Any]) -> bool:
    mine = upload_rows.c
    place = (mine.upload == ours.upload) & (mine.position == ours.position)
    theirs = plan.source.execute(select(upload_rows).where(place)).first()
    return theirs is not None and theirs.state in DEAD_ROWS and theirs.changed > ours.changed


def _registration(plan: Plan, row: Row[Any], ours: Row[Any], what: str) -> None:
    plan.leave_out(cloud_registrations, row)
    here, there = [f"unit {one.hardware_id}, {one.state} since {one.changed}, asked at {one.at}" for one in (ours, row)]
    units = () if ours.unit is None else (ours.unit,)
    sources = () if row.unit is None else (row.unit,)
    plan.conflicts.append(Conflict("registration", f"registration {row.token}: {what}", here, there, units, sources))


def _rows_of(plan: Plan, table: Table) -> Iterator[Row[Any]]:
    ordered = select(table).order_by(*table.primary_key)
    for row in plan.source.execute(ordered).all():
        if not plan.is_left_out(table, row):
            yield row


def _binding(row: Row[Any]) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in _BINDING)


def _bindings(connection: Connection, lot: str) -> set[tuple[Any, ...]]:
    """Every binding that a ledger tells of a lot."""
    told = select(events).join(mentions, (mentions.c.station == events.c.station) & (mentions.c.seq == events.c.seq))
    told = told.where(mentions.c.name == lot, events.c.kind.in_(("lot.bound", "lot.changed")))
    found: set[tuple[Any, ...]] = set()
    for event in map(as_event, connection.execute(told)):
        for part in (event.data, event.data.get("was"), event.data.get("now")):
            if isinstance(part, dict) and all(name in part for name in _BINDING):
                found.add(tuple(part[name] for name in _BINDING))
    return found


def _differing(one: Row[Any], other: Row[Any]) -> list[str]:
    return [name.replace("_", " ") for name in _BINDING if getattr(one, name) != getattr(other, name)]


def _in_words(row: Row[Any]) -> str:
    return (
        f"product {row.product} ({row.product_sha256[:12]}), templates {row.template_sha256[:12]}, "
        f"key version {row.key_version}"
    )
