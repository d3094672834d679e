"""A lot's records as typed frames. Texts come in; every column gets its type here and nowhere else.

Order is the order of commits (`id`, `seq`) and never that of a clock. A duration is the difference of two times that
one station wrote; where its clock was moved in between, it is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from zoneinfo import ZoneInfo

import pandas as pd

from factory.ledger import Columns, LotRecords
from factory.values import sentinel

# Nobody's unit takes a day. What says so was written before and after somebody set the clock.
LONGEST = 24 * 3600.0
STEP_NAMES = {
    "attempt.flashing": "prepare",
    "attempt.flashed": "write and read back",
    "attempt.proved": "restart and prove",
    "attempt.passed": "finish",
}
_OPEN = ("admitted", "flashing", "flashed", "proved")


@dataclass(frozen=True, slots=True)
class Calendar:
    """What the plant calls a day: its time zone, and when its shifts begin."""

    zone: ZoneInfo
    shifts: tuple[time, ...]


@dataclass(frozen=True, slots=True)
class Frames:
    """`attempts`, one row each in order, has: id, unit (missing when never admitted), number, station, slot, operator,
    state, outcome (passed, failed, refused, unknown, open), started and ended (local), seconds (missing where it cannot
    be told), code, cause, board (the unit or stranger; missing when nobody knows), visit (how often the board was tried
    in this lot before), hour, shift, day. `steps` has attempt, step, seconds.
    """

    attempts: pd.DataFrame
    steps: pd.DataFrame
    events: pd.DataFrame
    units: pd.DataFrame
    changes: pd.DataFrame


def frames(records: LotRecords, calendar: Calendar) -> Frames:
    """Type the records of a lot."""
    attempts = _attempts(records.attempts, calendar)
    events = _typed(records.steps, numbers=("attempt", "seq"), times=("at",))
    units = _typed(records.units, numbers=("id",))
    changes = _typed(records.changes, numbers=("attempt", "seq"), times=("at",))
    return Frames(attempts, _steps(events), events, units, changes)


def _typed(columns: Columns, *, numbers: tuple[str, ...] = (), times: tuple[str, ...] = ()) -> pd.DataFrame:
    frame = pd.DataFrame({name: pd.Series(list(values), dtype="string") for name, values in columns.items()})
    for name in numbers:
        # By way of Int64 only: a float would round a number of 2**53 and more.
        frame[name] = frame[name].astype("Int64")
    for name in times:
        frame[name] = pd.to_datetime(frame[name], format="ISO8601", utc=True)
    return frame


def _attempts(columns: Columns, calendar: Calendar) -> pd.DataFrame:
    frame = _typed(
        columns, numbers=("id", "unit", "number", "serial_owner", "id_owner"), times=("started", "ended")
    ).sort_values("id", ignore_index=True)
    frame["outcome"] = frame["state"].where(~frame["state"].isin(_OPEN), "open")
    frame["seconds"] = _seconds(frame["ended"] - frame["started"])
    frame["board"] = _boards(frame)
    # A board that nobody knows is never the same as another.
    frame["visit"] = frame.groupby("board", dropna=True).cumcount().astype("Int64")
    for name in ("started", "ended"):
        frame[name] = frame[name].dt.tz_convert(calendar.zone)
    frame["hour"] = frame["started"].dt.tz_convert("UTC").dt.floor("h").dt.tz_convert(calendar.zone)
    frame["shift"], frame["day"] = _shifts(frame["started"], calendar.shifts)
    return frame


def _seconds(took: pd.Series) -> pd.Series:
    seconds = took.dt.total_seconds()
    return seconds.where((seconds >= 0) & (seconds <= LONGEST))


def _boards(frame: pd.DataFrame) -> pd.Series:
    """Which board each attempt was made on: the unit that was admitted; else the unit that owns the serial that was
    shown, or, of a board without a serial, the hardware id (a clone shows the id of another, but not its serial);
    else the serial or the id itself. Missing where nothing was read.
    """
    placeholder = [serial is not pd.NA and sentinel(serial) is not None for serial in frame["serial"]]
    serial = frame["serial"].mask(pd.Series(placeholder, index=frame.index, dtype=bool))
    unit = frame["unit"].fillna(frame["serial_owner"].where(serial.notna()))
    unit = unit.fillna(frame["id_owner"].where(serial.isna()))
    stranger = ("serial " + serial).fillna("id " + frame["hardware_id"])
    return ("unit " + unit.astype("string")).fillna(stranger)


def _shifts(started: pd.Series, begins: tuple[time, ...]) -> tuple[pd.Series, pd.Series]:
    """The shift of each moment and the day on which that shift began: a night shift belongs to its evening."""
    starts = [f"{begin:%H:%M}" for begin in sorted(begins)]
    names = [f"{one}–{other}" for one, other in zip(starts, [*starts[1:], starts[0]], strict=True)]  # noqa: RUF001
    clock = started.dt.strftime("%H:%M")
    number = sum((clock >= start).astype(int) for start in starts) - 1 if len(started) else clock
    last_evening = number == -1
    shift = number.map(lambda at: names[at]).astype("string")
    local_day = started.dt.tz_localize(None).dt.normalize()
    day = local_day.where(~last_evening, local_day - pd.Timedelta(days=1))
    return shift, day.dt.strftime("%Y-%m-%d").astype("string")


def _steps(events: pd.DataFrame) -> pd.DataFrame:
    """How long each step of an attempt took: from the event before it in its station's chain."""
    told = events.sort_values(["station", "seq"])
    before = told.groupby(["attempt", "station"])["at"].shift()
    told = told.assign(step=told["kind"].map(STEP_NAMES).astype("string"), seconds=_seconds(told["at"] - before))
    return told.loc[told["step"].notna(), ["attempt", "step", "seconds"]].reset_index(drop=True)
