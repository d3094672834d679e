from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from factory.config import PowerSection
from factory.line.power import PowerError, SlotPower
from factory.line.programs import OUTPUT_LIMIT, Ran, run_program
from factory.units.deadline import Cancelled, Deadline


def run(script: str, folder: Path, *, seconds: float = 10.0, stdin: bytes = b"", **kwargs: frozenset[str]) -> Ran:
    return run_program(["/bin/sh", "-c", script], deadline=Deadline(seconds), stdin=stdin, folder=folder, **kwargs)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_it_gets_its_input_and_gives_status_and_output(tmp_path: Path) -> None:
    given = b"x" * 300_000
    ran = run("wc -c; echo said >&2; exit 3", tmp_path, stdin=given)
    assert ran.status == 3
    assert ran.output.split() == [b"300000", b"said"]
    assert not ran.ok
    assert "status 3" in ran.said()


def test_a_program_that_reads_nothing_is_judged_by_its_status(tmp_path: Path) -> None:
    assert run("exit 0", tmp_path, stdin=b"x" * 1_000_000).ok


def test_it_runs_in_its_folder_and_relative_programs_are_found_there(tmp_path: Path) -> None:
    (tmp_path / "hook.sh").write_text("#!/bin/sh\npwd\n")
    (tmp_path / "hook.sh").chmod(0o755)
    ran = run_program(["./hook.sh"], deadline=Deadline(10), folder=tmp_path)
    assert ran.output.decode().strip() == str(tmp_path)


def test_output_is_bounded_and_its_end_is_kept(tmp_path: Path) -> None:
    ran = run("yes line | head -c 5000000; echo the-end", tmp_path)
    assert len(ran.output) <= OUTPUT_LIMIT
    assert ran.output.endswith(b"the-end\n")


def test_its_time_limit_ends_the_whole_group(tmp_path: Path) -> None:
    ran = run("sleep 100 & echo $! > child; echo $$ > parent; wait", tmp_path, seconds=0.5)
    assert ran.status is None
    assert "no end within 0.5 s" in ran.said()
    for name in ("child", "parent"):
        pid = int((tmp_path / name).read_text())
        for _ in range(100):
            if not alive(pid):
                break
            time.sleep(0.02)
        assert not alive(pid), name


def test_what_it_leaves_in_the_background_is_not_waited_for(tmp_path: Path) -> None:
    began = time.monotonic()
    ran = run("sleep 5 & exit 0", tmp_path)
    assert ran.ok
    assert time.monotonic() - began < 3


def test_cancelling_ends_it(tmp_path: Path) -> None:
    cancel = threading.Event()
    threading.Timer(0.2, cancel.set).start()
    ran = run_program(["sleep", "30"], deadline=Deadline(20, cancel=cancel), folder=tmp_path)
    assert ran.said() == "called off"


def test_a_missing_program_is_said(tmp_path: Path) -> None:
    ran = run_program(["./none"], deadline=Deadline(5), folder=tmp_path)
    assert ran.said() == "cannot start ./none: No such file or directory"


def test_variables_that_hold_secrets_are_kept_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNIT_PASSWORD", "hunter22")
    assert b"hunter22" in run("env", tmp_path).output
    assert b"hunter22" not in run("env", tmp_path, without=frozenset({"UNIT_PASSWORD"})).output


def test_power_runs_the_programs_of_the_bench(tmp_path: Path) -> None:
    section = PowerSection(on=("/bin/sh", "-c", "echo on >> log"), off=("/bin/sh", "-c", "echo off >> log"))
    power = SlotPower(section, slot="A", folder=tmp_path)
    power.off(deadline=Deadline(5))
    power.on(deadline=Deadline(5))
    assert (tmp_path / "log").read_text() == "off\non\n"


def test_power_that_fails_or_hangs_is_an_error_with_what_was_said(tmp_path: Path) -> None:
    section = PowerSection(on=("/bin/sh", "-c", "echo relay gone; exit 2"), off=(sys.executable, "-c", "input()"))
    power = SlotPower(section, slot="A", folder=tmp_path, limit=0.3)
    with pytest.raises(PowerError, match="status 2: relay gone"):
        power.on(deadline=Deadline(5))
    slow = SlotPower(PowerSection(on=("true",), off=("sleep", "9")), slot="A", folder=tmp_path, limit=0.3)
    with pytest.raises(PowerError, match=r"no end within 0\.3 s"):
        slow.off(deadline=Deadline(5))
    cancelled = Deadline(5)
    cancelled.cancel.set()
    with pytest.raises(Cancelled):
        power.off(deadline=cancelled)


def test_what_a_program_says_is_one_line_without_terminal_codes() -> None:
    said = Ran(1, b"\x1b[2J\x1b]0;owned\x07first\nsecond\x00\n").said()
    assert said == "ended with status 1: first | second"
    assert Ran(1, b" \n").said() == "ended with status 1"
