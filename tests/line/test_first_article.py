"""The first unit of a kind runs alone; a board that the image does not fit is not touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from factory.errors import UsageError
from factory.line import Outcome
from factory.rehearsal.faults import Fault
from tests.line.floor import LOT, SSH, Floor, by_slot, outcomes, plan

FIRST = {"prove.first_article": True}


def test_the_others_are_written_to_when_the_first_has_passed(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(number) for number in (1, 2, 3)], settings=FIRST) as floor:
        summary = floor.run(3)
        assert summary.passed == 3, outcomes(summary)
        began = [event for event in floor.events if event.kind == "article.begun"]
        assert len(began) == 1
        passed = next(event for event in floor.events if event.kind == "attempt.passed")
        assert passed.attempt == began[0].attempt
        later = [event for event in floor.events if event.kind == "attempt.flashing"][1:]
        assert all((event.seq or 0) > (passed.seq or 0) for event in later)
        slot = passed.slot
        said = {
            str(event.data["text"])
            for event in floor.events
            if event.kind == "slot.state" and event.slot != slot and event.data.get("step") == "wait"
        }
        assert said == {f"waiting for the first article in slot {slot}"}
        assert floor.ledger.verify() == ()


def test_its_failure_stops_the_lot_until_it_is_accepted(tmp_path: Path) -> None:
    plans = [plan(1, SSH, Fault.FORGETS_ON_REBOOT), plan(2, SSH), plan(3, SSH, model="Another board")]
    with Floor(tmp_path, plans, settings=FIRST) as floor:
        first = floor.run(1, slots=["slot-01"])
        assert outcomes(first)["slot-01"][0] == "failed"
        stopped = floor.run(2, slots=["slot-02", "slot-03"])
        for row in stopped.rows:
            assert (row.outcome, row.code) == (Outcome.REFUSED, "ledger.first-article"), row
            assert row.cause is not None
            assert "slot slot-01 of station S1" in row.cause
            assert row.attempt is not None
            assert "--accept-first-article" in str(row.hint)
        assert floor.unit(2).boots == 1
        accepted = floor.run(1, slots=["slot-02"], accept_first_article="u1 has a bad card")
        assert accepted.passed == 1, outcomes(accepted)
        event = next(event for event in floor.events if event.kind == "article.accepted")
        assert event.data["reason"] == "u1 has a bad card"
        floor.ledger.close()
        floor.open()
        again = floor.run(1, slots=["slot-03"])
        assert again.passed == 1, outcomes(again)
        with pytest.raises(UsageError, match="no first article that failed"):
            floor.line(accept_first_article="in case")


def test_whoever_waits_when_it_fails_is_not_written_to(tmp_path: Path) -> None:
    plans = [plan(1, SSH, Fault.FORGETS_ON_REBOOT), plan(2, SSH)]
    with Floor(tmp_path, plans, settings=FIRST, boot_seconds=1.5) as floor, floor.running() as running:
        running.wait("slot.state", step="wait")
        running.wait("attempt.failed", slot="slot-01")
        waited = next(event.slot for event in running.events if event.data.get("step") == "wait")
        if waited == "slot-02":  # either unit may have been the first
            assert floor.unit(2).boots == 1
            event = running.wait("attempt.failed", slot="slot-02")
            assert event.data["code"] == "ledger.first-article"
            assert (floor.unit(2).root / "etc/connectd/hardware_id.txt").read_text() == "default.\n"


def test_a_first_article_that_was_not_restarted_says_so(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1)], settings={**FIRST, "prove.reboot": "none"}) as floor:
        row = by_slot(floor.run(1))["slot-01"]
        assert row.outcome is Outcome.PASSED
        assert any("proved without a restart" in warning for warning in row.warnings)


@pytest.mark.parametrize(
    ("settings", "code", "says"),
    [
        ({"hardware.models": ["Router 3"]}, "flash.model", 'made for model "Router 3", and its model is "'),
        (
            {"hardware.revisions": ["a", "b"], "unit.facts": {"revision": "echo c"}},
            "flash.revision",
            'made for revision "a" or "b", and its revision is "c"',
        ),
    ],
)
def test_a_board_that_the_image_does_not_fit_is_refused_untouched(
    tmp_path: Path, settings: dict[str, object], code: str, says: str
) -> None:
    with Floor(tmp_path, [plan(1)], settings=settings) as floor:
        row = by_slot(floor.run(1))["slot-01"]
        assert (row.outcome, row.code) == (Outcome.REFUSED, code)
        assert says in str(row.cause)
        assert floor.unit(1).boots == 1
        assert (floor.unit(1).root / "etc/connectd/hardware_id.txt").read_text() == "default.\n"
        (attempt,) = floor.ledger.show().attempts
        assert (str(attempt.state), attempt.code, attempt.cause) == ("refused", code, row.cause)
        assert attempt.lot == LOT
