"""A password that got no verdict may have counted as a wrong one: whoever does the whole again sends no second."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator

import paramiko
import pytest

from factory.config import SerialSection, SshSection, TimeoutsSection
from factory.line.contact import may_pass
from factory.secrets import Secret
from factory.units import ssh_address
from factory.units.deadline import Deadline
from factory.units.login import Login
from factory.units.protocol import UnitError
from factory.units.serial_unit import open_serial
from factory.units.ssh import AcceptAnyKey, open_ssh
from tests.units.conftest import Oracle
from tests.units.transcripts import Kept

LOGIN = Login("root", Secret("wrong-one"))
SHORT = TimeoutsSection(boot=4, login=1.0, command=2)


@pytest.mark.parametrize("says", ["", "echo Account is locked for 600 seconds"], ids=["nothing", "something odd"])
def test_a_console_that_gives_no_verdict(oracle: Oracle, says: str) -> None:
    script = f"""
    a=
    while [ -z "$a" ]; do printf 'unit login: '; read -r a; done
    stty -echo
    printf 'Password: '
    read -r b
    echo "$b" >>tries
    {says}
    cat"""
    wire = oracle.wire(["/bin/sh", "-c", script])
    with pytest.raises(UnitError) as raised:
        open_serial(
            SerialSection(port=wire.port),
            LOGIN,
            timeouts=SHORT,
            transcript=Kept(),
            deadline=Deadline(10),
            enter_after=0.4,
        )
    assert raised.value.code in ("unit.console.silent", "unit.console.unknown")
    assert (oracle.home(wire) / "tries").read_text() == "wrong-one\n"
    assert not may_pass(raised.value)


def test_a_console_that_echoes_the_password_brings_it_into_no_message(oracle: Oracle) -> None:
    script = """
    a=
    while [ -z "$a" ]; do printf 'unit login: '; read -r a; done
    printf 'Password: '
    read -r b
    printf 'no user %s\\nLogin incorrect\\nunit login: ' "$b"
    cat"""
    wire = oracle.wire(["/bin/sh", "-c", script])
    with pytest.raises(UnitError) as raised:
        open_serial(
            SerialSection(port=wire.port),
            Login("root", Secret("p\u00e4 ss'w")),
            timeouts=SHORT,
            transcript=Kept(),
            deadline=Deadline(10),
            enter_after=0.4,
        )
    assert raised.value.code == "unit.login-incorrect"
    assert "[secret]" in raised.value.message
    assert "ss'w" not in raised.value.message


class Slow(paramiko.ServerInterface):
    def __init__(self) -> None:
        self.tries = 0
        self.done = threading.Event()

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_auth_password(self, username: str, password: str) -> int:
        self.tries += 1
        self.done.wait(10)
        return int(paramiko.common.AUTH_FAILED)


@pytest.fixture
def slow() -> Iterator[tuple[int, Slow]]:
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    server = Slow()
    transports: list[paramiko.Transport] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            transports.append(paramiko.Transport(connection))
            transports[0].add_server_key(paramiko.ECDSAKey.generate())
            transports[0].start_server(server=server, event=threading.Event())

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1], server
        server.done.set()
        thread.join(5)
    for transport in transports:
        transport.close()


def test_an_ssh_server_that_gives_no_verdict(slow: tuple[int, Slow]) -> None:
    begun = time.monotonic()
    with pytest.raises(UnitError) as raised:
        open_ssh(
            SshSection(host="127.0.0.1", port=slow[0]),
            LOGIN,
            slot="slot-01",
            host_keys=AcceptAnyKey(),
            timeouts=SHORT,
            transcript=Kept(),
            deadline=Deadline(10),
        )
    assert time.monotonic() - begun < 8
    assert "no answer to the login" in raised.value.message
    assert slow[1].tries == 1
    assert not may_pass(raised.value)


def test_reverse_path_filtering_is_a_matter_of_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(ssh_address, "check_rp_filter", asked.append)
    monkeypatch.setattr(ssh_address, "_bind", lambda connection, interface: None)
    for host in ("fe80::1", "127.0.0.1"):
        with pytest.raises(OSError, match=r".*"):
            ssh_address.dial(SshSection(host=host, port=1, interface="lo"), 0.5)
    assert asked == ["lo"], "IPv6 has no such filter"
