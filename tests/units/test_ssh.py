from __future__ import annotations

import errno
import io
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest

from factory.config import SshSection
from factory.rehearsal.faults import Fault
from factory.secrets import Secret
from factory.units import ssh_address
from factory.units.deadline import Cancelled, Deadline
from factory.units.login import Login
from factory.units.protocol import HostKey, HostKeys, UnitError, UnitGone
from factory.units.ssh import AcceptAnyKey, SshUnit, open_ssh
from tests.units import servers
from tests.units.conftest import QUICK, Simulate
from tests.units.transcripts import Kept


def connect(
    port: int,
    login: Login,
    *,
    keys: HostKeys | None = None,
    transcript: Kept | None = None,
    seconds: float = 10,
    host: str = "127.0.0.1",
) -> SshUnit:
    return open_ssh(
        SshSection(host=host, port=port),
        login,
        slot="slot-01",
        host_keys=keys or AcceptAnyKey(),
        timeouts=QUICK,
        transcript=transcript or Kept(),
        deadline=Deadline(seconds),
    )


class Counting(paramiko.ServerInterface):
    """Counts tries to log in; every password is wrong."""

    def __init__(self) -> None:
        self.passwords: list[str] = []

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_auth_password(self, username: str, password: str) -> int:
        self.passwords.append(password)
        return int(paramiko.common.AUTH_FAILED)


class Server:
    """A paramiko server of the test's own that takes one connection after another."""

    def __init__(self) -> None:
        logging.getLogger("paramiko").addHandler(logging.NullHandler())
        self.counting = Counting()
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._key = paramiko.ECDSAKey.generate()
        self._transports: list[Any] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            transport = paramiko.Transport(connection)
            transport.add_server_key(self._key)
            self._transports.append(transport)
            try:
                transport.start_server(server=self.counting)
            except (paramiko.SSHException, EOFError, OSError):
                continue  # a client that leaves in the middle resets the connection

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for transport in self._transports:
            transport.close()
        self._thread.join(5)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def test_a_wrong_password_is_tried_exactly_once(server: Server) -> None:
    with pytest.raises(UnitError) as raised:
        connect(server.port, Login("root", Secret("wrong-one")))
    assert raised.value.code == "unit.login-incorrect"
    assert raised.value.retry is False
    assert server.counting.passwords == ["wrong-one"]
    assert "wrong-one" not in str(raised.value)


def test_the_host_key_is_judged_before_the_password_is_sent(server: Server) -> None:
    seen: list[HostKey] = []

    class Refusing(AcceptAnyKey):
        def seen_at_connect(self, slot: str, key: HostKey) -> None:
            seen.append(key)
            raise UnitError("another key than pinned", code="unit.host-key", retry=False)

    with pytest.raises(UnitError) as raised:
        connect(server.port, Login("root", Secret("swordfish")), keys=Refusing())
    assert raised.value.code == "unit.host-key"
    assert server.counting.passwords == []
    assert seen[0].algorithm.startswith("ecdsa-sha2")
    assert len(seen[0].fingerprint) == len("SHA256:") + 43


def test_neither_password_nor_key(server: Server) -> None:
    with pytest.raises(UnitError) as raised:
        connect(server.port, Login("root"))
    assert raised.value.code == "unit.password-needed"


def test_a_key_where_only_passwords_are_taken(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UnitError) as raised:
        connect(server.port, Login("root", key=servers.make_key(tmp_path / "key")))
    assert raised.value.code == "unit.login-incorrect"
    assert "password" in raised.value.message


@pytest.mark.parametrize("kind", ["missing", "pass phrase", "garbage"])
def test_private_keys_that_cannot_be_used(server: Server, tmp_path: Path, kind: str) -> None:
    key = tmp_path / "key"
    if kind == "pass phrase":
        servers.make_key(key, passphrase="abcdef")
    elif kind == "garbage":
        key.write_text("no key at all\n")
    with pytest.raises(UnitError) as raised:
        connect(server.port, Login("root", key=key))
    assert raised.value.code == "unit.key"
    assert str(key) in raised.value.message


def test_an_old_server_gets_a_message_that_says_so(tmp_path: Path) -> None:
    with (
        servers.openssh(tmp_path, host_key="rsa", options=["HostKeyAlgorithms=ssh-rsa"]) as (port, key),
        pytest.raises(UnitError) as raised,
    ):
        connect(port, Login(servers.user(), key=key))
    assert raised.value.code == "unit.ssh.incompatible"
    assert "ssh-rsa" in raised.value.hint
    assert raised.value.retry is False


