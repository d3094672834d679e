"""The pictures of a report. Each takes numbers and draws them, in a wide form and, for phones, in a narrow one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from factory.lots.report.cycle import Cycle, SlotCycle
from factory.lots.report.drawing import ACCENT, BAD, BAND, GOOD, GRID, INK, MUTED, WARN, Draw, Sheet, plain
from factory.lots.report.numbers import Cause
from factory.lots.report.pace import Bar, Pace
from factory.lots.report.words import span

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE, NARROW = 700.0, 340.0
_MOST_CAUSES = 10
_POINTS = 120
MOST_SLOTS = 40


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture in both forms, as SVG."""

    wide: str
    narrow: str


def causes(sheet: Sheet, found: Sequence[Cause]) -> Picture:
    """Pareto: a bar per cause, and how much all down to it come to."""
    shown = list(found[:_MOST_CAUSES])
    rest = sum(one.attempts for one in found[_MOST_CAUSES:])
    rows = [(one.code, one.attempts, one.cumulative, one.outcome) for one in shown]
    if rest:
        rows.append((f"{len(found) - _MOST_CAUSES} more causes", rest, 1.0, ""))
    most = max(row[1] for row in rows)

    def draw(figure: Figure, width: float) -> None:
        axes = _bare(figure, (0.0, 0.0, 1.0, 1.0))
        axes.set_xlim(0, most)
        axes.set_ylim(len(rows) - 0.25, -0.75)
        for at, (code, count, cumulative, outcome) in enumerate(rows):
            colour = {"failed": BAD, "refused": WARN}.get(outcome, MUTED)
            axes.barh(at, most, height=0.3, color=GRID, alpha=0.5, linewidth=0)
            axes.barh(at, count, height=0.3, color=colour, linewidth=0)
            axes.text(0, at - 0.28, _short(code, width / 9.5), va="bottom", ha="left", fontweight="bold")
            told = f"{count:,}  ·  {cumulative:.0%} so far" if width > NARROW else f"{count:,} · {cumulative:.0%}"
            axes.text(most, at - 0.28, told, va="bottom", ha="right", color=MUTED)

    title = "Causes of lost attempts: " + ", ".join(f"{row[0]} {row[1]}" for row in rows)
    return _both(sheet, "causes", 38.0 * len(rows) + 6, title, draw)


def pace(sheet: Sheet, found: Pace) -> Picture:
    """Attempts over time, by their outcome; what has no work is left out, and a gap stands for it."""
    places = _places(found.bars)
    most = max(bar.passed + bar.lost for bar in found.bars)

    height = 210.0

    def draw(figure: Figure, width: float) -> None:
        axes = figure.add_axes((34 / width, 40 / height, 1 - 36 / width, 1 - 50 / height))
        axes.set_xlim(-0.7, max(places[-1] + 0.7, 7.3))
        axes.set_ylim(0, most * 1.08 or 1)
        _grid(axes)
        axes.bar(places, [bar.passed for bar in found.bars], width=0.78, color=GOOD, linewidth=0)
        lost, below = [bar.lost for bar in found.bars], [bar.passed for bar in found.bars]
        axes.bar(places, lost, bottom=below, width=0.78, color=BAD, linewidth=0)
        _time_ticks(axes, found.bars, places, width)

    total = sum(bar.passed for bar in found.bars)
    title = f"Attempts per {found.unit}: {total} passed, at most {most} attempts in one {found.unit}"
    return _both(sheet, "pace", height, title, draw)


def steps(sheet: Sheet, found: Cycle) -> Picture:
    """Where the time of a pass goes: the medians of its steps, one behind the other."""
    total = sum(step.median for step in found.steps) or 1.0
    colours = (MUTED, ACCENT, BAND, GOOD)

    def draw(figure: Figure, _: float) -> None:
        axes = _bare(figure, (0.0, 0.0, 1.0, 1.0))
        axes.set_xlim(0, total)
        axes.set_ylim(0, 1)
        so_far = 0.0
        for step, colour in zip(found.steps, colours, strict=False):
            axes.barh(0.5, step.median, left=so_far, height=0.92, color=colour, linewidth=0)
            so_far += step.median

    title = "Where the time of a pass goes: " + ", ".join(f"{one.name} {span(one.median)}" for one in found.steps)
    return _both(sheet, "steps", 26.0, title, draw)


