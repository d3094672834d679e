"""Ratios between two ways of doing the same work, taken in turn in one run, as medians."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ratio:
    """What one comparison gave: medians in seconds, their ratio, the spread of each side (max/min), the goal."""

    name: str
    ours: float
    other: float
    ratio: float
    spread: tuple[float, float]
    goal: str
    met: bool

    def line(self) -> str:
        """One line of the report."""
        mark = "met   " if self.met else "missed"
        return (
            f"{mark}  {self.name:<58} {self.ours * 1000:9.1f} ms {self.other * 1000:9.1f} ms"
            f"  ratio {self.ratio:6.2f}  goal {self.goal}  (spread {self.spread[0]:.2f}, {self.spread[1]:.2f})"
        )


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call, in seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def compare(
    name: str, ours: Callable[[], object], other: Callable[[], object], *, at_most: float, runs: int = 5
) -> Ratio:
    """Time both in turn, `runs` times after one warm-up each; the goal is ours/other <= `at_most`."""
    ours(), other()
    left, right = [], []
    for _ in range(runs):
        left.append(seconds(ours))
        right.append(seconds(other))
    ratio = statistics.median(left) / statistics.median(right)
    spread = (max(left) / min(left), max(right) / min(right))
    goal = f"at most {at_most:g}"
    return Ratio(name, statistics.median(left), statistics.median(right), ratio, spread, goal, ratio <= at_most)
