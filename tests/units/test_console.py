from __future__ import annotations

import errno
import fcntl
import os
import pty
import re
import socket
import struct
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from factory.config import SerialSection
from factory.units.console import BUFFER_LIMIT, Console
from factory.units.deadline import Deadline, DeadlineExpired
from factory.units.ports import _why_not, open_port, port_holders
from factory.units.protocol import UnitError, UnitGone
from tests.units.transcripts import Kept


@pytest.fixture
def ends() -> Iterator[tuple[int, str]]:
    master, slave = pty.openpty()
    name = os.ttyname(slave)
    yield master, name
    for descriptor in (slave, master):
        try:
            os.close(descriptor)
        except OSError as error:
            assert error.errno == errno.EBADF


def test_a_missing_port() -> None:
    with pytest.raises(UnitError) as raised:
        open_port(SerialSection(port="/dev/serial/by-path/no-such-port"))
    assert raised.value.code == "unit.port-missing"


def test_a_port_that_is_in_use_names_who_has_it(ends: tuple[int, str]) -> None:
    first = open_port(SerialSection(port=ends[1]))
    with pytest.raises(UnitError) as raised:
        open_port(SerialSection(port=ends[1]))
    assert raised.value.code == "unit.port-busy"
    assert "ModemManager" in raised.value.hint
    first.close()
    open_port(SerialSection(port=ends[1])).close()


def test_holders_are_other_processes(ends: tuple[int, str]) -> None:
    assert port_holders(ends[1]) == ()
    child = os.fork()
    if child == 0:
        time.sleep(30)
        os._exit(0)
    try:
        assert any(f"(pid {child})" in holder for holder in port_holders(ends[1]))
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


@pytest.mark.parametrize(
    ("number", "code", "hint"),
    [
        (errno.EACCES, "unit.port-denied", "dialout"),
        (errno.EIO, "unit.port", "stty"),
        (errno.EBUSY, "unit.port-busy", "brltty"),
    ],
)
def test_what_the_system_says_gets_its_own_hint(number: int, code: str, hint: str) -> None:
    error = _why_not("/dev/ttyUSB7", OSError(number, "x"))
    assert error.code == code
    assert hint in error.hint


def test_what_is_no_port(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(UnitError) as raised:
        open_port(SerialSection(port=str(file)))
    assert raised.value.code == "unit.port"


def test_a_link_is_followed_and_the_lines_are_set(ends: tuple[int, str], tmp_path: Path) -> None:
    link = tmp_path / "slot-01"
    link.symlink_to(ends[1])
    console = Console.open(SerialSection(port=str(link), dtr=False, rts=False))
    os.write(ends[0], b"hello\n")
    assert console.receive(1.0) == b"hello\n"
    assert console.route == f"serial:{link}"
    console.close()


@pytest.mark.parametrize(("dtr", "rts"), [(True, False), (False, True), (False, False), (True, True), (None, None)])
def test_dtr_and_rts_are_set_as_the_port_opens(
    ends: tuple[int, str], monkeypatch: pytest.MonkeyPatch, dtr: bool | None, rts: bool | None
) -> None:
    """A pseudo terminal has no such lines, so what the kernel is asked for is looked at."""
    asked: dict[int, bool] = {}
    real = fcntl.ioctl

    def ioctl(descriptor: int, request: int, *rest: Any) -> Any:
        if request not in (termios.TIOCMBIS, termios.TIOCMBIC):
            return real(descriptor, request, *rest)
        (line,) = struct.unpack("I", rest[0])
        asked[line] = request == termios.TIOCMBIS
        return 0

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    port = open_port(SerialSection(port=ends[1], dtr=dtr, rts=rts))
    port.close()
    # What the bench file leaves open is raised, as Linux does at every open.
    assert asked == {termios.TIOCM_DTR: dtr is not False, termios.TIOCM_RTS: rts is not False}


def test_expect_takes_the_earliest_and_keeps_the_rest(ends: tuple[int, str]) -> None:
    kept = Kept()
    console = Console.open(SerialSection(port=ends[1]), kept)
    os.write(ends[0], b"one two three")
    index, match = console.expect([re.compile(b"three"), re.compile(b"t.o")], Deadline(2))
    assert (index, match[0], bytes(console.pending)) == (1, b"two", b" three")
    assert kept.back == b"one two three"
    with pytest.raises(DeadlineExpired):
        console.expect([re.compile(b"four")], Deadline(0.2))
    assert bytes(console.pending) == b" three", "a time-out loses nothing"
    console.close()


def test_ten_megabytes_without_a_line_end_stay_bounded(ends: tuple[int, str]) -> None:
    console = Console.open(SerialSection(port=ends[1]))
    stop = threading.Event()

    def flood() -> None:
        for _ in range(2560):
            os.write(ends[0], b"x" * 4096)
        os.write(ends[0], b"\nMARK\n")
        stop.set()

    threading.Thread(target=flood, daemon=True).start()
    most = 0
    end = time.monotonic() + 20
    found = False
    while not found and time.monotonic() < end:
        console.receive(0.2)
        most = max(most, len(console.pending))
        while (line := console.line()) is not None:
            found = found or line == b"MARK"
    assert found
    assert console.total > 10_000_000
    assert most <= BUFFER_LIMIT
    console.close()


def test_an_endless_line_ends_at_the_deadline(ends: tuple[int, str]) -> None:
    console = Console.open(SerialSection(port=ends[1]))
    stop = threading.Event()

    def flood() -> None:
        while not stop.is_set():
            os.write(ends[0], b"y" * 1024)

    thread = threading.Thread(target=flood, daemon=True)
    thread.start()
    with pytest.raises(DeadlineExpired):
        console.expect([re.compile(b"z")], Deadline(0.5))
    stop.set()
    console.receive(0.2)
    thread.join(5)
    console.close()


def test_a_port_that_vanishes(ends: tuple[int, str]) -> None:
    console = Console.open(SerialSection(port=ends[1]))
    os.close(ends[0])
    with pytest.raises(UnitGone) as raised:
        console.receive(1.0)
    assert "cable" in raised.value.hint
    console.close()


def test_a_reader_that_stands_still_does_not_hang_the_writer(ends: tuple[int, str]) -> None:
    console = Console.open(SerialSection(port=ends[1]))
    with pytest.raises(DeadlineExpired):
        console.write(b"x" * 1_000_000, Deadline(0.5))
    console.close()


def test_a_socket_is_a_port_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        console = Console.open(SerialSection(port=f"socket://127.0.0.1:{server.getsockname()[1]}"))
        peer, _ = server.accept()
        peer.sendall(b"unit login: ")
        assert console.receive(2.0) == b"unit login: "
        console.write(b"root\r", Deadline(2))
        assert peer.recv(100) == b"root\r"
        peer.close()
        with pytest.raises(UnitGone):
            console.receive(2.0)
        console.close()
    with pytest.raises(UnitError) as raised:
        Console.open(SerialSection(port="socket://127.0.0.1:1"))
    assert raised.value.code.startswith("unit.port")


def test_what_replaces_a_secret_in_the_transcript(ends: tuple[int, str]) -> None:
    kept = Kept()
    console = Console.open(SerialSection(port=ends[1]), kept)
    console.write(b"swordfish\r", Deadline(2), shown="<password>")
    assert kept.out == b""
    assert kept.notes == ["<password>"]
    console.close()
