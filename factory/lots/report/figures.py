"""The figures that stand on top of the page, and that a terminal shows."""

from __future__ import annotations

from typing import NamedTuple

from factory.lots.report.report import Report
from factory.lots.report.words import NOTHING, rate, share, some, span


class Figure(NamedTuple):
    """One main figure: its name, its value, and what has to be known to read it."""

    name: str
    value: str
    more: str


def main_figures(report: Report) -> tuple[Figure, ...]:
    """Yield first, then output, pace, and what went wrong."""
    yields, work, again = report.yields, report.cycle, report.rework
    at_once = f"{yields.first_pass:,} of {some(yields.settled, 'board')} at once"
    if yields.settled:
        at_once += f"; 95 % interval {share(yields.low)} to {share(yields.high)}"
    stations = len(report.pace.stations)
    at_work = "while the station works" if stations == 1 else f"with {stations} stations at work"
    within = "no pass was timed" if work.p90 is None else f"median; 9 of 10 within {span(work.p90)}"
    part = f" ({share(report.lost / report.attempts)})" if report.attempts else ""
    return (
        Figure("First-pass yield", share(yields.rate, yields.settled), at_once),
        Figure("Good units now", f"{yields.good:,}", f"of {some(yields.boards + yields.returned, 'board')} seen"),
        Figure(
            "Units per hour",
            rate(report.pace.per_hour),
            "too short to say" if report.pace.per_hour is None else at_work,
        ),
        Figure("Cycle time", NOTHING if work.median is None else span(work.median), within),
        Figure("Units tried again", f"{again.again:,}", f"{some(again.after_pass, 'attempt')} after a pass"),
        Figure("Lost attempts", f"{report.lost:,}", f"of {report.attempts:,}{part}"),
    )
