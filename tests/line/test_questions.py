"""Units without a serial of their own: only a person can tell whether the same values are the same unit."""

from __future__ import annotations

from pathlib import Path

from factory.line import Key
from factory.rehearsal.faults import Fault
from tests.line.floor import SSH, Floor, outcomes, plan


def nameless(floor: Floor) -> None:
    for name in ("serial-number", "serial"):
        for path in floor.unit(1).root.rglob(name):
            path.unlink()


def failed_once(floor: Floor) -> None:
    nameless(floor)
    assert outcomes(floor.run(1))["slot-01"][0] == "failed"
    floor.clear_leftovers(1)


def test_without_a_terminal_it_is_refused(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1, SSH, Fault.LEFTOVER_FILES, serial="")]) as floor:
        failed_once(floor)
        assert outcomes(floor.run(1)) == {"slot-01": ("refused", "ledger.clone")}


def test_the_operator_says_yes_or_no(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1, SSH, Fault.LEFTOVER_FILES, serial="")]) as floor:
        failed_once(floor)
        with floor.running(2, interactive=True) as running:
            running.wait("slot.question", code="ledger.same-unit?")
            running.line.press("slot-01", Key.NO)
            running.wait("slot.state", state="fail")
            running.line.press("slot-01", Key.REMOVED)
            running.wait("slot.question", count=2)
            running.line.press("slot-01", Key.YES)
            summary = running.ended()
        assert [(str(row.outcome), row.code) for row in summary.rows] == [("refused", "ledger.clone"), ("passed", None)]
