"""A line stops by itself: a slot until somebody has looked, a lot until somebody says why it goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from factory.config import load_bench
from factory.errors import NotStartedError, UsageError
from factory.line import Key
from factory.rehearsal.faults import Fault
from factory.values import AttemptState
from tests.line.floor import LOT, SSH, Floor, plan


def stopping(floor: Floor, **settings: int) -> None:
    """The floor's bench with other limits."""
    lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
    text = floor.bench_file.read_text()
    floor.bench_file.write_text(text.replace("[station]\n", f"[station]\n{lines}", 1))
    floor.config = load_bench(floor.bench_file)


def kinds(floor: Floor, kind: str) -> list[Any]:
    return [event for event in floor.events if event.kind == kind]


def test_a_slot_stops_until_somebody_has_looked(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1, SSH, Fault.WRONG_PASSWORD)]) as floor:
        stopping(floor, stop_slot_after=2, stop_lot_after=0)
        with floor.running(interactive=True) as running:
            running.wait("slot.state", state="fail")
            running.line.press("slot-01", Key.HERE)  # again, at once
            stopped = running.wait("slot.state", state="stopped")
            assert str(stopped.data["text"]).startswith("STOPPED: 2 units in a row failed: ")
            assert "type slot-01 and Enter" in str(stopped.data["hint"])
            told = running.wait("slot.stopped")
            assert (told.seq is not None, told.data["count"], told.data["code"]) == (True, 2, "unit.login-incorrect")
            running.line.press("slot-01", Key.HERE)
            running.wait("slot.resumed")
            running.line.press("slot-01", Key.HERE)
            running.wait("attempt.failed", count=3)
        assert floor.ledger.verify() == ()


def test_where_nobody_can_look_the_slot_is_left_out(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1, SSH, Fault.WRONG_PASSWORD), plan(2)]) as floor:
        stopping(floor, stop_slot_after=1, stop_lot_after=0)
        summary = floor.run(2)
        assert (summary.passed, summary.failed) == (1, 1)
        assert kinds(floor, "slot.stopped")
        # Of two attempts that were wanted none can be made: the run ends all the same.
        assert floor.run(2, slots=["slot-01"]).failed == 1


def test_refused_units_stop_nothing(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1)]) as floor:
        stopping(floor, stop_slot_after=1, stop_lot_after=1)
        assert floor.run(1).passed == 1
        for _ in range(2):
            assert floor.run(1).refused == 1, "it passed already"
        assert not kinds(floor, "slot.stopped")
        assert floor.ledger.lot_stop(LOT) is None


def test_a_stopped_lot_ends_the_line_and_keeps_the_next_from_starting(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1, SSH, Fault.WRONG_PASSWORD), plan(2, SSH, Fault.WRONG_PASSWORD), plan(3)]) as floor:
        stopping(floor, stop_slot_after=0, stop_lot_after=2)
        summary = floor.run(9, slots=["slot-01", "slot-02"])
        assert summary.failed == 2, "it ended by itself"
        (said,) = kinds(floor, "line.warning")
        assert "2 units in a row failed with unit.login-incorrect" in said.data["message"]
        assert kinds(floor, "lot.stopped")
        floor.ledger.close()
        floor.open()
        with pytest.raises(NotStartedError) as caught:
            floor.line()
        assert caught.value.code == "line.lot-stopped"
        assert "--accept-failures" in caught.value.hint
        assert floor.run(1, slots=["slot-03"], accept_failures="the password was mistyped").passed == 1
        (accepted,) = kinds(floor, "lot.accepted")
        assert accepted.data["reason"] == "the password was mistyped"
        with pytest.raises(UsageError, match="has not stopped"):
            floor.line(accept_failures="in case")


def test_what_another_station_stopped_stops_this_one(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1)]) as floor, floor.running() as running:
        running.wait("attempt.passed")
        for _ in range(2):
            floor.ledger.turn_away(
                lot=LOT, slot="elsewhere", code="unit.gone", text="no answer", state=AttemptState.FAILED
            )
        assert floor.ledger.judge_lot(LOT, "", after=2) is not None
        running.line.press("slot-01", Key.REMOVED)
        running.wait("line.warning")
        assert running.ended().passed == 1
