from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import time
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.lots.report import Calendar, Report, report
from factory.lots.report.clocks import suspects
from factory.lots.report.cycle import trend
from factory.lots.report.findings import findings
from factory.lots.report.numbers import interval, natural
from tests.lots.report.made import UTC_DAY, Try, plant, records


def work(tries: Sequence[Try], calendar: Calendar = UTC_DAY) -> Report:
    return report(records(tries), calendar)


def test_first_pass_yield_counts_boards_and_not_attempts() -> None:
    found = work(
        [
            Try(1),
            Try(2, "failed", at=60, code="flash.cut"),
            Try(2, at=200),
            Try(3, "failed", at=300, code="flash.cut"),
            Try(3, "failed", at=400, code="flash.cut"),
            Try(4, at=500),
        ]
    )
    assert (found.yields.settled, found.yields.first_pass, found.yields.good) == (4, 2, 3)
    assert found.yields.rate == 0.5
    assert found.rework.tries == ((1, 2), (2, 2))
    assert found.rework.again == 2
    assert found.lost == 3


def test_a_board_that_was_refused_first_did_not_pass_at_once() -> None:
    found = work([Try(None, "refused", serial="SN1", code="order.missing"), Try(1, at=60), Try(2, at=90)])
    assert (found.yields.boards, found.yields.first_pass) == (2, 1)


def test_a_good_unit_that_is_put_in_again_stays_good() -> None:
    found = work([Try(1), Try(None, "refused", serial="SN1", at=90, code="unit.passed")])
    assert (found.yields.settled, found.yields.first_pass) == (1, 1)
    assert found.causes[0].code == "unit.passed"


def test_a_clone_is_a_board_of_its_own_though_it_shows_the_id_of_another() -> None:
    clone = Try(None, "refused", serial="SN99", hardware_id="hw-1", at=90, code="ledger.clone")
    found = work([Try(1), clone])
    assert (found.yields.boards, found.yields.first_pass, found.yields.never_admitted) == (2, 1, 1)


def test_boards_with_placeholder_serials_are_not_one_board() -> None:
    away = [Try(None, "refused", serial="0000000000000000", at=at, code="ID-SENTINEL") for at in (1, 2)]
    found = work(away)
    assert (found.yields.boards, found.yields.nameless, found.causes[0].boards) == (0, 2, 2)
    assert found.yields.rate is None
    assert any("may have been one board or several" in note for note in found.notes)


def test_a_unit_of_an_earlier_lot_is_not_a_first_pass() -> None:
    found = work([Try(1, number=3), Try(2, at=60)])
    assert (found.yields.settled, found.yields.first_pass, found.yields.returned) == (1, 1, 1)


def test_an_open_attempt_is_told_and_not_judged() -> None:
    found = work([Try(1), Try(2, "flashing", at=60)])
    assert (found.yields.settled, found.yields.first_pass, found.counts["open"], found.lost) == (1, 1, 1, 0)
    assert any("had not ended" in note for note in found.notes)


def test_an_unknown_end_counts_as_not_passed() -> None:
    found = work([Try(1), Try(2, "unknown", at=60, code="ledger.interrupted")])
    assert (found.yields.settled, found.yields.first_pass, found.lost) == (2, 1, 1)


def test_an_attempt_after_a_pass_is_told() -> None:
    assert work([Try(1), Try(1, at=100)]).rework.after_pass == 1


def test_causes_are_in_order_and_come_to_all() -> None:
    tries = [
        Try(index, "failed", at=index * 60, code="b" if index < 4 else "a", cause=f"{index}") for index in range(1, 7)
    ]
    tries += [Try(9, "failed", at=900)]
    causes = work(tries).causes
    assert [(one.code, one.attempts) for one in causes] == [("a", 3), ("b", 3), ("(no code)", 1)]
    assert causes[-1].cumulative == 1
    assert causes[0].example == "6"


