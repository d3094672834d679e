"""What every Unit does in the same way, whichever wire it is behind."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from factory.config import SerialSection, SshSection
from factory.secrets import Secret
from factory.units.deadline import Cancelled, Deadline, DeadlineExpired
from factory.units.login import Login
from factory.units.protocol import NullTranscript, Unit, UnitError
from factory.units.serial_unit import open_serial
from factory.units.ssh import AcceptAnyKey, open_ssh
from tests import programs
from tests.units import servers
from tests.units.conftest import QUICK, Oracle, Simulate
from tests.units.local import LocalUnit

MISSING = {
    "ash": [],
    "bare-ash": ["sha256sum", "base64", "head"],
    "no-hash": ["sha256sum", "md5sum", "cksum"],
}


class Alive(Unit, Protocol):
    def answers(self, seconds: float, deadline: Deadline) -> bool: ...


def ssh(port: int, login: Login) -> Alive:
    section = SshSection(host="127.0.0.1", port=port)
    return open_ssh(
        section,
        login,
        slot="slot-01",
        host_keys=AcceptAnyKey(),
        timeouts=QUICK,
        transcript=NullTranscript(),
        deadline=Deadline(20),
    )


TRICKY = (
    "unit login: ",
    "root@unit:~# ",
    "Password: ",
    "=> ",
    "\\033[2J\\033[31mred\\033[0m",
    "a\\r\\nb\\r",
    "S0\\n",
    "[   12.345678] usb 1-1: new high-speed device\\n",
)
KINDS = (
    "local",
    "dash",
    "bash",
    "ash",
    "bare-ash",
    "no-hash",
    "simulated-serial",
    "simulated-ssh",
    "openssh",
    "dropbear",
)


@pytest.fixture(params=KINDS)
def unit(request: pytest.FixtureRequest, tmp_path: Path, oracle: Oracle, simulate: Simulate) -> Iterator[Alive]:
    kind = request.param
    shells = {"dash": ["/bin/sh", "-i"], "bash": [programs.find("bash") or "bash", "--norc", "-i"]}
    if kind == "local":
        yield LocalUnit(tmp_path)
    elif kind in shells:
        yield oracle.open(oracle.wire(shells[kind]))
    elif kind in MISSING:
        missing = MISSING[kind]
        yield oracle.open(oracle.wire([programs.require("busybox"), "ash", "-i"], left_out=missing))
    elif kind.startswith("simulated"):
        made = simulate()
        login = Login("root", Secret(made.password))
        if kind == "simulated-ssh":
            assert made.ssh_address
            opened = ssh(made.ssh_address[1], login)
        else:
            assert made.serial_port
            opened = open_serial(
                SerialSection(port=made.serial_port),
                login,
                timeouts=QUICK,
                transcript=NullTranscript(),
                deadline=Deadline(20),
                enter_after=0.4,
            )
        yield opened
        opened.close()
    else:
        with (servers.openssh if kind == "openssh" else servers.dropbear)(tmp_path) as (port, key):
            opened = ssh(port, Login(servers.user(), key=key))
            yield opened
            opened.close()


def test_contract(unit: Alive) -> None:
    """One session for all cases: opening one costs more than all of them."""
    _status_and_both_streams(unit)
    _whatever_bytes_come_back(unit)
    _a_long_command_arrives_whole(unit)
    _commands_are_apart(unit)
    _payloads_arrive_unchanged(unit)
    assert unit.answers(5.0, Deadline(10))
    unit.close()
    unit.close()


@pytest.mark.parametrize("case", ["stops-reading", "too-much-output"])
def test_a_command_that_is_cut_off(unit: Alive, case: str, request: pytest.FixtureRequest) -> None:
    if case == "stops-reading":
        _a_command_that_stops_reading_is_noticed(unit)
    else:
        _too_much_output_is_refused(unit)
    # dropbear may end the whole connection when a channel with data on its way is closed.
    if "dropbear" not in request.node.name:
        assert unit.answers(5.0, Deadline(10))


def test_deadline_and_cancel(unit: Alive) -> None:
    with pytest.raises(DeadlineExpired):
        unit.run("sleep 20", deadline=Deadline(0.6))
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(Cancelled):
        unit.run("sleep 20", deadline=Deadline(15, cancel=stop))


def _status_and_both_streams(unit: Unit) -> None:
    done = unit.run("echo out; echo err >&2; exit 7", deadline=Deadline(10))
    assert (done.status, done.stdout, done.stderr) == (7, b"out\n", b"err\n")
    nothing = unit.run(":", deadline=Deadline(10))
    assert (nothing.status, nothing.stdout, nothing.stderr) == (0, b"", b"")
    assert unit.run("cat", deadline=Deadline(10)).stdout == b"", "stdin of a command is empty"
    assert unit.run("no-such-command-here", deadline=Deadline(10)).status == 127
    assert "cat" in unit.tools and "fsync" not in unit.tools


def _whatever_bytes_come_back(unit: Unit) -> None:
    every = "".join(f"\\{number:03o}" for number in range(256))
    assert unit.run(f"printf '{every}'", deadline=Deadline(10)).stdout == bytes(range(256))
    for tricky in TRICKY:
        expected = tricky.encode().decode("unicode_escape").replace("\\033", "\x1b").encode()
        assert unit.run(f"printf '{tricky}'", deadline=Deadline(10)).stdout == expected
    assert (
        unit.run("echo '[   12.345678] usb 1-1: new'", deadline=Deadline(10)).stdout == b"[   12.345678] usb 1-1: new\n"
    )


def _a_long_command_arrives_whole(unit: Unit) -> None:
    word = "".join(chr(97 + number % 26) for number in range(5000))
    quoted = """'"'"'"""
    done = unit.run(f"printf %s {word} | wc -c; printf %s 'it{quoted}s $HOME `x` \\ ! \t'", deadline=Deadline(10))
    count, _, rest = done.stdout.partition(b"\n")
    assert count.strip() == b"5000"
    assert rest == b"it's $HOME `x` \\ ! \t"
    assert unit.run("echo one\necho two\n\n", deadline=Deadline(10)).stdout == b"one\ntwo\n"


