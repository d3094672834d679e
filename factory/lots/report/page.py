"""The page: one file that needs nothing else. No script, no address; what a unit or a person said stays text."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from factory.lots.report import charts
from factory.lots.report.cycle import FEW, SlotCycle
from factory.lots.report.drawing import Sheet, plain
from factory.lots.report.figures import main_figures
from factory.lots.report.findings import findings
from factory.lots.report.report import Report
from factory.lots.report.words import rate, share, signed, span

_MOST_RUNS = 24
_MOST_DAYS = 31
_LONGEST_CAUSE = 240


def page(report: Report) -> str:
    """The report as one HTML file: the same report gives the same bytes."""
    sheet = Sheet()
    pictures = {}
    if report.causes:
        pictures["causes"] = charts.causes(sheet, report.causes)
    if report.attempts:
        pictures["pace"] = charts.pace(sheet, report.pace)
    if report.cycle.slots:
        pictures["slots"] = charts.slots(sheet, report.cycle)
    if report.cycle.steps:
        pictures["steps"] = charts.steps(sheet, report.cycle)
    runs = _runs(sheet, report)
    style = "\n" + _read("page.css") + sheet.rules() + "\n"
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    return (
        _environment()
        .from_string(_read("page.html.jinja"))
        .render(
            r=report,
            tiles=main_figures(report),
            highlights=findings(report),
            pictures={
                name: {"wide": Markup(two.wide), "narrow": Markup(two.narrow)}  # noqa: S704 - drawn and escaped by us
                for name, two in pictures.items()
            },
            runs=runs,
            most_slots=charts.MOST_SLOTS,
            most_days=_MOST_DAYS,
            few=FEW,
            style=Markup(style),  # noqa: S704 - ours
            style_hash=f"sha256-{digest}",
        )
    )


def _runs(sheet: Sheet, report: Report) -> list[tuple[SlotCycle, Markup]]:
    """A run chart per slot that has a band; of very many slots those that change most."""
    slots = [one for one in report.cycle.slots if one.low is not None]
    scale = charts.shared_scale(slots)
    chosen = {one.place for one in sorted(slots, key=lambda one: -abs(one.change or 0.0))[:_MOST_RUNS]}
    return [
        (one, Markup(charts.run_chart(sheet, f"run-{index}", one, scale)))  # noqa: S704 - drawn and escaped by us
        for index, one in enumerate(slots)
        if one.place in chosen
    ]


def _environment() -> Environment:
    environment = Environment(autoescape=True, undefined=StrictUndefined, finalize=_finalize, trim_blocks=False)
    environment.filters |= {
        "count": lambda number: f"{number:,}",
        "cut": _cut,
        "moment": lambda moment: f"{moment:%Y-%m-%d %H:%M}",
        "rate": rate,
        "seconds": lambda seconds: f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.1f}",
        "share": share,
        "signed": signed,
        "span": span,
        "utc": _utc,
        "verdict": _verdict,
    }
    return environment


def _finalize(value: object) -> object:
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_CAUSE else text[: _LONGEST_CAUSE - 1] + "…"


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def _verdict(one: SlotCycle) -> str:
    if one.verdict in ("slower", "faster") and one.change is not None:
        return f"{one.verdict} {signed(one.change)}"
    return one.verdict


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
