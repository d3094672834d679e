"""Fault 9: a clock at 1970, a day ahead, that jumps back, in the hour that summer time takes twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from factory.ledger import Binding, open_ledger
from factory.lots import export
from tests.faults.oracle import sound
from tests.lots.made import LOT, make_pass, product

_NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
_BERLIN = ZoneInfo("Europe/Berlin")


def _steps(*moments: datetime) -> Callable[[], datetime]:
    given = iter(moments)
    last = moments[-1]
    return lambda: next(given, last)


def _jumping() -> Callable[[], datetime]:
    """Forward a day and back again, at every look."""

    def moments() -> Iterator[datetime]:
        for number in range(10_000):
            yield _NOW + timedelta(days=number % 2, seconds=number)

    given = moments()
    return lambda: next(given)


def _twice_the_same_hour() -> Callable[[], datetime]:
    """2:30 in summer time, then 2:30 in winter time."""
    given = iter([datetime(2026, 10, 25, 2, 30, one, tzinfo=_BERLIN, fold=0) for one in range(9)])
    return lambda: next(given, datetime(2026, 10, 25, 2, 30, tzinfo=_BERLIN, fold=1))


@pytest.mark.parametrize(
    ("clock", "flagged"),
    [
        (_steps(datetime(1970, 1, 1, tzinfo=UTC)), True),
        (_steps(_NOW + timedelta(days=1)), False),
        (_jumping(), True),
        (_twice_the_same_hour(), False),
    ],
    ids=["1970", "a-day-ahead", "jumping", "summer-time"],
)
def test_order_names_and_states_do_not_go_by_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Callable[[], datetime], flagged: bool
) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    made = product(tmp_path / "p")
    with open_ledger("sqlite:///ledger.db", folder=tmp_path, station="S1", clock=clock) as book:
        book.bind_lot(LOT, Binding("router", "a" * 64, "b" * 64, 1))
        make_pass(book, made, 1)
        make_pass(book, made, 2)
        first = export(book, made, LOT, tmp_path / "out")
        make_pass(book, made, 3)
        second = export(book, made, LOT, tmp_path / "out")
        assert len({path.name for done in (first, second) for path in (*done.files, done.manifest)}) == 4
        passed = [unit.attempt for unit in book.passed_units(LOT)]
        assert passed == sorted(passed), "the order of passing is the order of the ledger"
        (life,) = book.trace("S1").units
        numbers = [event.seq or 0 for event in life.events]
        assert numbers == sorted(numbers)
        events = [event for number in (1, 2, 3) for event in book.trace(f"S{number}").units[0].events]
        assert any("clock" in event.data for event in events) == flagged
        sound(book)
    monkeypatch.undo()
    time.tzset()
