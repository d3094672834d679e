from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from factory.config import SerialSection
from factory.units.console import Console
from factory.units.console_state import ENTER, ConsoleState, StateFinder, classify, was_refused
from factory.units.deadline import Cancelled, Deadline
from factory.units.protocol import UnitError
from tests.units.wires import Wire

S = ConsoleState
SEEN = {
    b"": S.SILENT,
    b"\0\0": S.SILENT,
    b"Debian GNU/Linux 12 unit ttyS0\r\n\r\nunit login: ": S.LOGIN,
    b"\x1b[H\x1b[2Junit login: \x1b[6n": S.LOGIN,
    b"unit login: root\r\nPassword: ": S.PASSWORD,
    b"[sudo] password for pi: ": S.PASSWORD,
    b"Last login: Fri Nov 20 10:00:00 on ttyS0\r\nroot@unit:~# ": S.SHELL,
    b"\r\n/ # \x1b[6n": S.SHELL,
    b"\x1b[?2004hsh-5.2$ ": S.SHELL,
    b"Please press Enter to activate this console. ": S.ACTIVATE,
    b"You are required to change your password immediately (root enforced)\r\nCurrent password: ": S.PASSWORD_CHANGE,
    b"New password: ": S.PASSWORD_CHANGE,
    b"U-Boot 2024.01\r\nNet: eth0\r\n=> ": S.UBOOT,
    b"U-Boot> ": S.UBOOT,
    b"U-Boot 2024.01\r\nHit any key to stop autoboot:  3 \x08\x08\x08 2 ": S.AUTOBOOT,
    b"Hit any key to stop autoboot:  0 \r\nStarting kernel ...\r\n[    0.000000] Booting Linux\r\n": S.UNKNOWN,
    b"Hit any key to stop autoboot:  0 \r\n\r\nunit login: ": S.LOGIN,
    b"Hit any key to stop autoboot:  0 \r\nPlease press Enter to activate this console. ": S.ACTIVATE,
    b"BusyBox v1.36.1 built-in shell (ash)\r\n\r\n(initramfs) ": S.EMERGENCY,
    b"Give root password for maintenance\r\n(or press Control-D to continue): ": S.EMERGENCY,
    b"dracut:/# ": S.EMERGENCY,
    b"root@unit:~# rm -rf /tmp/x": S.HALF_TYPED,
    b"unit login: adm": S.HALF_TYPED,
    b"Loading: ################\r\n\t ######": S.UNKNOWN,
    b"Reading image 50%": S.UNKNOWN,
    b"\x9e\x9f\xe0\x86\x98\xf8\x9e\x80\xe1\x98\xe6\xfe\x9e\x86": S.GARBAGE,
    b"\nABCEFGHJKL) 0 G start start\r\n": S.LEFT_OPEN,
    b"[    1.234567] usb 1-1: new device\r\n": S.UNKNOWN,
}


@pytest.mark.parametrize("data", SEEN, ids=lambda data: data[-24:].decode("ascii", "backslashreplace"))
def test_states(data: bytes) -> None:
    assert classify(data) is SEEN[data]


def test_every_state_has_a_message_of_its_own() -> None:
    messages = {state.error("serial:x", b"seen").message for state in S}
    assert len(messages) == len(S)
    assert "115200" in S.GARBAGE.error("serial:x", b"").hint


def test_refusals() -> None:
    assert was_refused(b"\r\nLogin incorrect\r\nunit login: ")
    assert not was_refused(b"unit login: ")


class Script:
    """A unit that only prints what its script says, and keeps what it hears."""

    def __init__(self, folder: Path, script: str) -> None:
        self.wire = Wire(["/bin/sh", "-c", f"stty -echo; {script}; cat >heard"], folder)
        self.console = Console.open(SerialSection(port=self.wire.port))

    def close(self) -> None:
        self.console.close()
        self.wire.close()


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Script]]:
    scripts: list[Script] = []
    yield scripts
    for script in scripts:
        script.close()


def test_enter_is_sent_after_silence_and_once_more_without_an_answer(started: list[Script], tmp_path: Path) -> None:
    started.append(Script(tmp_path, "for i in 1 2 3 4 5 6 7 8; do echo boot $i; sleep 0.1; done"))
    finder = StateFinder(started[0].console, enter_after=0.4)
    begun = time.monotonic()
    with pytest.raises(UnitError) as raised:
        finder.find(Deadline(2.5))
    assert raised.value.code in ("unit.console.silent", "unit.console.unknown")
    assert bytes(started[0].wire.sent) == ENTER * 2
    assert time.monotonic() - begun > 1.1, "not while boot bytes still came"


def test_a_silent_line_is_named(started: list[Script], tmp_path: Path) -> None:
    started.append(Script(tmp_path, "true"))
    with pytest.raises(UnitError) as raised:
        StateFinder(started[0].console, enter_after=0.2).find(Deadline(1))
    assert raised.value.code == "unit.console.silent"
    assert started[0].wire.sent == ENTER * 2


def test_a_boot_log_that_never_ends(started: list[Script], tmp_path: Path) -> None:
    started.append(Script(tmp_path, "while :; do echo booting; sleep 0.05; done"))
    with pytest.raises(UnitError) as raised:
        StateFinder(started[0].console, enter_after=0.3).find(Deadline(1))
    assert raised.value.code == "unit.console.booting"
    assert started[0].wire.sent == b""


def test_nothing_is_sent_into_a_countdown(started: list[Script], tmp_path: Path) -> None:
    started.append(Script(tmp_path, "sleep 0.3; printf 'Hit any key to stop autoboot:  9 '"))
    with pytest.raises(UnitError) as raised:
        StateFinder(started[0].console, enter_after=0.5).find(Deadline(1.5))
    assert raised.value.code == "unit.console.autoboot"
    assert started[0].wire.sent == b""


def test_listening_can_be_called_off(started: list[Script], tmp_path: Path) -> None:
    started.append(Script(tmp_path, "true"))
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(Cancelled):
        StateFinder(started[0].console, enter_after=None).find(Deadline(20, cancel=stop))


def test_garbage_is_named(started: list[Script], tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(os.urandom(64).replace(b"\n", b"\xff"))
    started.append(Script(tmp_path, "sleep 0.3; cat noise"))
    with pytest.raises(UnitError) as raised:
        StateFinder(started[0].console, enter_after=0.5).find(Deadline(1.5))
    assert raised.value.code == "unit.console.garbage"
