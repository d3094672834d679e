"""Stations in order and the stops of a lot, as rules of the tables."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from sqlalchemy import text

from factory.errors import UsageError
from factory.ledger import Ledger, Refused, StagedUnit, StagePlace, UploadFile
from factory.ledger.pool_records import Want
from factory.values import UnitState
from tests.ledger.made import BINDING, LOT, admit, bare, facts, identity, make_pass, opened
from tests.ledger.test_pools import SPEC, bring, give, run

STAGES = ("flash", "test", "pack")
LIMITS = [{"name": "signal", "value": "-50", "ok": True}]


def place(stage: str, lot: str = LOT) -> StagePlace:
    return StagePlace(STAGES, stage, lot, "A", "t.txt")


def require(ledger: Ledger, stage: str, *macs: int, serial: str | None = "SN1", lot: str = LOT) -> StagedUnit:
    return ledger.require_stage(identity(*macs, serial=serial), facts(*macs, serial=serial), place(stage, lot))


def do(ledger: Ledger, stage: str, *macs: int, serial: str | None = "SN1") -> None:
    ledger.stage_passed(place(stage), require(ledger, stage, *macs, serial=serial), LIMITS)


def refusal(ledger: Ledger, stage: str, *macs: int, serial: str | None = "SN1", lot: str = LOT) -> Refused:
    with pytest.raises(Refused) as caught:
        require(ledger, stage, *macs, serial=serial, lot=lot)
    return caught.value


def test_stages_in_order_on_both_engines(tmp_path: Path, both_engines: str) -> None:
    with opened(tmp_path) as ledger, opened(tmp_path, station="S2") as second:
        assert refusal(ledger, "test", 1, 2).code == "line.skipped-stage"
        unit = make_pass(ledger, 1, 2).unit
        assert unit is not None
        assert "has not passed stage test" in refusal(ledger, "pack", 1, 2).message
        do(second, "test", 1, 2)
        waiting = ledger.passed_units(LOT)
        assert ledger.stages_due(LOT, STAGES, waiting) == {unit: "pack"}
        file = UploadFile("a.csv", 1, "f" * 64, (unit,))
        with pytest.raises(UsageError, match="waits for stage pack") as late:
            ledger.mark_exported(LOT, [file], stages=STAGES)
        assert late.value.code == "ledger.stage-due"
        do(ledger, "pack", 1, 2)
        assert ledger.stages_due(LOT, STAGES, waiting) == {}
        again = require(ledger, "test", 1, 2)
        assert again.number == 2
        assert "done before: passed in slot A of station S2" in again.note
        event = ledger.stage_failed(place("test"), again, "check.signal", "-90 is below -70", LIMITS)
        assert event.attempt == again.record.id
        assert ledger.stages_due(LOT, STAGES, waiting) == {unit: "test"}
        assert [(one.stage, one.number, one.outcome) for one in second.stage_results(unit)] == [
            ("test", 1, "passed"),
            ("pack", 1, "passed"),
            ("test", 2, "failed"),
        ]
        assert second.stage_results(unit)[0].measurements == tuple(LIMITS)
        assert ledger.show().lots[0].stages == {"pack": {"passed": 1}, "test": {"failed": 1}}
        do(ledger, "test", 1, 2)
        ledger.mark_exported(LOT, [file], stages=STAGES)
        assert ledger.verify() == ()


def test_a_pass_of_before_does_not_count(ledger: Ledger) -> None:
    unit = make_pass(ledger, 1).unit
    do(ledger, "test", 1)
    do(ledger, "pack", 1)
    ledger.change_unit("hw-1", UnitState.REWORK, "another image")
    assert "it is in rework" in refusal(ledger, "pack", 1).message
    make_pass(ledger, 1)
    assert ledger.stages_due(LOT, STAGES, ledger.passed_units(LOT)) == {unit: "test"}
    assert "has not passed stage test" in refusal(ledger, "pack", 1).message
    assert ledger.show().lots[0].stages == {}


def test_who_is_not_the_unit_is_refused(ledger: Ledger) -> None:
    make_pass(ledger, 1, 2)
    make_pass(ledger, 3, serial="SN3")
    admit(ledger, 5, serial="SN5")
    ledger.bind_lot("other", BINDING)
    assert refusal(ledger, "test", 1, 2, serial="SN2").code == "ledger.clone"
    assert refusal(ledger, "test", 1).code == "ledger.clone", "one of its addresses is missing"
    assert refusal(ledger, "test", 1, 3).code == "ledger.clone", "addresses of two units"
    assert refusal(ledger, "test", 5, serial="SN5").code == "ledger.clone", "in work elsewhere"
    assert refusal(ledger, "test", 3, serial="SN3", lot="other").code == "line.other-lot"
    ledger.change_unit("hw-3", UnitState.SCRAPPED, "broken")
    assert refusal(ledger, "test", 3, serial="SN3").code == "ledger.scrapped"


def test_without_serials_the_addresses_decide(ledger: Ledger) -> None:
    make_pass(ledger, 1, 2, serial=None)
    do(ledger, "test", 1, 2, serial=None)


def test_what_changed_meanwhile_is_not_passed(ledger: Ledger) -> None:
    unit = make_pass(ledger, 1)
    looked_at = require(ledger, "test", 1)
    ledger.change_unit("hw-1", UnitState.QUARANTINED, "a scratch")
    with pytest.raises(Refused) as caught:
        ledger.stage_passed(place("test"), looked_at, LIMITS)
    assert caught.value.code == "line.unit-changed"
    assert unit.unit is not None
    assert ledger.stage_results(unit.unit) == ()
    ledger.stage_failed(place("test"), looked_at, "line.unit-changed", "was put aside", [])
    assert [one.outcome for one in ledger.stage_results(unit.unit)] == ["failed"]


def fail(ledger: Ledger, number: int, code: str) -> None:
    ledger.failed(admit(ledger, number, serial=f"SN{number}").id, code, "no answer")


def test_a_lot_stops_after_equal_failures_whatever_station_they_were_at(tmp_path: Path, both_engines: str) -> None:
    with opened(tmp_path) as ledger, opened(tmp_path, station="S2") as second:
        fail(ledger, 1, "unit.gone")
        fail(second, 2, "unit.gone")
        assert ledger.judge_lot(LOT, "", after=3) is None
        ledger.turn_away(lot=LOT, slot="A", code="ledger.clone", text="a clone")
        fail(ledger, 3, "line.interrupted")
        assert ledger.judge_lot(LOT, "", after=0) is None, "0 is never"
        fail(second, 4, "unit.gone")
        stop = second.judge_lot(LOT, "", after=3)
        assert stop is not None
        assert (stop.code, stop.failures, stop.station) == ("unit.gone", 3, "S2")
        assert ledger.lot_stop(LOT) == stop
        make_pass(ledger, 9, serial="SN9")
        assert ledger.judge_lot(LOT, "", after=3) == stop, "it stays until somebody answers for it"
        assert "3 units in a row failed with unit.gone" in (ledger.show().lots[0].stopped or "")
        ledger.accept_failures(LOT, "the switch was off")
        assert ledger.lot_stop(LOT) is None
        with pytest.raises(UsageError, match="has not stopped"):
            ledger.accept_failures(LOT, "in case")
        fail(ledger, 5, "unit.gone")
        fail(ledger, 6, "unit.gone")
        assert ledger.judge_lot(LOT, "", after=3) is None, "what was before does not count again"
        fail(ledger, 7, "flash.full")
        assert ledger.judge_lot(LOT, "", after=3) is None, "another cause"
        assert ledger.verify() == ()


def test_a_pass_between_failures_starts_the_count_anew(ledger: Ledger) -> None:
    for number in (1, 2):
        fail(ledger, number, "unit.gone")
    make_pass(ledger, 3, serial="SN3")
    fail(ledger, 4, "unit.gone")
    assert ledger.judge_lot(LOT, "", after=3) is None


def test_each_stage_counts_its_own_failures(ledger: Ledger) -> None:
    for number in (1, 2, 3):
        make_pass(ledger, number, serial=f"SN{number}")
    for number in (1, 2):
        staged = require(ledger, "test", number, serial=f"SN{number}")
        ledger.stage_failed(place("test"), staged, "check.signal", "weak", [])
    ledger.stage_failed(place("test"), None, "check.signal", "weak", [])
    assert ledger.judge_lot(LOT, "", after=3) is None
    assert ledger.judge_lot(LOT, "pack", after=3) is None
    stop = ledger.judge_lot(LOT, "test", after=3)
    assert stop is not None
    assert "failed at stage test with check.signal" in stop.told()


def test_stages_are_counted_in_their_order(ledger: Ledger) -> None:
    for number in (1, 2):
        make_pass(ledger, number, serial=f"SN{number}")
    for stage, number in (("test", 1), ("pack", 1), ("test", 2)):
        do(ledger, stage, number, serial=f"SN{number}")
    (lot,) = ledger.show().lots
    assert [(stage, sum(done.values())) for stage, done in lot.stages.items()] == [("test", 2), ("pack", 1)]


def test_the_life_tells_stages_in_the_order_in_which_they_were_done(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger, opened(tmp_path, station="Z") as testing, opened(tmp_path, station="A") as packing:
        make_pass(ledger, 1)
        for station, stage in ((testing, "test"), (packing, "pack"), (testing, "test")):
            do(station, stage, 1)
            time.sleep(0.002)  # a clock that tells the two apart
        (life,) = ledger.trace("hw-1").units
        told = [(event.station, event.data["stage"]) for event in life.events if event.kind == "stage.passed"]
        assert told == [("Z", "test"), ("A", "pack"), ("Z", "test")]


def test_what_a_pool_gave_is_known_and_nothing_is_given(ledger: Ledger) -> None:
    bring(ledger, run(10, 19))
    given = give(ledger, "SN1")
    known, other = ledger.known_cells([Want(SPEC, "SN1"), Want(SPEC, "SN2")])
    assert known is not None
    assert (known.values, known.fresh, other) == (given.values, False, None)
    assert ledger.pool_states()[0].given == 1


def test_what_is_wrong_with_stages_is_found(ledger: Ledger) -> None:
    for number in (1, 2):
        fail(ledger, number, "unit.gone")
    ledger.judge_lot(LOT, "", after=2)
    (stopped,) = [finding for finding in ledger.doctor() if finding.code == "LEDGER-STOPPED"]
    assert "2 units in a row failed with unit.gone" in stopped.message
    make_pass(ledger, 3, serial="SN3")
    staged = require(ledger, "test", 3, serial="SN3")
    ledger.stage_failed(place("test"), staged, "check.signal", "weak", [])
    with bare(ledger) as connection:
        connection.execute(text("UPDATE stage_results SET outcome = 'passed'"))
    (wrong,) = ledger.verify()
    assert (wrong.code, "no event says so" in wrong.message) == ("LEDGER-STATE", True)
    with bare(ledger) as connection:
        connection.execute(text("UPDATE stage_results SET outcome = 'failed'"))