def test_a_slot_that_grows_slower_is_found_and_a_steady_one_is_not() -> None:
    chance = np.random.default_rng(1)
    slow = [Try(i, at=i * 100, seconds=60 + i * 0.4 + chance.normal(), slot="A") for i in range(1, 60)]
    steady = [Try(i + 100, at=i * 100 + 5, seconds=60 + chance.normal(), slot="B") for i in range(1, 60)]
    tries = sorted(slow + steady, key=lambda one: one.at)
    slots = {one.slot: one for one in work(tries).cycle.slots}
    assert (slots["A"].verdict, slots["B"].verdict) == ("slower", "steady")
    assert slots["A"].change == pytest.approx(0.4 * 58 / slots["A"].median, rel=0.15)


def test_little_is_said_of_few_passes() -> None:
    slot = work([Try(index, at=index * 100) for index in range(1, 6)]).cycle.slots[0]
    assert (slot.verdict, slot.low, slot.change) == ("too few to say", None, None)


def test_a_lone_outlier_lies_outside_the_band_and_is_no_trend() -> None:
    tries = [Try(i, at=i * 100, seconds=200 if i == 20 else 60 + i % 3) for i in range(1, 40)]
    slot = work(tries).cycle.slots[0]
    assert (slot.outside, slot.verdict) == (1, "steady")


def test_a_long_series_is_judged_as_quickly_as_a_short_one() -> None:
    gain, sure = trend(np.linspace(60, 90, 100_000))
    assert sure
    assert gain == pytest.approx(30, rel=0.01)


def test_the_steps_come_from_the_stations_chain() -> None:
    steps = work([Try(1, seconds=100), Try(2, at=200, seconds=100)]).cycle.steps
    assert [(one.name, round(one.median)) for one in steps] == [
        ("prepare", 10), ("write and read back", 35), ("restart and prove", 45), ("finish", 10),
    ]  # fmt: skip


def test_a_clock_that_was_set_back_leaves_times_out_and_says_so() -> None:
    tries = [Try(1, at=0), Try(2, at=100, seconds=-3600), Try(3, at=200)]
    found = work(tries)
    assert (found.cycle.timed, found.cycle.untimed, found.yields.first_pass) == (2, 1, 3)
    assert any("could not be timed" in note for note in found.notes)


def test_a_chain_that_goes_back_in_time_names_its_station() -> None:
    told = records([Try(1, at=0), Try(2, at=100)])
    steps = {**told.steps, "seq": [str(seq) for seq in range(10, 0, -1)]}
    found = report(type(told)(told.lot, told.attempts, steps, told.units, told.changes), UTC_DAY)
    assert "The clock of station S1 went back" in found.notes[0]


def test_stations_whose_clocks_contradict_each_other_are_named() -> None:
    assert work(plant(60)).doubts == ()
    doubt = work(plant(60, skew=-7200)).doubts[0]
    assert doubt.stations == ("S1", "S2")
    assert 7000 < doubt.seconds <= 7200


def test_one_wrong_clock_of_many_is_found_among_them() -> None:
    tries = [
        Try(index, at=index * 30 - (7200 if index % 6 == 0 else 0), station=f"S{index % 6 + 1}")
        for index in range(1, 120)
    ]
    found = work(tries)
    assert suspects(found.doubts) == ("S1",)
    assert findings(found)[0].title == "The clock of station S1 cannot be trusted"


def test_a_clock_that_was_never_set_is_named() -> None:
    found = work([Try(1, at=-1.79e9), Try(2)])
    assert "never set, it said 1970" in found.notes[0]


def test_units_per_hour_leave_breaks_out() -> None:
    tries = [Try(i, at=i * 60 + (7200 if i > 30 else 0)) for i in range(1, 61)]
    pace = work(tries).pace
    assert pace.stations[0].pauses == 1
    assert pace.stations[0].worked == pytest.approx(60 * 60)
    assert pace.per_hour == pytest.approx(60)


def test_no_rate_from_a_minute_of_work() -> None:
    assert work([Try(1)]).pace.per_hour is None


def test_a_station_that_only_failed_made_none_per_hour() -> None:
    assert work([Try(i, "failed", at=i * 60, code="x") for i in range(1, 40)]).pace.per_hour == 0


