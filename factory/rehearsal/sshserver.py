"""The SSH server of a simulated unit: password login, and exec requests that run in the unit's folder."""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import paramiko
from paramiko import common

from factory.rehearsal.processes import PowerLostError, Processes

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOG = "factory.rehearsal.ssh"
_BLOCK = 256 * 1024
_WINDOW = 8 * 1024 * 1024
_PENALTY = 0.4  # seconds between a wrong password and the answer
_PATIENCE = 2.0  # seconds for a closed connection's thread to end


class SshServer:
    """Serves one port of 127.0.0.1. The port is kept for the unit's whole life; while the unit is down, connections
    are refused.

    `password` gives root's password at the time of asking; commands run as `processes` of the unit.
    `on_command`, if set, is called in the connection's thread before each command.
    """

    def __init__(self, password: Callable[[], str], processes: Processes) -> None:
        self.password = password
        self.processes = processes
        self.on_command: Callable[[], None] | None = None
        # Bound and never listening: it keeps the number while nobody serves it.
        self._reserve = _bound(0)
        self.address: tuple[str, int] = self._reserve.getsockname()
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        self._transports: set[paramiko.Transport] = set()
        self._lock = threading.Lock()
        log = logging.getLogger(_LOG)
        if not log.handlers:
            log.addHandler(logging.NullHandler())

    @property
    def listening(self) -> bool:
        """Whether connections are accepted."""
        return self._listener is not None

    def serve(self, processes: Processes) -> None:
        """Run commands on another unit from now on."""
        self.processes = processes

    def listen(self, key: paramiko.PKey) -> None:
        """Accept connections, showing `key`."""
        listener = _bound(self.address[1])
        listener.listen(16)
        self._listener = listener
        self._acceptor = threading.Thread(target=self._accept, args=(listener, key), name="ssh", daemon=True)
        self._acceptor.start()

    def refuse(self) -> None:
        """Close every session and refuse connections from now on."""
        listener, self._listener = self._listener, None
        if listener is not None:
            # A blocked accept does not notice a close, but it does notice this.
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        if self._acceptor is not None:
            self._acceptor.join()
            self._acceptor = None
        with self._lock:
            transports, self._transports = self._transports, set()
        for transport in transports:
            transport.close()
            transport.join(_PATIENCE)

    def close(self) -> None:
        """Stop serving and give the port back."""
        self.refuse()
        self._reserve.close()

    def _accept(self, listener: socket.socket, key: paramiko.PKey) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            transport = _Transport(connection, default_window_size=_WINDOW)
            transport.set_log_channel(_LOG)
            transport.add_server_key(key)
            with self._lock:
                self._transports = {old for old in self._transports if old.is_active()} | {transport}
            # With an event paramiko negotiates in its own thread, and a client that says nothing holds up nobody.
            transport.start_server(event=threading.Event(), server=_Session(self, transport))


class _Transport(paramiko.Transport):
    """A transport that starts to carry a command's output only after it has answered the request for the command.

    Otherwise a command that ends at once could close the channel before the client knows that it was started.
    """

    def __init__(self, connection: socket.socket, default_window_size: int) -> None:
        super().__init__(connection, default_window_size=default_window_size)
        self.after_answer: list[threading.Thread] = []

    def _send_user_message(self, data: paramiko.Message) -> None:
        super()._send_user_message(data)  # type: ignore[misc]
        if threading.current_thread() is self:
            threads, self.after_answer = self.after_answer, []
            for thread in threads:
                thread.start()


class _Session(paramiko.ServerInterface):
    """What one connection may do."""

    def __init__(self, server: SshServer, transport: _Transport) -> None:
        self._server = server
        self._transport = transport

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002 - paramiko's signature
        return "password"

    def check_auth_password(self, username: str, password: str) -> int:
        if username == "root" and password == self._server.password():
            return common.AUTH_SUCCESSFUL
        time.sleep(_PENALTY)  # the transport's own thread, which has nothing else to do
        return common.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002 - paramiko's signature
        return common.OPEN_SUCCEEDED if kind == "session" else common.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        processes = self._server.processes
        if self._server.on_command is not None:
            self._server.on_command()
        try:
            process = processes.command(os.fsdecode(command))
        except PowerLostError:
            return False
        self._transport.after_answer += [
            threading.Thread(target=target, args=(channel, process, processes), name="exec", daemon=True)
            for target in (_feed, _drain)
        ]
        return True


def _feed(channel: paramiko.Channel, process: subprocess.Popen[bytes], _: Processes) -> None:
    """Carry what the client sends into the command's stdin, and its end."""
    assert process.stdin is not None
    with contextlib.suppress(OSError, EOFError), process.stdin:
        while data := channel.recv(_BLOCK):
            process.stdin.write(data)
            process.stdin.flush()


def _drain(channel: paramiko.Channel, process: subprocess.Popen[bytes], processes: Processes) -> None:
    """Carry the command's output to the client, then its exit status."""
    gone = False
    for stream, data in _output(process):
        if gone:
            continue
        try:
            (channel.sendall if stream is process.stdout else channel.sendall_stderr)(data)
        except (OSError, EOFError):
            gone = True  # go on reading, so that the command does not block for ever
    status = processes.finished(process)
    with contextlib.suppress(OSError, EOFError):
        # 128 + n is how a shell reports the signal n.
        channel.send_exit_status(status if status >= 0 else 128 - status)
        channel.close()


def _output(process: subprocess.Popen[bytes]) -> Iterator[tuple[object, bytes]]:
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr, selectors.DefaultSelector() as selector:
        for stream in (process.stdout, process.stderr):
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                data = os.read(key.fd, _BLOCK)
                if data:
                    yield key.fileobj, data
                else:
                    selector.unregister(key.fileobj)


def _bound(port: int) -> socket.socket:
    # SO_REUSEADDR lets a listener share the port with the reserve, which never listens.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound


def new_host_key() -> paramiko.PKey:
    """Make an Ed25519 host key."""
    import io

    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    text = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    return paramiko.Ed25519Key(file_obj=io.StringIO(text.decode()))
