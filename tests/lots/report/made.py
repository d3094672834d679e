"""Lots made by hand: as records for the numbers, and written into a ledger's tables for the whole way."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import insert

from factory.ledger import Binding, Columns, Ledger, LotRecord, LotRecords
from factory.ledger import schema as tables
from factory.ledger.shift_records import STEPS
from factory.lots.report import Calendar

LOT = "2026-11-A"
UTC_DAY = Calendar(ZoneInfo("UTC"), (time(6), time(14), time(22)))
START = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
_SHARES = (0.1, 0.45, 0.9, 1.0)


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt. `unit` None: never admitted."""

    unit: int | None
    state: str = "passed"
    at: float = 0.0
    seconds: float = 60.0
    station: str = "S1"
    slot: str = "A"
    operator: str = "Kim"
    code: str | None = None
    cause: str | None = None
    serial: str | None = None
    hardware_id: str | None = None
    number: int | None = None

    @property
    def started(self) -> datetime:
        return START + timedelta(seconds=self.at)

    @property
    def ended(self) -> datetime | None:
        return self.started + timedelta(seconds=self.seconds) if self.state in ("passed", "failed", "refused") else None


def records(tries: Sequence[Try], changes: Sequence[tuple[int, str, str]] = ()) -> LotRecords:
    """What the ledger would tell of these attempts; `changes` are (attempt from 1, kind, reason)."""
    rows = attempt_rows(tries)
    owners = {row["serial"]: row["unit"] for row in rows if row["unit"] and row["serial"]}
    for row in rows:
        row["serial_owner"], row["id_owner"] = owners.get(row["serial"]), None
    states: dict[int, str] = {}
    for one in tries:
        if one.unit is not None:
            states[one.unit] = "passed" if one.state == "passed" else states.get(one.unit, "open")
    told = event_rows(tries)
    changed = [
        {"attempt": at, "kind": kind, "station": "S1", "seq": 10**6 + index, "at": _text(START), "data": _data(reason)}
        for index, (at, kind, reason) in enumerate(changes)
    ]
    return LotRecords(
        LotRecord(LOT, Binding("router", "a" * 64, "b" * 64, 1), START, "S1"),
        columns(rows, "id unit number station slot operator software state hardware_id serial image started ended code "
                "cause serial_owner id_owner"),
        columns(told, "attempt kind station seq at"),
        columns([{"id": unit, "state": state} for unit, state in states.items()], "id state"),
        columns(changed, "attempt kind station seq at data"),
    )  # fmt: skip


def columns(rows: Sequence[dict[str, object]], names: str) -> Columns:
    return {name: [None if row[name] is None else str(row[name]) for row in rows] for name in names.split()}