def test_a_night_shift_belongs_to_its_evening() -> None:
    berlin = Calendar(ZoneInfo("Europe/Berlin"), (time(6), time(14), time(22)))
    # 08:00 UTC on the 20th: 22:30 and 03:00 of the night in Berlin, and 06:00 of the next morning
    tries = [Try(1, at=13.5 * 3600), Try(2, at=18 * 3600), Try(3, at=21 * 3600)]
    groups = work(tries, berlin).groups
    assert [(one.name, one.attempts) for one in groups["shift"]] == [("06:00–14:00", 1), ("22:00–06:00", 2)]  # noqa: RUF001
    assert [(one.name, one.attempts) for one in groups["day"]] == [("2026-11-20", 2), ("2026-11-21", 1)]


def test_a_long_lot_is_drawn_by_shift_and_a_very_long_one_by_day() -> None:
    assert work([Try(i, at=i * 3600) for i in range(1, 70)]).pace.unit == "hour"
    assert work([Try(i, at=i * 3600) for i in range(1, 90)]).pace.unit == "shift"
    assert work([Try(i, at=i * 28800) for i in range(1, 90)]).pace.unit == "day"


def test_nothing_was_tried() -> None:
    found = work([])
    assert found.notes == ("Nothing has been tried in this lot yet.",)
    assert (found.yields.rate, found.cycle.median, found.pace.per_hour, found.first) == (None, None, None, None)
    json.dumps(found.as_json(), allow_nan=False)


@pytest.mark.parametrize(("part", "whole"), [(0, 5), (5, 5), (3, 4), (950, 1000)])
def test_an_interval_holds_its_share(part: int, whole: int) -> None:
    low, high = interval(part, whole)
    assert low is not None
    assert high is not None
    assert 0 <= low <= part / whole <= high <= 1


def test_slot_2_comes_before_slot_10() -> None:
    assert sorted(["slot-10", "slot-2", "A", "²"], key=natural) == ["A", "slot-2", "slot-10", "²"]


_TRY = st.builds(
    Try,
    unit=st.one_of(st.none(), st.integers(1, 8)),
    state=st.sampled_from(["passed", "failed", "refused", "unknown", "flashing"]),
    at=st.floats(-1e5, 1e6),
    seconds=st.floats(-100, 1e5),
    station=st.sampled_from(["S1", "S2"]),
    slot=st.sampled_from(["A", "B", "<b>"]),
    operator=st.sampled_from(["Kim", "Noor"]),
    code=st.sampled_from([None, "a", "b"]),
    serial=st.sampled_from([None, None, "SN1", "SN77", "000000"]),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(_TRY, max_size=25))
def test_sums_add_up(tries: list[Try]) -> None:
    found = work([one for one in tries if one.unit is not None or one.state in ("failed", "refused")])
    yields = found.yields
    assert sum(found.counts.values()) == found.attempts
    assert sum(one.attempts for one in found.causes) == found.lost
    assert sum(one.share for one in found.causes) == pytest.approx(1 if found.causes else 0)
    for groups in found.groups.values():
        assert sum(one.attempts for one in groups) == found.attempts
        assert {key: sum(one.counts[key] for one in groups) for key in found.counts} == found.counts
        assert sum(one.boards for one in groups) == yields.settled
        assert sum(one.first_pass for one in groups) == yields.first_pass
    assert found.cycle.timed + found.cycle.untimed == found.counts["passed"]
    assert sum(len(one.seconds) for one in found.cycle.slots) == found.cycle.timed
    assert sum(bar.passed + bar.lost for bar in found.pace.bars) == found.attempts - found.counts["open"]
    assert yields.first_pass <= yields.settled <= yields.boards
    assert sum(one.units for one in found.pace.stations) == sum(
        1 for one in {t.unit for t in tries if t.state == "passed"} if one
    )
    assert sum(units for _, units in found.rework.tries) == sum(count for _, count in found.rework.states)
    json.dumps(found.as_json(), allow_nan=False)
