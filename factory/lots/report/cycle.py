"""Cycle time: how long a pass takes in each slot, and whether that drifts.

The cycle runs from the admission of a unit to its pass, as its station timed it. A slot is held against itself: the
control band is its median and 3.145 times the median moving range to both sides (an individuals chart in its robust
form), the trend is the median of all slopes (Theil and Sen) and counts when Kendall's test is sure of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from factory.lots.report.frames import STEP_NAMES, Frames
from factory.lots.report.numbers import natural, number, places

FEW = 8  # passes below which nothing is said of a slot
_BAND = 3.145
_SURE = 3.29  # one wrong alarm in a thousand slots
_WORTH = 0.05  # a trend of less than this share of the median is nobody's concern
_BLOCKS = 200  # all pairs of slopes are compared, so long series are compared by medians of their parts


@dataclass(frozen=True, slots=True)
class SlotCycle:
    """The passes of one slot, in order. `seconds` are all of them; `low` and `high` the control band; `outside` how
    many lie beyond it; `change` what the trend comes to from the first pass to the last, as a share of the median.
    `verdict` is "steady", "slower", "faster" or "too few to say". `against` is the median against that of all slots.
    """

    station: str
    slot: str
    place: str
    seconds: tuple[float, ...]
    median: float
    p90: float
    low: float | None
    high: float | None
    outside: int
    change: float | None
    verdict: str
    against: float


@dataclass(frozen=True, slots=True)
class StepTime:
    """One step of an attempt that passed: its median, its 90th percentile, and its share of the medians' sum."""

    name: str
    median: float
    p90: float
    share: float


@dataclass(frozen=True, slots=True)
class Cycle:
    """Cycle times of all passes together, of each slot and of each step. `timed` passes could be timed, `untimed` not:
    the clock of their station was set while they ran.
    """

    timed: int
    untimed: int
    median: float | None
    p90: float | None
    slots: tuple[SlotCycle, ...]
    steps: tuple[StepTime, ...]

    @property
    def drifting(self) -> tuple[SlotCycle, ...]:
        """The slots that became slower or faster."""
        return tuple(one for one in self.slots if one.verdict in ("slower", "faster"))


def cycle(data: Frames) -> Cycle:
    """The cycle times of a lot's passes."""
    passed = data.attempts[data.attempts["outcome"] == "passed"]
    timed = passed[passed["seconds"].notna()]
    whole = number(timed["seconds"].median())
    named = timed.assign(place=places(timed, data.attempts))
    parts = named.groupby(["station", "slot"], sort=False)
    slots = [_slot(str(station), str(slot), part, whole or 0.0) for (station, slot), part in parts]
    return Cycle(
        timed=len(timed),
        untimed=len(passed) - len(timed),
        median=whole,
        p90=number(timed["seconds"].quantile(0.9)),
        slots=tuple(sorted(slots, key=lambda one: natural(one.place))),
        steps=_steps(data, set(timed["id"])),
    )


def _slot(station: str, slot: str, part: pd.DataFrame, whole: float) -> SlotCycle:
    values = part["seconds"].to_numpy(dtype=float)
    middle = float(np.median(values))
    low = high = change = None
    outside, verdict = 0, "too few to say"
    if len(values) >= FEW:
        # Times come in whole milliseconds and machines repeat themselves: a band of no width would alarm at anything.
        width = max(_BAND * float(np.median(np.abs(np.diff(values)))), 0.01 * middle)
        low, high = max(middle - width, 0.0), middle + width
        outside = int(((values < low) | (values > high)).sum())
        change, sure = trend(values)
        change = change / middle if middle else 0.0
        drifts = sure and abs(change) >= _WORTH
        verdict = ("slower" if change > 0 else "faster") if drifts else "steady"
    return SlotCycle(
        station=station,
        slot=slot,
        place=str(part["place"].iloc[0]),
        seconds=tuple(float(value) for value in values),
        median=middle,
        p90=float(np.quantile(values, 0.9)),
        low=low,
        high=high,
        outside=outside,
        change=change,
        verdict=verdict,
        against=middle / whole - 1 if whole else 0.0,
    )


def trend(values: np.ndarray) -> tuple[float, bool]:
    """What a series gains from its first value to its last, and whether that is no accident."""
    parts = np.array([np.median(part) for part in np.array_split(values, min(len(values), _BLOCKS))])
    count = len(parts)
    first, second = np.triu_indices(count, 1)
    gains = parts[second] - parts[first]
    slope = float(np.median(gains / (second - first)))
    score = float(np.sign(gains).sum())
    spread = float(np.sqrt(count * (count - 1) * (2 * count + 5) / 18))
    return slope * (count - 1), (abs(score) - 1) / spread > _SURE


def _steps(data: Frames, timed: set[int]) -> tuple[StepTime, ...]:
    told = data.steps[data.steps["attempt"].isin(timed) & data.steps["seconds"].notna()]
    by_step = told.groupby("step")["seconds"]
    middles, late = by_step.median(), by_step.quantile(0.9)
    total = float(middles.sum())
    return tuple(
        StepTime(name, float(middles[name]), float(late[name]), float(middles[name]) / total if total else 0.0)
        for name in STEP_NAMES.values()
        if name in middles.index
    )
