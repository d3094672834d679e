from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from factory.config import SerialSection
from factory.rehearsal.faults import Fault
from factory.secrets import Secret
from factory.units.console import Console
from factory.units.console_state import ConsoleState, StateFinder
from factory.units.deadline import Deadline
from factory.units.login import ConsoleLogin, Login
from factory.units.protocol import UnitError
from tests.units.conftest import Oracle, Simulate
from tests.units.test_serial_faults import open_simulated
from tests.units.transcripts import Kept
from tests.units.wires import Wire

SCRIPT = Path(__file__).with_name("login.sh")
RIGHT = Login("root", Secret("swordfish"))


def tries(oracle: Oracle) -> list[str]:
    return (oracle._folder / "home0" / "tries").read_text().splitlines()


def with_login(oracle: Oracle, mode: str = "plain") -> Wire:
    return oracle.wire(["/bin/sh", str(SCRIPT), "swordfish", mode])


def test_a_login_with_a_password(oracle: Oracle) -> None:
    kept = Kept()
    wire = with_login(oracle)
    unit = oracle.open(wire, login=RIGHT, transcript=kept)
    assert unit.found is ConsoleState.LOGIN
    assert unit.run("echo in", deadline=Deadline(5)).stdout == b"in\n"
    assert tries(oracle) == ["root swordfish"]
    assert kept.secrets == ["swordfish"]
    assert b"swordfish" not in kept.out + kept.back


def test_closing_logs_out_and_the_next_station_logs_in_again(oracle: Oracle) -> None:
    wire = with_login(oracle)
    oracle.open(wire, login=RIGHT).close()
    time.sleep(0.1)
    assert oracle.open(wire, login=RIGHT).found is ConsoleState.LOGIN
    assert len(tries(oracle)) == 2


@pytest.mark.parametrize("mode", ["plain", "quiet"])
def test_a_wrong_password_is_tried_exactly_once(oracle: Oracle, mode: str) -> None:
    wire = with_login(oracle, mode)
    with pytest.raises(UnitError) as raised:
        oracle.open(wire, login=Login("root", Secret("wrong-one")))
    assert raised.value.code == "unit.login-incorrect"
    assert raised.value.retry is False
    assert "wrong-one" not in str(raised.value)
    time.sleep(0.3)
    assert tries(oracle) == ["root wrong-one"]


def test_a_forced_password_change_is_named(oracle: Oracle) -> None:
    with pytest.raises(UnitError) as raised:
        oracle.open(with_login(oracle, "change"), login=RIGHT)
    assert raised.value.code == "unit.console.password-change"


def test_a_password_that_nobody_gave(oracle: Oracle) -> None:
    with pytest.raises(UnitError) as raised:
        oracle.open(with_login(oracle), login=Login("root"))
    assert raised.value.code == "unit.password-needed"


def test_a_password_prompt_of_somebody_elses_login_is_ended_first(oracle: Oracle) -> None:
    wire = with_login(oracle)
    console = Console.open(SerialSection(port=wire.port))
    wire.type(b"somebody\r")
    entry = ConsoleLogin(console, RIGHT, Kept())
    entry.reach_shell(StateFinder(console, 0.4), Deadline(10), 8)
    console.close()
    assert entry.found is ConsoleState.PASSWORD
    assert tries(oracle)[-1] == "root swordfish"


def test_a_shell_left_open_is_found_and_left_open(oracle: Oracle) -> None:
    wire = oracle.wire()
    unit = oracle.open(wire)
    assert unit.found is ConsoleState.LOGGED_IN
    unit.close()
    time.sleep(0.2)
    assert oracle.open(wire).found is ConsoleState.LOGGED_IN


def test_a_session_that_a_dead_station_left_is_taken_over(oracle: Oracle) -> None:
    wire = oracle.wire()
    unit = oracle.open(wire)
    unit._shell.console.close()  # as if killed: nobody told the agent to leave
    again = oracle.open(wire)
    assert again.run("echo back", deadline=Deadline(5)).stdout == b"back\n"


@pytest.mark.parametrize("typed", [b"D QUJD", b"B 9", b"X 9 0123", b"E 9"])
def test_a_station_that_died_in_the_middle_of_a_line(oracle: Oracle, typed: bytes) -> None:
    """The first Enter only ends that line, and gets no answer where it was a piece of a request."""
    wire = oracle.wire()
    unit = oracle.open(wire)
    unit._shell.console.write(typed, Deadline(5))
    time.sleep(0.1)
    unit._shell.console.close()
    again = oracle.open(wire)
    assert again.run("echo back", deadline=Deadline(5)).stdout == b"back\n"


HELD = {
    Fault.U_BOOT: "unit.console.u-boot",
    Fault.EMERGENCY_SHELL: "unit.console.emergency",
    Fault.INITRAMFS_SHELL: "unit.console.emergency",
    Fault.PASSWORD_CHANGE: "unit.console.password-change",
    Fault.GARBAGE: "unit.console.garbage",
    Fault.SILENT: "unit.console.silent",
}


@pytest.mark.parametrize("fault", HELD)
def test_consoles_that_nobody_can_work_on(simulate: Simulate, fault: Fault) -> None:
    unit = simulate(fault)
    if fault is Fault.GARBAGE:  # bytes that came before the port opened are lost: let it speak again
        threading.Timer(0.3, unit.reboot).start()
    with pytest.raises(UnitError) as raised:
        open_simulated(unit, boot=2.5)
    assert raised.value.code == HELD[fault], raised.value.message


FOUND = {
    # Its invitation may have come before we listened; then our one Enter has activated it.
    Fault.PRESS_ENTER: {ConsoleState.ACTIVATE, ConsoleState.LOGGED_IN},
    Fault.LOGGED_IN: {ConsoleState.LOGGED_IN},
    Fault.HALF_TYPED: {ConsoleState.HALF_TYPED},
    Fault.BOOT_NOISE: {ConsoleState.LOGIN},
}


@pytest.mark.parametrize("fault", FOUND)
def test_consoles_that_need_another_way_in(simulate: Simulate, fault: Fault) -> None:
    unit = open_simulated(simulate(fault))
    assert unit.found in FOUND[fault]
    assert unit.run("echo in", deadline=Deadline(5)).stdout == b"in\n"
    unit.close()
