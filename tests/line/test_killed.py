"""The station is killed in the middle of a flash, and the unit goes on at another start, or never."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from factory.ledger import open_ledger
from factory.rehearsal.faults import Fault
from factory.values import AttemptState
from tests.line.floor import SERIAL, SSH, Floor, outcomes, plan
from tests.line.test_interrupt import at_work, heard

CODE_FILE = "bulk_identification_code.txt"


def content(floor: Floor, number: int) -> dict[str, bytes]:
    connectd = floor.unit(number).root / "etc/connectd"
    return {path.name: path.read_bytes() for path in connectd.iterdir() if path.is_file()}


@pytest.mark.parametrize(("route", "after"), [(SSH, 0.0), (SSH, 0.05), (SSH, 0.15), (SERIAL, 0.1)])
def test_a_station_killed_in_the_middle_of_a_flash(tmp_path: Path, route: frozenset[str], after: float) -> None:
    """The unit holds the old content, the new, or no code; it is unknown, never passed; the next attempt undoes what
    lies there before it writes, and passes. Nothing has restarted the unit: the station takes up its own lock again.
    """
    with Floor(tmp_path, [plan(1, route)]) as floor:
        before = content(floor, 1)
        with at_work(floor) as process:
            heard(process, "attempt.flashing")
            time.sleep(after)
            os.kill(process.pid, signal.SIGKILL)
            assert process.wait(10) == -signal.SIGKILL
        left = floor.ledger.show().attempts[0]
        assert left.state in (AttemptState.FLASHING, AttemptState.FLASHED, AttemptState.PROVED)
        now = content(floor, 1)
        if CODE_FILE in now and now != before:
            assert now[CODE_FILE] != before[CODE_FILE], "a mix that could register"
            assert now["hardware_id.txt"] != before["hardware_id.txt"]
        floor.unit(1).wait_until_settled()
        assert outcomes(floor.run(1)) == {"slot-01": ("passed", None)}
        assert floor.ledger.attempt(left.id).state is AttemptState.FAILED
        assert floor.ledger.attempt(left.id).code == "ledger.interrupted"
        assert not list((floor.unit(1).root / "etc/connectd").glob(".factory*"))
        assert floor.ledger.verify() == ()


def test_the_next_unit_in_the_slot_of_a_killed_station_inherits_nothing(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1)]) as floor:
        with at_work(floor) as process:
            heard(process, "attempt.flashing")
            os.kill(process.pid, signal.SIGKILL)
            process.wait(10)
        floor.unit(1).swap()
        (row,) = floor.run(1).rows
        assert row.outcome == "passed"
        first, second = sorted(floor.ledger.show().attempts, key=lambda attempt: attempt.id)
        assert first.state is AttemptState.UNKNOWN
        assert first.hardware_id != second.hardware_id
        assert content(floor, 1)["hardware_id.txt"].decode().strip() == second.hardware_id
        assert floor.ledger.doctor(), "the unit that is gone is not forgotten"


def test_power_lost_in_the_middle_of_a_flash(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1)]) as floor:
        before = content(floor, 1)
        with floor.running() as running:
            running.wait("attempt.flashing")
            floor.unit(1).power_off()
            running.wait("attempt.failed")
        now = content(floor, 1)
        assert now == before or CODE_FILE not in now or len(floor.ledger.pending_restores()) == 1
        floor.unit(1).power_on()
        floor.unit(1).wait_until_settled()
        assert outcomes(floor.run(1)) == {"slot-01": ("passed", None)}
        assert floor.ledger.pending_restores() == ()


def test_two_stations_with_ledgers_of_their_own_never_both_pass_one_unit(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1, SSH)], boot_seconds=2.0) as floor, floor.running() as running:
        running.wait("attempt.flashed")
        mine = floor.ledger
        floor.ledger = open_ledger("sqlite:///other.db", station="S2", operator="Lee", folder=tmp_path)
        try:
            # The first one is before its restart, or in it; the unit itself has forgotten the lock by then.
            (row,) = floor.run(1).rows
        finally:
            floor.ledger.close()
            floor.ledger = mine
        running.wait("attempt.passed" if row.outcome != "passed" else "attempt.failed", seconds=40)
        assert running.stop().passed + (row.outcome == "passed") == 1


def test_a_full_disk_fails_the_unit_and_keeps_what_was_there(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1, SSH, Fault.DISK_FULL)]) as floor:
        before = content(floor, 1)
        (row,) = floor.run(1).rows
        assert row.outcome == "failed"
        assert row.code in ("flash.disk-full", "flash.space")
        assert content(floor, 1) == before