def test_what_is_no_ssh_server_is_tried_again_and_then_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        hits: list[float] = []

        def answer() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                hits.append(time.monotonic())
                connection.close()

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(UnitError) as raised:
            connect(listener.getsockname()[1], Login("root", Secret("x")), seconds=4)
        listener.shutdown(socket.SHUT_RDWR)
    assert raised.value.code == "unit.ssh.unreachable"
    assert len(hits) == 2
    assert hits[1] - hits[0] >= 2.9, "at most one probe per 3 s"


def test_waiting_for_a_boot_can_be_called_off() -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(Cancelled):
        open_ssh(
            SshSection(host="127.0.0.1", port=servers.free_port()),
            Login("root"),
            slot="s",
            host_keys=AcceptAnyKey(),
            timeouts=QUICK,
            transcript=Kept(),
            deadline=Deadline(20, cancel=stop),
        )


def test_a_unit_that_boots_is_waited_for(simulate: Simulate) -> None:
    unit = simulate()
    assert unit.ssh_address
    unit.power_off()
    threading.Timer(0.5, unit.power_on).start()
    opened = connect(unit.ssh_address[1], Login("root", Secret(unit.password)), seconds=15)
    assert opened.run("echo up", deadline=Deadline(5)).stdout == b"up\n"
    opened.close()


def test_a_connection_that_breaks_in_the_middle(simulate: Simulate) -> None:
    unit = simulate()
    assert unit.ssh_address
    opened = connect(unit.ssh_address[1], Login("root", Secret(unit.password)))
    threading.Timer(0.3, unit.power_off).start()
    with pytest.raises(UnitGone):
        opened.run("sleep 20", deadline=Deadline(15))
    with pytest.raises(UnitGone):
        opened.run("echo again", deadline=Deadline(5))
    opened.close()