def attempt_rows(tries: Sequence[Try]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    counts: dict[int, int] = {}
    for index, one in enumerate(tries, 1):
        if one.unit is not None:
            counts[one.unit] = one.number or counts.get(one.unit, 0) + 1
        rows.append(
            {
                "id": index, "unit": one.unit, "number": counts.get(one.unit, 0) if one.unit else 0,
                "station": one.station, "slot": one.slot, "operator": one.operator, "software": "0.1.0",
                "state": one.state, "hardware_id": one.hardware_id or (f"hw-{one.unit}" if one.unit else None),
                "serial": one.serial or (f"SN{one.unit}" if one.unit else None), "image": None,
                "started": _text(one.started), "ended": _text(one.ended) if one.ended else None,
                "code": one.code, "cause": one.cause,
            }
        )  # fmt: skip
    return rows


def event_rows(tries: Sequence[Try]) -> list[dict[str, object]]:
    """The steps of every attempt in its station's chain. Slots interleave, so the order is that of the times."""
    moments: list[tuple[str, float, int, str]] = []
    for index, one in enumerate(tries, 1):
        if one.unit is None:
            continue
        moments.append((one.station, one.at, index, STEPS[0]))
        if one.state == "passed":
            moments += [
                (one.station, one.at + one.seconds * share, index, kind)
                for share, kind in zip(_SHARES, STEPS[1:], strict=True)
            ]
    moments.sort(key=lambda moment: moment[:2])
    return [
        {"attempt": index, "kind": kind, "station": station, "seq": seq, "at": _text(START + timedelta(seconds=at))}
        for seq, (station, at, index, kind) in enumerate(moments, 1)
    ]


def write(ledger: Ledger, tries: Sequence[Try]) -> None:
    """Straight into the tables of a ledger, past its rules: only to be read back."""
    ledger.bind_lot(LOT, Binding("router", "a" * 64, "b" * 64, 1))
    rows = attempt_rows(tries)
    signed = {"station": "S1", "operator": "Kim", "software": "0.1.0"}
    units = sorted({one.unit for one in tries if one.unit is not None})
    passed = {one.unit for one in tries if one.state == "passed"}
    with ledger._store.writing() as writer:
        connection = writer.connection
        made = [
            {"id": unit, "state": "passed" if unit in passed else "open", "serial": f"SN{unit}", "slot": "A"}
            | signed | {"first_seen": _text(START)}
            for unit in units
        ]  # fmt: skip
        connection.execute(insert(tables.units), made)
        owned = [{"kind": "serial", "value": f"SN{unit}", "unit": unit, "name": ""} for unit in units]
        connection.execute(insert(tables.identity_values), owned)
        connection.execute(insert(tables.attempts), [row | {"lot": LOT, "note": ""} for row in rows])
        told = [
            row | {"seq": 10**6 + int(str(row["seq"])), "operator": "Kim", "software": "0.1.0"}
            | {"data": "{}", "prev": "0" * 64, "hash": "0" * 64}
            for row in event_rows(tries)
        ]  # fmt: skip
        connection.execute(insert(tables.events), told)


def plant(boards: int, *, seed: int = 7, stations: int = 2, slots: int = 4, skew: float = 0.0) -> list[Try]:
    """A lot as a plant makes it: shifts over midnight, breaks, a slot that grows slower, boards that come back."""
    chance = random.Random(seed)
    free = {(station, slot): chance.uniform(0, 40) for station in range(stations) for slot in range(slots)}
    waiting: list[int] = []
    tries: list[Try] = []
    made = 0
    while made < boards or waiting:
        place = min(free, key=lambda one: (free[one], one))
        at = _working(free[place])
        station, slot = place
        shift = (8 + at / 3600) % 24
        operator = "Kim" if 6 <= shift < 14 else "Noor" if shift < 22 and shift >= 14 else "Żaneta"
        if waiting and (made >= boards or chance.random() < 0.3):
            unit = waiting.pop(0)
        else:
            made += 1
            unit = made
        again = any(one.unit == unit for one in tries[-400:])
        seconds = chance.gauss(92, 4) + (8 if slot == 2 else 0) + (at / 3600 * 1.5 if place == (1, 3) else 0)
        common = {"at": at + skew * station, "station": f"S{station + 1}", "slot": f"{slot + 1}", "operator": operator}
        luck = chance.random()
        if luck < 0.012:
            code, cause = "ID-SENTINEL", "mac.eth0: 00:00:00:00:00:00 is the all-zero placeholder"
            tries.append(Try(None, "refused", seconds=0, code=code, cause=cause, serial=f"X{made}-{at:.0f}", **common))  # type: ignore[arg-type]
            seconds = 20
        elif luck < (0.09 if place == (0, 0) else 0.045) and not again:
            code, cause = chance.choice(_FAILURES)
            seconds *= chance.uniform(0.2, 1.2)
            tries.append(Try(unit, "failed", seconds=seconds, code=code, cause=cause, **common))  # type: ignore[arg-type]
            waiting.append(unit)
        else:
            tries.append(Try(unit, "passed", seconds=seconds, **common))  # type: ignore[arg-type]
        free[place] = at + seconds + abs(chance.gauss(25, 10))
    return tries


_FAILURES = (
    ("flash.cut", "the unit went away while it was written"),
    ("flash.cut", "the unit went away while it was written"),
    ("prove.no-answer", "the unit did not come back within 120 s"),
    ("prove.no-answer", "the unit did not come back within 120 s"),
    ("prove.no-answer", "the unit did not come back within 120 s"),
    ("unit.login-refused", "root is not let in"),
    ("flash.no-room", "/etc/connectd has 12 kB left, 40 kB are needed"),
)


def _working(at: float) -> float:
    """The next moment of work: a break of forty minutes ends every shift of eight hours."""
    into = at % 28800
    return at if into < 26400 else at - into + 28800


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def _data(reason: str) -> str:
    return json.dumps({"reason": reason})