def slots(sheet: Sheet, found: Cycle) -> Picture:
    """The slots side by side, of very many the slowest: the median, and up to the 90th percentile."""
    slowest = {one.place for one in sorted(found.slots, key=lambda one: -one.median)[:MOST_SLOTS]}
    shown = [one for one in found.slots if one.place in slowest]
    least, most = _scale([one.median for one in shown], [one.p90 for one in shown])

    height = 20.0 * len(shown) + 44

    def draw(figure: Figure, width: float) -> None:
        names = [_short(one.place, 16) for one in shown]
        left = min(12 + 6.6 * max(len(name) for name in names), 0.36 * width)
        axes = figure.add_axes((left / width, 30 / height, 1 - (left + 8) / width, 1 - 38 / height))
        axes.set_xlim(least, most)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.grid(axis="x")
        _hide(axes, "left", "bottom")
        axes.set_yticks(range(len(shown)), names)
        axes.tick_params(axis="y", labelcolor=INK)
        axes.xaxis.set_major_locator(_ticks(4 if width <= NARROW else 8))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} s")
        if found.median is not None:
            axes.axvline(found.median, color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
        for at, one in enumerate(shown):
            colour = BAD if one.verdict == "slower" else ACCENT
            axes.plot([one.median, one.p90], [at, at], color=colour, linewidth=5, alpha=0.35, solid_capstyle="butt")
            axes.plot([one.median], [at], marker="o", markersize=7.5, color=colour, linestyle="none")

    title = "Cycle time per slot: " + ", ".join(f"{one.place} {span(one.median)}" for one in shown)
    return _both(sheet, "slots", height, title, draw)


def shared_scale(found: Sequence[SlotCycle]) -> tuple[float, float]:
    """The scale of all run charts: so that one glance compares them, and no far-off pass flattens them."""
    return _scale([one.low or one.median for one in found], [one.high or one.p90 for one in found])


def _scale(low: Sequence[float], high: Sequence[float]) -> tuple[float, float]:
    """A scale with some air; it begins at zero where zero is not far."""
    least, most = min(low, default=0.0), max(high, default=1.0)
    air = max(0.2 * (most - least), 0.02 * most, 0.001)
    return (0.0 if least - air < 0.4 * most else least - air), most + air


def run_chart(sheet: Sheet, name: str, one: SlotCycle, scale: tuple[float, float]) -> str:
    """A slot's passes in order with their control band, on the scale that all slots share."""
    import numpy as np

    values = np.array(one.seconds)
    count = len(values)
    size = max(1, count // _POINTS)
    width, height = 170.0, 92.0

    def draw(figure: Figure) -> None:
        axes = figure.add_axes((30 / width, 17 / height, 1 - 36 / width, 1 - 22 / height))
        axes.set_xlim(-0.03 * count, max(count - 1, 1) * 1.03)
        axes.set_ylim(*scale)
        _grid(axes, 3)
        axes.set_xticks([0, count - 1] if count > 1 else [0], ["1", f"{count:,}"] if count > 1 else ["1"])
        axes.tick_params(labelsize=8.5)
        if one.low is not None and one.high is not None:
            axes.axhspan(one.low, one.high, color=BAND, alpha=0.3, linewidth=0)
            axes.axhline(one.median, color=MUTED, linewidth=0.7)
        # Parts of one size: medians of different numbers of passes would look differently calm.
        parts = [np.arange(at, min(at + size, count)) for at in range(0, count, size)]
        colour = BAD if one.verdict == "slower" else ACCENT
        middle = [float(np.median(values[part])) for part in parts]
        at = [float(part.mean()) for part in parts]
        if count > 60:
            axes.plot(at, middle, color=colour, linewidth=0.9)
        else:
            axes.plot(at, middle, color=colour, marker="o", markersize=2.6, linewidth=0.5)
        _mark_outside(axes, values, one, scale)

    title = f"Slot {one.place}: {count} passes, median {span(one.median)}, {one.verdict}"
    return sheet.draw(name, (width, height), title, draw)


def _mark_outside(axes: Axes, values: Any, one: SlotCycle, scale: tuple[float, float]) -> None:
    """What lies beyond the band, at the edge where the scale ends; the farthest first, a hundred at most."""
    if one.low is None or one.high is None:
        return
    outside = [index for index, value in enumerate(values) if not one.low <= value <= one.high]
    outside = sorted(outside, key=lambda index: -abs(values[index] - one.median))[:100]
    heights = [min(max(float(values[index]), scale[0]), scale[1]) for index in outside]
    axes.plot(outside, heights, color=WARN, marker="o", markersize=3.4, linestyle="none", clip_on=False)


def _both(sheet: Sheet, name: str, height: float, title: str, draw: Callable[[Figure, float], None]) -> Picture:
    def of(width: float) -> Draw:
        return lambda figure: draw(figure, width)

    return Picture(
        sheet.draw(f"{name}-wide", (WIDE, height), title, of(WIDE)),
        sheet.draw(f"{name}-narrow", (NARROW, height), title, of(NARROW)),
    )


def _places(bars: Sequence[Bar]) -> list[float]:
    places, at = [], 0.0
    for index, bar in enumerate(bars):
        at += 0.0 if index == 0 else 1.0 if bar.follows else 1.8
        places.append(at)
    return places


def _time_ticks(axes: Axes, bars: Sequence[Bar], places: Sequence[float], width: float) -> None:
    """The time below some bars, and below that each day where it begins; never so near that they touch."""
    per_bar = (width - 36) / max(places[-1] + 1.4, 8)
    last_label = last_day = -1e9
    ticks, labels, day_before = [], [], None
    for bar, at in zip(bars, places, strict=True):
        if bar.label and (at - last_label) * per_bar >= 40:
            ticks.append(at)
            labels.append(bar.label)
            last_label = at
        if bar.day != day_before and (at - last_day) * per_bar >= 76:
            place = (at - 0.39, -0.155 if bar.label else -0.03)
            axes.text(*place, bar.day, transform=axes.get_xaxis_transform(), va="top", ha="left", color=INK)
            last_day = at
        if bar.day != day_before and day_before is not None:
            axes.axvline(at - (0.5 if bar.follows else 0.9), color=GRID, linewidth=0.8, linestyle=(0, (2, 3)))
        day_before = bar.day
    axes.set_xticks(ticks, labels)


def _bare(figure: Figure, place: tuple[float, float, float, float]) -> Axes:
    axes = figure.add_axes(place)
    axes.set_axis_off()
    return axes


def _grid(axes: Axes, ticks: int = 5) -> None:
    axes.grid(axis="y")
    _hide(axes, "left")
    axes.yaxis.set_major_locator(_ticks(ticks))


def _hide(axes: Axes, *sides: str) -> None:
    for side in sides:
        axes.spines[side].set_visible(False)


def _ticks(most: int) -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(most, integer=True)


def _short(text: str, most: float) -> str:
    text = plain(text)
    return text if len(text) <= most else text[: max(int(most) - 1, 1)] + "…"