def test_a_connection_that_breaks_between_two_packets(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paramiko says EOFError then, from whatever call writes next: reading too, since that makes room again."""
    unit = simulate()
    assert unit.ssh_address is not None
    ssh = connect(unit.ssh_address[1], Login("root", Secret(unit.password)))

    def broken(*_: object) -> int:
        raise EOFError

    def breaking(*names: str) -> None:
        def opened(**changes: Any) -> paramiko.Channel:
            channel = session(**changes)
            for name in names:  # of this channel only: the server in this process has channels too
                monkeypatch.setattr(channel, name, broken)
            return channel

        monkeypatch.setattr(ssh._transport, "open_session", opened)

    session = ssh._transport.open_session
    for name in ("shutdown_write", "recv", "send"):
        breaking(name, "close")
        with pytest.raises(UnitGone):
            ssh.put(lambda _: io.BytesIO(b"some bytes"), "cat", deadline=Deadline(10))
    breaking("close")
    assert ssh.run("echo said", deadline=Deadline(10)).stdout == b"said\n"
    ssh.close()


def test_a_unit_with_another_password(simulate: Simulate) -> None:
    unit = simulate(Fault.WRONG_PASSWORD)
    assert unit.ssh_address
    with pytest.raises(UnitError) as raised:
        connect(unit.ssh_address[1], Login("root", Secret("believed")))
    assert raised.value.code == "unit.login-incorrect"


def test_the_transcript_has_no_password_and_no_payload(simulate: Simulate) -> None:
    unit = simulate()
    kept = Kept()
    assert unit.ssh_address
    opened = connect(unit.ssh_address[1], Login("root", Secret(unit.password)), transcript=kept)
    opened.put(lambda offset: io.BytesIO(b"a payload"), "cat >/dev/null", deadline=Deadline(5))
    opened.close()
    assert unit.password in kept.secrets
    assert unit.password.encode() not in kept.out + kept.back
    assert b"a payload" not in kept.out + kept.back
    assert any(note.startswith("<9 bytes, sha256 ") for note in kept.notes)


def test_sudo_that_wants_a_password_is_named(tmp_path: Path) -> None:
    (tmp_path / "sudo").write_text("#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
    (tmp_path / "sudo").chmod(0o755)
    options = [f"SetEnv=PATH={tmp_path}:/usr/bin:/bin"]
    with servers.openssh(tmp_path, options=options) as (port, key), pytest.raises(UnitError) as raised:
        connect(port, Login(servers.user(), key=key, become="sudo"))
    assert raised.value.code == "unit.sudo"
    assert "NOPASSWD" in raised.value.hint


def test_sudo_runs_commands_and_payloads(tmp_path: Path) -> None:
    (tmp_path / "sudo").write_text('#!/bin/sh\n[ "$1" = -n ] || exit 9\nshift\nBECAME=root exec "$@"\n')
    (tmp_path / "sudo").chmod(0o755)
    options = [f"SetEnv=PATH={tmp_path}:/usr/bin:/bin"]
    with servers.openssh(tmp_path, options=options) as (port, key):
        unit = connect(port, Login(servers.user(), key=key, become="sudo"))
        assert unit.run("echo $BECAME", deadline=Deadline(5)).stdout == b"root\n"
        sent = unit.put(lambda offset: io.BytesIO(b"abc"), "cat; echo $BECAME", deadline=Deadline(5))
        assert sent.completed.stdout == b"abcroot\n"
        unit.close()


def test_the_route_names_host_port_and_interface() -> None:
    assert ssh_address.route_name(SshSection(host="192.168.1.1")) == "ssh:192.168.1.1"
    section = SshSection(host="192.168.1.1", port=2222, interface="enp3s0")
    assert ssh_address.route_name(section) == "ssh:192.168.1.1:2222%enp3s0"


def test_strict_reverse_path_filtering_is_refused(tmp_path: Path) -> None:
    for name, value in (("all", "0"), ("enp3s0", "1"), ("enp4s0", "2"), ("enp5s0", "0")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rp_filter").write_text(f"{value}\n")
    with pytest.raises(UnitError) as raised:
        ssh_address.check_rp_filter("enp3s0", tmp_path)
    assert raised.value.code == "unit.ssh.rp-filter"
    assert "net.ipv4.conf.enp3s0.rp_filter=2" in raised.value.hint
    ssh_address.check_rp_filter("enp4s0", tmp_path)
    ssh_address.check_rp_filter("enp5s0", tmp_path)
    ssh_address.check_rp_filter("no-such-nic", tmp_path)
    (tmp_path / "all" / "rp_filter").write_text("1\n")
    ssh_address.check_rp_filter("enp4s0", tmp_path)
    with pytest.raises(UnitError):
        ssh_address.check_rp_filter("enp5s0", tmp_path)


class Socket(socket.socket):
    """A socket whose binding to a device ends as the test says."""

    failure: OSError | None = None
    bound: list[object]

    def setsockopt(self, *args: Any) -> None:
        if args[1] == socket.SO_BINDTODEVICE:
            type(self).bound.append(args[2])
            failure = type(self).failure
            if failure is not None:
                raise failure
            return
        super().setsockopt(*args)


@pytest.fixture
def binding(monkeypatch: pytest.MonkeyPatch) -> type[Socket]:
    Socket.failure, Socket.bound = None, []
    monkeypatch.setattr(socket, "socket", Socket)
    monkeypatch.setattr(ssh_address, "check_rp_filter", lambda interface: None)
    return Socket


def test_no_right_to_bind_says_which(binding: type[Socket]) -> None:
    binding.failure = PermissionError(errno.EPERM, "Operation not permitted")
    with pytest.raises(UnitError) as raised:
        ssh_address.dial(SshSection(host="127.0.0.1", port=1, interface="enp3s0"), 1.0)
    assert raised.value.code == "unit.ssh.bind-denied"
    assert "CAP_NET_RAW" in raised.value.hint


def test_an_interface_that_the_station_lacks(binding: type[Socket]) -> None:
    binding.failure = OSError(errno.ENODEV, "No such device")
    with pytest.raises(UnitError) as raised:
        ssh_address.dial(SshSection(host="127.0.0.1", port=1, interface="enp3s0"), 1.0)
    assert raised.value.code == "unit.ssh.interface"
    assert "lo" in raised.value.hint


def test_the_socket_is_bound_before_it_connects(binding: type[Socket], server: Server) -> None:
    ssh_address.dial(SshSection(host="127.0.0.1", port=server.port, interface="enp3s0"), 1.0).close()
    assert binding.bound == [b"enp3s0\0"]


@pytest.mark.skipif(os.geteuid() != 0, reason="run as root")
def test_binding_for_real(server: Server) -> None:
    ssh_address.dial(SshSection(host="127.0.0.1", port=server.port, interface="lo"), 2.0).close()


def test_a_link_local_address_needs_its_interface() -> None:
    with pytest.raises(UnitError) as raised:
        ssh_address.dial(SshSection(host="fe80::1"), 1.0)
    assert raised.value.code == "unit.ssh.address"
    assert "%eth0" in raised.value.hint
    with pytest.raises(UnitError):
        ssh_address.dial(SshSection(host="fe80::1%no-such-nic"), 1.0)
    _, address = ssh_address._resolve(SshSection(host="fe80::1%lo"))
    assert address[3] == socket.if_nametoindex("lo")
    _, address = ssh_address._resolve(SshSection(host="fe80::1", interface="lo"))
    assert address[3] == socket.if_nametoindex("lo")
