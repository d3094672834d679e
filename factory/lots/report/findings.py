"""What a reader should look at first. Only what stands out by a test goes in, and never a person by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from factory.lots.report.clocks import suspects
from factory.lots.report.numbers import Cause, Group, interval
from factory.lots.report.report import Report
from factory.lots.report.words import span

_SLOTS_NAMED = 4
_ENOUGH_LOST = 3
_TALL = 0.3


@dataclass(frozen=True, slots=True)
class Highlight:
    """One thing to look at: where in the page it stands, a few words, and the figures behind them."""

    anchor: str
    title: str
    text: str


def findings(report: Report) -> tuple[Highlight, ...]:
    """What stands out, in the order of the page; empty when nothing does."""
    return (*_clocks(report), *_causes(report.causes, report.lost), *_slow(report), *_places(report))


def _clocks(report: Report) -> Iterator[Highlight]:
    """First, since what is dated wrongly makes other figures wrong."""
    if report.doubts:
        stations = suspects(report.doubts)
        what = "clock of station" if len(stations) == 1 else "clocks of stations"
        text = "Set the time there before the next lot. What is uncertain by it stands at the end of this page."
        yield Highlight("notes", f"The {what} {', '.join(stations)} cannot be trusted", text)


def _causes(causes: tuple[Cause, ...], lost: int) -> Iterator[Highlight]:
    if not causes or causes[0].attempts < _ENOUGH_LOST or causes[0].share < _TALL:
        return
    first = causes[0]
    place, count = first.slots[0]
    where = f", {count} of them in slot {place}" if len(first.slots) > 1 and count > first.attempts / 2 else ""
    text = f"{first.attempts:,} of {lost:,} lost attempts ({first.share:.0%}){where}."
    yield Highlight("causes", f"{first.code} is the cause to mend first", text)


def _slow(report: Report) -> Iterator[Highlight]:
    slower = sorted(
        (one for one in report.cycle.drifting if one.verdict == "slower"), key=lambda one: -(one.change or 0)
    )
    for one in slower[:_SLOTS_NAMED]:
        text = (
            f"A pass took {one.change:.0%} longer at the end of the lot than at its start; median {span(one.median)}."
        )
        yield Highlight("cycle", f"Slot {one.place} grows slower", text)
    if len(slower) > _SLOTS_NAMED:
        yield Highlight("cycle", f"{len(slower) - _SLOTS_NAMED} more slots grow slower", "The table has them all.")


def _places(report: Report) -> Iterator[Highlight]:
    """Places whose yield is lower than that of all the others, by intervals that do not meet."""
    for name in ("station", "slot", "shift"):
        parts = report.groups[name]
        for one in parts:
            others = [other for other in parts if other is not one]
            if _worse(one, others):
                boards, good = sum(other.boards for other in others), sum(other.first_pass for other in others)
                text = f"{one.first_pass:,} of {one.boards:,} boards passed at once; elsewhere {good:,} of {boards:,}."
                title = f"{name.capitalize()} {one.name} has a first-pass yield of {one.rate:.0%} only"
                yield Highlight("groups", title, text)


def _worse(one: Group, others: list[Group]) -> bool:
    _, high = interval(one.first_pass, one.boards)
    low, _ = interval(sum(other.first_pass for other in others), sum(other.boards for other in others))
    return high is not None and low is not None and high < low
