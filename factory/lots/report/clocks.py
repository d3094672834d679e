"""What the clocks of the stations cannot be believed about. The order of commits is certain; what is dated against it
was dated by a clock that was wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import pandas as pd

from factory.lots.report.words import some, span

# Two stations that commit in the same moment may be dated either way, and a clock is set right by a second.
_TOLERANCE = 60.0
_STEP_BACK = 1.0
# No ledger is older; a computer without a battery begins in 1970, or on the day when its system was built.
_OLDEST = pd.Timestamp("2024-01-01", tz="UTC")


@dataclass(frozen=True, slots=True)
class ClockDoubt:
    """A reason not to compare times. `seconds` is the least by which a clock must have been wrong."""

    stations: tuple[str, ...]
    seconds: float
    text: str


def doubts(attempts: pd.DataFrame, events: pd.DataFrame) -> tuple[ClockDoubt, ...]:
    """Clocks that were never set, clocks that went back, and stations whose clocks contradict each other."""
    return (*_never_set(attempts), *_went_back(events), *_apart(attempts))


def _never_set(attempts: pd.DataFrame) -> tuple[ClockDoubt, ...]:
    found = []
    early = attempts[attempts["started"] < _OLDEST]
    for station, part in early.groupby("station", sort=True):
        off = (_OLDEST - part["started"].min()).total_seconds()
        text = f"{some(len(part), 'attempt')} of station {station}: the clock was never set, it said {{}}."
        found.append(ClockDoubt((str(station),), off, text.format(part["started"].dt.year.min())))
    return tuple(found)


def _went_back(events: pd.DataFrame) -> tuple[ClockDoubt, ...]:
    found = []
    for station, told in events.sort_values("seq").groupby("station", sort=True):
        back = -told["at"].diff().dt.total_seconds().min() if len(told) > 1 else 0.0
        if back > _STEP_BACK:
            text = f"The clock of station {station} went back by {span(back)} while it worked on this lot."
            found.append(ClockDoubt((str(station),), float(back), text))
    return tuple(found)


def _apart(attempts: pd.DataFrame) -> tuple[ClockDoubt, ...]:
    found = []
    by_station = {str(name): part for name, part in attempts.groupby("station", sort=True)}
    for one, other in combinations(by_station, 2):
        both = pd.concat([by_station[one], by_station[other]]).sort_values("id")
        for earlier, later in ((one, other), (other, one)):
            latest = both["started"].where(both["station"] == earlier).cummax().ffill()
            ahead = (latest - both["started"]).where(both["station"] == later).dt.total_seconds().max()
            if pd.notna(ahead) and ahead > _TOLERANCE:
                text = (
                    f"Attempts of station {later} that were recorded after attempts of station {earlier} are dated up "
                    f"to {span(ahead)} before them. One of the two clocks was wrong, or one station's records came "
                    "later: what one did before the other cannot be told from the times."
                )
                found.append(ClockDoubt((earlier, later), float(ahead), text))
    return tuple(found)


def suspects(found: Sequence[ClockDoubt]) -> tuple[str, ...]:
    """The stations to look at: as few as explain all doubts. Of two that contradict only each other both are named."""
    left, named = list(found), []
    while left:
        counts = Counter(station for doubt in left for station in doubt.stations)
        most = max(counts.values())
        chosen = {station for station, count in counts.items() if count == most}
        if most > 1:
            chosen = {min(chosen)}
        named += sorted(chosen)
        left = [doubt for doubt in left if not chosen & set(doubt.stations)]
    return tuple(named)
