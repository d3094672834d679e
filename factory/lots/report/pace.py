"""Units per hour: how many units pass while a station works, and when."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from factory.lots.report.numbers import natural

PAUSE = 30 * 60.0  # a station at which nothing begins for longer than this has a break
ENOUGH = 10 * 60.0  # below this much work a rate would be a guess
_MOST_BARS = 72


@dataclass(frozen=True, slots=True)
class StationPace:
    """One station: units that passed there for the first time, and how long it worked. None where that is too short."""

    station: str
    units: int
    worked: float
    pauses: int

    @property
    def per_hour(self) -> float | None:
        """Units in an hour of work."""
        return self.units / self.worked * 3600 if self.worked >= ENOUGH else None


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of time: attempts that began in it, by outcome. `follows` says that it begins where the last ended."""

    day: str
    label: str
    passed: int
    lost: int
    follows: bool


@dataclass(frozen=True, slots=True)
class Pace:
    """The pace of the lot. `bars` are `unit` long: hour, shift or day; those without any work are left out."""

    stations: tuple[StationPace, ...]
    unit: str
    bars: tuple[Bar, ...]

    @property
    def per_hour(self) -> float | None:
        """What all stations make together while they work, each by its own clock, so that no two are compared. None
        where the work of one that made units is too short to say.
        """
        rates = [one.per_hour for one in self.stations]
        unsure = any(one.units and one.per_hour is None for one in self.stations)
        known = [rate for rate in rates if rate is not None]
        return None if unsure or not known else sum(known)


def pace(attempts: pd.DataFrame) -> Pace:
    """The pace of a lot's attempts."""
    passed = attempts[(attempts["outcome"] == "passed") & attempts["unit"].notna()].drop_duplicates("unit")
    stations = []
    for station, part in sorted(attempts.groupby("station"), key=lambda one: natural(str(one[0]))):
        worked, pauses = _worked(part)
        stations.append(StationPace(str(station), int((passed["station"] == station).sum()), worked, pauses))
    unit, bars = _bars(attempts)
    return Pace(tuple(stations), unit, bars)


def _worked(part: pd.DataFrame) -> tuple[float, int]:
    """Seconds of work of one station, in order of its commits. A clock that was set ends a stretch of work like a
    break: what it did meanwhile is not known.
    """
    began = part["started"]
    usable = part["ended"].where(part["seconds"].notna(), began)
    total, pauses = 0.0, 0
    first = last = None
    for start, end in zip(began, usable, strict=True):
        if first is None or last is None:
            first, last = start, end
            continue
        gap = (start - last).total_seconds()
        if gap > PAUSE or (start < first):
            total += (last - first).total_seconds()
            pauses += 1
            first, last = start, end
        else:
            last = max(last, end)
    if first is not None and last is not None:
        total += (last - first).total_seconds()
    return total, pauses


def _bars(attempts: pd.DataFrame) -> tuple[str, tuple[Bar, ...]]:
    """By hour; where that would be too many bars, by shift; then by day."""
    if attempts["hour"].nunique() <= _MOST_BARS:
        return "hour", _hours(attempts)
    by_shift = attempts.groupby(["day", "shift"]).ngroups <= _MOST_BARS
    keys = ["day", "shift"] if by_shift else ["day"]
    found = []
    for name, part in attempts.groupby(keys, sort=True):
        label = str(name[1])[:5] if by_shift else ""
        found.append(_bar(part, str(name[0]), label, follows=True))
    return "shift" if by_shift else "day", tuple(found)


def _hours(attempts: pd.DataFrame) -> tuple[Bar, ...]:
    found: list[Bar] = []
    before = None
    for hour, part in attempts.groupby("hour", sort=True):
        follows = before is not None and hour - before == pd.Timedelta(hours=1)
        found.append(_bar(part, f"{hour:%Y-%m-%d}", f"{hour:%H:%M}", follows=follows))
        before = hour
    return tuple(found)


def _bar(part: pd.DataFrame, day: str, label: str, *, follows: bool) -> Bar:
    outcomes = part["outcome"]
    return Bar(day, label, int((outcomes == "passed").sum()), int((~outcomes.isin(["passed", "open"])).sum()), follows)