def _commands_are_apart(unit: Unit) -> None:
    unit.run("x=1; cd /; exit 0", deadline=Deadline(10))
    assert unit.run('echo "[$x]"; pwd', deadline=Deadline(10)).stdout.startswith(b"[]\n/")
    assert unit.run("pwd", deadline=Deadline(10)).stdout != b"/\n" or isinstance(unit, LocalUnit)


def _payloads_arrive_unchanged(unit: Unit) -> None:
    for payload in (b"", b"x", b"text\n" * 5000, os.urandom(30_011)):
        seen: list[int] = []

        def source(offset: int, payload: bytes = payload) -> io.BytesIO:
            return io.BytesIO(payload[offset:])

        sent = unit.put(source, "cat >got; cat got; wc -c <got", deadline=Deadline(30), progress=seen.append)
        answer = sent.completed.require("receiving").stdout
        assert answer.startswith(payload)
        assert int(answer[len(payload) :]) == len(payload)
        assert sent.payload == len(payload)
        assert seen == sorted(seen)


def _a_command_that_stops_reading_is_noticed(unit: Unit) -> None:
    payload = os.urandom(200_000)
    early = unit.put(lambda offset: io.BytesIO(payload[offset:]), "exit 3", deadline=Deadline(20))
    assert early.completed.status == 3


def _too_much_output_is_refused(unit: Unit) -> None:
    with pytest.raises(UnitError) as raised:
        unit.run("dd if=/dev/zero bs=1024 count=2000 2>/dev/null", deadline=Deadline(30))
    assert raised.value.code == "unit.too-large"


def test_a_local_command_gets_all_of_a_payload_it_is_slow_to_read(tmp_path: Path) -> None:
    payload = bytes(300_000)
    unit = LocalUnit(tmp_path)
    sent = unit.put(lambda offset: io.BytesIO(payload[offset:]), "sleep 0.5; wc -c", deadline=Deadline(20))
    assert sent.completed.stdout.split() == [b"300000"]
