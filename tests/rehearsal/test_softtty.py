"""The serial console where there is no pseudo terminal: pyserial's socket://."""

from __future__ import annotations

import os

import pytest

from tests.rehearsal.conftest import Start
from tests.rehearsal.raw import Terminal


def test_login_and_reboot_over_a_socket(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> tuple[int, int]:
        raise OSError(2, "out of pty devices")

    monkeypatch.setattr(os, "openpty", none)
    unit = start(routes="serial", baud=115200)
    assert unit.serial is not None
    assert unit.serial_port is not None
    assert unit.serial_port.startswith("socket://127.0.0.1:")
    with Terminal(unit) as terminal:
        terminal.prompted()
        terminal.type("rooot\x7f\x7ft\r")
        assert terminal.until("Password: ").startswith("rooot\b \b\b \bt\r\n")
        terminal.type(f"{unit.password}\r")
        assert unit.password not in terminal.until("# ")
        assert terminal.run("cat proc/sys/kernel/random/boot_id") == unit.boot_id
        assert len(terminal.run("seq 1 2000")) > 8000
        terminal.type("reboot\r")
        terminal.until("Hit any key")
        terminal.until("login: ")
        unit.serial.unplug_adapter()
    unit.serial.replug_adapter()
    with Terminal(unit) as terminal:
        terminal.prompted()
