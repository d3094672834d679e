from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path

import pytest

from factory.config import SerialSection, SshSection
from factory.rehearsal.faults import Fault
from factory.units.deadline import Cancelled
from factory.units.presence import SerialPresence, answers, carrier, tcp_answers
from tests.units.conftest import Oracle, Simulate


def test_bytes_on_the_line_are_a_unit(oracle: Oracle) -> None:
    wire = oracle.wire(["/bin/sh", "-c", "sleep 0.4; echo booting; sleep 5"])
    with SerialPresence(SerialSection(port=wire.port), enter_after=None) as presence:
        assert not presence.poll(0.1)
        assert presence.poll(3.0)
    assert wire.sent == b""


def test_a_unit_that_waits_silently_is_found_by_one_enter(oracle: Oracle) -> None:
    wire = oracle.wire(["/bin/sh", str(Path(__file__).with_name("login.sh")), "x", "plain"])
    time.sleep(0.5)  # the prompt has come and gone before anybody listened
    with SerialPresence(SerialSection(port=wire.port), enter_after=0.3) as presence:
        assert not presence.poll(0.35)
        assert presence.poll(3.0)


def test_an_empty_slot_hears_two_enters_and_no_more(oracle: Oracle) -> None:
    wire = oracle.wire(["/bin/sh", "-c", "stty -echo; cat >heard"])
    with SerialPresence(SerialSection(port=wire.port), enter_after=0.2) as presence:
        for _ in range(10):
            assert not presence.poll(0.1)
        assert presence.gone(0.2)
    assert wire.sent.count(b"\r") == 3, "two from poll, one from gone"


def test_a_login_prompt_is_not_gone(simulate: Simulate) -> None:
    port = simulate().serial_port
    assert port is not None
    with SerialPresence(SerialSection(port=port)) as presence:
        assert not presence.gone(5.0)
    silent = simulate(Fault.SILENT, name="u2").serial_port
    assert silent is not None
    with SerialPresence(SerialSection(port=silent)) as presence:
        assert presence.gone(0.3)


def test_a_logged_in_unit_answers_until_its_cable_is_pulled(oracle: Oracle) -> None:
    wire = oracle.wire()
    unit = oracle.open(wire)
    assert answers(unit, seconds=5)
    wire.up = lambda _: b""
    begun = time.monotonic()
    assert not answers(unit, seconds=1)
    assert time.monotonic() - begun < 3
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        answers(unit, seconds=1, cancel=stop)
    wire.pull()
    assert not answers(unit, seconds=1)


def test_presence_needs_its_with_block(oracle: Oracle) -> None:
    with pytest.raises(RuntimeError):
        SerialPresence(SerialSection(port="/dev/null")).poll(0.1)


def test_tcp() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert tcp_answers(SshSection(host="127.0.0.1", port=port))
    assert not tcp_answers(SshSection(host="127.0.0.1", port=port), seconds=0.5)


def test_carrier(tmp_path: Path) -> None:
    for name, value in (("eth0", "1\n"), ("eth1", "0\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "carrier").write_text(value)
    assert carrier("eth0", tmp_path) is True
    assert carrier("eth1", tmp_path) is False
    assert carrier("eth2", tmp_path) is None
    down = [name for name in os.listdir("/sys/class/net") if _is_down(name)]
    assert all(carrier(name) is None for name in down)


def _is_down(name: str) -> bool:
    return Path("/sys/class/net", name, "operstate").read_text().strip() == "down" and not _up(name)


def _up(name: str) -> bool:
    return bool(int(Path("/sys/class/net", name, "flags").read_text(), 16) & 1)
