"""Ctrl-C and worse, with real signals to a real process, while simulated units are being worked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from factory.values import AttemptState
from tests.line.floor import LOT, SERIAL, SSH, Floor, outcomes, plan

CHECKOUT = Path(__file__).resolve().parents[2]


@contextmanager
def at_work(floor: Floor) -> Iterator[subprocess.Popen[str]]:
    floor.ledger.close()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.line.at_work", str(floor.folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
        floor.open()


def heard(process: subprocess.Popen[str], kind: str, **data: object) -> dict[str, Any]:
    """The next event of this kind and data. A line that waits for another unit instead would wait for ever."""
    assert process.stdout is not None
    said = []
    timer = threading.Timer(60, process.kill)
    timer.start()
    try:
        for line in process.stdout:
            event: dict[str, Any] = json.loads(line)
            if event.get("kind") == kind and all(event["data"].get(key) == value for key, value in data.items()):
                return event
            said.append(line)
            ended = event.get("kind") in ("attempt.failed", "attempt.refused")
            if ended and event["data"].get("code") != "ledger.interrupted":  # that one is an attempt of before
                break
    finally:
        timer.cancel()
    raise AssertionError(f"no {kind} {data}; the line said:\n{''.join(said)}")


def rest(process: subprocess.Popen[str]) -> tuple[int, dict[str, Any]]:
    """How the process ended, and its summary."""
    assert process.stdout is not None
    lines = [json.loads(line) for line in process.stdout]
    return process.wait(30), lines[-1]


def test_while_it_waits_for_units_it_ends_at_once(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1, SERIAL)]) as floor:
        floor.unit(1).pull()
        with at_work(floor) as process:
            heard(process, "slot.state", state="connect")
            os.kill(process.pid, signal.SIGINT)
            status, summary = rest(process)
        assert status == 130
        assert summary["interrupted"] is True
        assert summary["attempts"] == []


@pytest.mark.parametrize("step", ["preflight", "flash", "prove"])
def test_ctrl_c_leaves_every_unit_in_a_known_state(tmp_path: Path, step: str) -> None:
    with Floor(tmp_path, [plan(1, SSH)]) as floor:
        connectd = floor.unit(1).root / "etc/connectd"
        before = {path.name: path.read_bytes() for path in connectd.iterdir() if path.is_file()}
        with at_work(floor) as process:
            heard(process, "attempt.step", step=step)
            os.kill(process.pid, signal.SIGINT)
            status, summary = rest(process)
        assert status == 130
        (row,) = summary["attempts"]
        assert row["outcome"] == "failed"
        (attempt,) = floor.ledger.show().attempts
        assert attempt.state is AttemptState.FAILED
        now = {path.name: path.read_bytes() for path in connectd.iterdir() if path.is_file()}
        owed = floor.ledger.pending_restores()
        assert now == before or len(owed) == 1, "the unit is as it was, or the ledger knows what it is owed"
        if step == "preflight":
            assert row["code"] == "line.interrupted"
            assert now == before
        assert floor.ledger.verify() == ()
        if step != "preflight":
            floor.unit(1).wait_until_settled()
            assert outcomes(floor.run(1)) == {"slot-01": ("passed", None)}
            assert floor.ledger.pending_restores() == ()


@pytest.mark.parametrize("how", ["second Ctrl-C", "kill -9"])
def test_an_exit_at_once_is_found_at_the_next_start_and_the_unit_goes_on(tmp_path: Path, how: str) -> None:
    with Floor(tmp_path, [plan(1, SSH)]) as floor:
        with at_work(floor) as process:
            flashing = heard(process, "attempt.step", step="prove")
            if how == "kill -9":
                os.kill(process.pid, signal.SIGKILL)
                assert process.wait(10) == -signal.SIGKILL
            else:
                os.kill(process.pid, signal.SIGINT)
                time.sleep(0.02)
                os.kill(process.pid, signal.SIGINT)
                # By our own exit, or by the signal itself where the line had ended in between.
                assert process.wait(3) in (130, -signal.SIGINT)
        floor.unit(1).wait_until_settled()
        (left,) = floor.ledger.show().attempts
        if left.state is not AttemptState.FAILED:  # two signals may be further apart than a cancelled step
            assert left.state is AttemptState.FLASHED
        summary = floor.run(1)
        assert outcomes(summary) == {"slot-01": ("passed", None)}
        if left.state is AttemptState.FLASHED:
            unknown = [event for event in floor.events if event.kind == "attempt.unknown"]
            assert [event.attempt for event in unknown] == [flashing["attempt"]]
        assert floor.ledger.verify() == ()
        assert len(floor.ledger.passed_units(LOT)) == 1
