"""Recall: every unit that a cause may have reached, and the proof that the list is whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, exists, func, not_, or_, select

from factory.errors import UsageError
from factory.ledger.errors import LedgerError
from factory.ledger.journal import broken_links
from factory.ledger.order_records import Head
from factory.ledger.records import as_data, as_text, as_time
from factory.ledger.schema import attempts, events, stations, units, upload_rows, uploads
from factory.ledger.uploads import newest_row


@dataclass(frozen=True, slots=True)
class Cause:
    """What is recalled: the units of attempts to which all of the given things apply. `image` and `template` are
    SHA-256 in hex, `upload` the name or SHA-256 of an upload file; an attempt is `between` two moments when it was
    under way at any time from the first to the second.
    """

    image: str | None = None
    template: str | None = None
    lot: str | None = None
    slot: str | None = None
    station: str | None = None
    between: tuple[datetime, datetime] | None = None
    upload: str | None = None

    def as_json(self) -> dict[str, object]:
        """The cause as canonical JSON values, without what was not asked."""
        told: dict[str, object] = {
            name: getattr(self, name)
            for name in ("image", "template", "lot", "slot", "station", "upload")
            if getattr(self, name) is not None
        }
        if self.between:
            told["between"] = [as_text(moment) for moment in self.between]
        return told


@dataclass(frozen=True, slots=True)
class Recalled:
    """One unit of a recall, by the attempt that brought it there; `passed` says whether that attempt passed."""

    unit: int | None
    unit_state: str | None
    hardware_id: str
    device_name: str
    macs: tuple[str, ...]
    serial: str | None
    lot: str
    attempt: int
    attempt_state: str
    passed: bool
    station: str
    slot: str
    operator: str
    image: str
    started: datetime
    ended: datetime | None
    upload: str | None
    upload_row: str | None


@dataclass(frozen=True, slots=True)
class Recall:
    """The list and its proof. `flashed` counts every attempt of the ledger that got as far as writing to a unit,
    `others` those that the cause does not touch, counted by a question of their own: with the matched ones they must
    come to `flashed`. `told` counts the matched attempts whose flash the chain of events tells with the same image.
    `heads` are the ends of the chains that were walked.
    """

    cause: Cause
    attempts: tuple[Recalled, ...]
    flashed: int
    others: int
    told: int
    heads: tuple[Head, ...]
    faults: tuple[str, ...]

    @property
    def units(self) -> int:
        """How many units there are; one that came back counts once."""
        return len({one.unit if one.unit is not None else f"-{one.hardware_id}" for one in self.attempts})

    @property
    def proved(self) -> bool:
        """Whether the count holds: nothing fell between the two questions, and the chains tell the same."""
        whole = len(self.attempts) + self.others == self.flashed
        return whole and self.told == len(self.attempts) and not self.faults

    def proof_as_json(self) -> dict[str, object]:
        """The proof as canonical JSON values."""
        return {
            "schema": "factory.recall/1",
            "cause": self.cause.as_json(),
            "units": self.units,
            "attempts": len(self.attempts),
            "other_attempts": self.others,
            "flashed_attempts": self.flashed,
            "told_by_events": self.told,
            "heads": [{"station": one.station, "seq": one.seq, "sha256": one.hash} for one in self.heads],
            "faults": list(self.faults),
            "proved": self.proved,
        }


def recall(connection: Connection, cause: Cause) -> Recall:
    """Find what a cause touches and count it in two ways. Raises UsageError for no cause, and for one that the ledger
    never met.
    """
    wanted = and_(*_conditions(connection, cause))
    written = attempts.c.image.is_not(None)
    count = select(func.count()).select_from(attempts).where(written)
    found = tuple(_recalled(row) for row in connection.execute(_query().where(written, wanted)))
    told = exists().where(
        events.c.attempt == attempts.c.id,
        events.c.kind == "attempt.flashing",
        events.c.data.contains('"image":"' + attempts.c.image + '"'),
    )
    return Recall(
        cause,
        found,
        connection.execute(count).scalar_one(),
        # A condition that is NULL is neither true nor false: such a row would be lost to both questions.
        connection.execute(count.where(not_(func.coalesce(wanted, False)))).scalar_one(),
        connection.execute(count.where(wanted, told)).scalar_one(),
        tuple(
            Head(row.name, row.seq, row.hash) for row in connection.execute(select(stations).order_by(stations.c.name))
        ),
        tuple(f"station {station}, event {seq}: {what}" for station, seq, what in broken_links(connection)),
    )


def _conditions(connection: Connection, cause: Cause) -> Iterator[ColumnElement[bool]]:
    given = cause.as_json()
    if not given:
        raise UsageError("a recall needs a cause", hint="Give --image, --template, --lot, --slot or --upload.")
    columns = {
        "image": attempts.c.image,
        "template": attempts.c.template_sha256,
        "lot": attempts.c.lot,
        "slot": attempts.c.slot,
        "station": attempts.c.station,
    }
    for name, column in columns.items():
        if name in given:
            value = str(given[name])
            value = value.lower() if name in ("image", "template") else value
            _require_known(connection, name, column, value)
            yield column == value
    if cause.between:
        first, last = (as_text(moment) for moment in cause.between)
        yield and_(attempts.c.started <= last, or_(attempts.c.ended.is_(None), attempts.c.ended >= first))
    if cause.upload:
        yield attempts.c.id.in_(select(upload_rows.c.attempt).where(upload_rows.c.upload == _upload(connection, cause)))


def _require_known(connection: Connection, name: str, column: Any, value: str) -> None:
    """A mistyped slot must not look like a recall of nothing."""
    if connection.execute(select(attempts.c.id).where(column == value).limit(1)).first() is None:
        names = select(column).where(column.is_not(None)).group_by(column).order_by(func.max(attempts.c.id).desc())
        there = ", ".join(sorted(str(one) for one in connection.execute(names.limit(10)).scalars()))
        raise UsageError(
            f"the ledger has no attempt with {name} {value}",
            hint=f"There are: {there}." if there else "It has no attempts yet.",
            code="ledger.unknown-cause",
        )


def _upload(connection: Connection, cause: Cause) -> str:
    for row in connection.execute(select(uploads)):
        companions = as_data(row.companions)
        if cause.upload in (row.name, row.sha256) or cause.upload in companions or cause.upload in companions.values():
            return str(row.name)
    raise UsageError(
        f"the ledger has no upload {cause.upload}",
        hint="`factory ledger trace HARDWARE_ID` names the files that a unit stands in.",
        code="ledger.no-upload",
    )


def _query() -> Any:
    columns = (
        attempts,
        units.c.state.label("unit_state"),
        upload_rows.c.upload,
        upload_rows.c.state.label("row_state"),
    )
    return (
        select(*columns)
        .select_from(attempts)
        .outerjoin(units, units.c.id == attempts.c.unit)
        .outerjoin(upload_rows, upload_rows.c.id == newest_row(attempts.c.unit))
        .order_by(attempts.c.id)
    )


def _recalled(row: Row[Any]) -> Recalled:
    identity = as_data(row.identity)
    macs = identity.get("macs", {})
    if not isinstance(macs, dict):
        raise LedgerError(f"attempt {row.id} has no addresses in its identity", code="ledger.damaged")
    return Recalled(
        unit=row.unit,
        unit_state=row.unit_state,
        hardware_id=row.hardware_id or "",
        device_name=str(identity.get("device_name", "")),
        macs=tuple(str(mac) for mac in macs.values()),
        serial=row.serial,
        lot=row.lot,
        attempt=row.id,
        attempt_state=row.state,
        passed=row.state == "passed",
        station=row.station,
        slot=row.slot,
        operator=row.operator,
        image=row.image,
        started=as_time(row.started),
        ended=as_time(row.ended) if row.ended else None,
        upload=row.upload,
        upload_row=row.row_state,
    )
