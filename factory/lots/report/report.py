"""A lot's report as values: its numbers, and what they cannot say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from factory.ledger import LotRecord, LotRecords
from factory.lots.report import numbers
from factory.lots.report.clocks import ClockDoubt, doubts
from factory.lots.report.cycle import Cycle, cycle
from factory.lots.report.frames import Calendar, Frames, frames
from factory.lots.report.numbers import Cause, Group, Rework, Yield, groups, lot_yield, pareto
from factory.lots.report.pace import ENOUGH, Pace, pace
from factory.lots.report.stage_numbers import StageNumbers, stage_numbers
from factory.lots.report.words import some, span

_MOST_DOUBTS = 5
_SAFE_FEW = 30  # boards below which a share is told with a warning


@dataclass(frozen=True, slots=True)
class Report:
    """What a lot came to. `counts` are its attempts by outcome; `first` and `last` the earliest start and the latest
    end that were dated, local; `notes` what the numbers cannot say, in sentences; `stages` are those beyond the
    flash, which nothing else in it counts.
    """

    lot: LotRecord
    zone: str
    counts: dict[str, int]
    first: pd.Timestamp | None
    last: pd.Timestamp | None
    software: tuple[str, ...]
    yields: Yield
    causes: tuple[Cause, ...]
    groups: dict[str, tuple[Group, ...]]
    cycle: Cycle
    pace: Pace
    rework: Rework
    doubts: tuple[ClockDoubt, ...]
    notes: tuple[str, ...]
    stages: tuple[StageNumbers, ...] = ()

    @property
    def attempts(self) -> int:
        """All attempts of the lot."""
        return sum(self.counts.values())

    @property
    def lost(self) -> int:
        """Attempts that ended without a pass."""
        return self.attempts - self.counts["passed"] - self.counts["open"]

    def as_json(self) -> dict[str, Any]:
        """The numbers as plain JSON values; durations in seconds, shares from 0 to 1."""
        told = asdict(self.yields) | {"rate": self.yields.rate}
        return {
            "lot": self.lot.name,
            "product": self.lot.binding.product,
            "zone": self.zone,
            "first": self.first and self.first.isoformat(timespec="milliseconds"),
            "last": self.last and self.last.isoformat(timespec="milliseconds"),
            "software": list(self.software),
            "attempts": {"all": self.attempts, **self.counts},
            "yield": told,
            "causes": [asdict(one) for one in self.causes],
            "groups": {
                name: [asdict(one) | {"attempts": one.attempts, "rate": one.rate} for one in found]
                for name, found in self.groups.items()
            },
            "cycle": asdict(self.cycle),
            "pace": {
                "per_hour": self.pace.per_hour,
                "stations": [asdict(one) | {"per_hour": one.per_hour} for one in self.pace.stations],
                "unit": self.pace.unit,
                "bars": [asdict(one) for one in self.pace.bars],
            },
            "rework": asdict(self.rework),
            "clock_doubts": [asdict(one) for one in self.doubts],
            "stages": [asdict(one) | {"units": one.units, "rate": one.rate} for one in self.stages],
            "notes": list(self.notes),
        }


def report(records: LotRecords, calendar: Calendar) -> Report:
    """Work a lot's records out. Pure: the same records give the same report."""
    data = frames(records, calendar)
    attempts = data.attempts
    found = doubts(attempts, data.events)
    yields, times, rates = lot_yield(data), cycle(data), pace(attempts)
    return Report(
        lot=records.lot,
        zone=calendar.zone.key,
        counts={outcome: int((attempts["outcome"] == outcome).sum()) for outcome in numbers.OUTCOMES},
        first=_moment(attempts["started"].min()),
        last=_moment(attempts["ended"].max()),
        software=tuple(sorted({str(one) for one in attempts["software"]})),
        yields=yields,
        causes=pareto(attempts),
        groups=groups(attempts),
        cycle=times,
        pace=rates,
        rework=numbers.rework(data),
        doubts=found,
        notes=(*_doubtful(found), *_notes(data, yields, times, rates)),
        stages=stage_numbers(records.stages),
    )


def _doubtful(found: Sequence[ClockDoubt]) -> Iterator[str]:
    """One clock that is wrong contradicts all the others: the worst are told, the rest counted."""
    worst = sorted(found, key=lambda doubt: -doubt.seconds)[:_MOST_DOUBTS]
    yield from (doubt.text for doubt in worst)
    if len(found) > len(worst):
        yield f"The clocks contradict each other in {len(found) - len(worst)} more ways."


def _moment(value: Any) -> pd.Timestamp | None:
    return None if pd.isna(value) else value


def _notes(data: Frames, yields: Yield, times: Cycle, rates: Pace) -> Iterator[str]:
    outcomes = data.attempts["outcome"]
    still_open, unknown = int((outcomes == "open").sum()), int((outcomes == "unknown").sum())
    off_ledger = int(((outcomes == "passed") & data.attempts["unit"].isna()).sum())
    if not len(outcomes):
        yield "Nothing has been tried in this lot yet."
        return
    if still_open:
        yield (
            f"{some(still_open, 'attempt')} had not ended when the ledger was read, and {_is(still_open)} not in the "
            "yield."
        )
    if unknown:
        yield f"Of {some(unknown, 'attempt')} nobody knows the end, since the station stopped: counted as not passed."
    if yields.nameless:
        yield (
            f"At {some(yields.nameless, 'attempt')} the board showed nothing that it could be told by. "
            "They are among the causes, but not in the yield: it may have been one board or several."
        )
    if yields.never_admitted:
        yield (
            f"{_boards(yields.never_admitted)} never admitted as a unit. The yield counts each of them as a board that "
            "did not pass."
        )
    if yields.returned:
        yield f"{_boards(yields.returned)} in another lot before, and {_is(yields.returned)} not in the yield."
    if off_ledger:
        yield f"{some(off_ledger, 'attempt')} passed off the ledger, without a unit's record."
    if 0 < yields.settled < _SAFE_FEW:
        yield f"The yield is of {some(yields.settled, 'board')} only: see its 95 % interval before you compare it."
    if times.untimed:
        yield f"{some(times.untimed, 'attempt')} passed but could not be timed: the station's clock was set meanwhile."
    short = [one.station for one in rates.stations if one.per_hour is None]
    if short:
        yield f"Too short for units per hour (under {span(ENOUGH)} of work): station {', '.join(short)}."
    if times.timed:
        yield (
            "Cycle time runs from the admission of a unit to its pass. Plugging in, booting and reading a unit before "
            "that are not in the ledger."
        )


def _boards(count: int) -> str:
    return "1 board was" if count == 1 else f"{count:,} boards were"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
