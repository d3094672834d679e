"""Raw clients: pyserial and paramiko with nothing of ours between them and the simulated unit."""

from __future__ import annotations

import time
from typing import Self

import paramiko
import serial

from factory.rehearsal.unit import SimulatedUnit


class Terminal:
    """A person at a serial port."""

    def __init__(self, unit: SimulatedUnit, baud: int = 115200) -> None:
        assert unit.serial_port is not None
        self.unit = unit
        self.port = serial.serial_for_url(unit.serial_port, baud, timeout=0.05)
        self.seen = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.port.close()

    def type(self, text: str) -> None:
        self.port.write(text.encode())

    def until(self, wanted: str, seconds: float = 10.0) -> str:
        """Read until `wanted` has come; what was read up to its end."""
        deadline = time.monotonic() + seconds
        while wanted.encode() not in self.seen:
            assert time.monotonic() < deadline, f"no {wanted!r} in {self.seen[-2000:]!r}"
            self.seen += self.port.read(max(1, self.port.in_waiting))
        before, found, self.seen = self.seen.partition(wanted.encode())
        return (before + found).decode("utf-8", "backslashreplace")

    def for_seconds(self, seconds: float) -> bytes:
        """Everything that comes within a time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.seen += self.port.read(max(1, self.port.in_waiting))
        seen, self.seen = self.seen, b""
        return seen

    def prompted(self) -> None:
        """Have a fresh login prompt: what was printed before the port was opened may or may not have arrived."""
        while self.for_seconds(0.15):
            pass
        self.type("\r")
        self.until("login: ")

    def login(self) -> None:
        self.prompted()
        self.type("root\r")
        self.until("Password: ")
        self.type(f"{self.unit.password}\r")
        self.until("# ")

    def run(self, command: str, seconds: float = 10.0) -> str:
        """What a command prints, by an end marker that its echo does not hold."""
        self.type(f"{command}; echo EN''D\r")
        return self.until("\nEND", seconds).partition("\n")[2].removesuffix("\nEND").replace("\r", "")


def connect(unit: SimulatedUnit, password: str | None = None) -> paramiko.SSHClient:
    assert unit.ssh_address is not None
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    host, port = unit.ssh_address
    client.connect(
        host,
        port,
        username="root",
        password=unit.password if password is None else password,
        allow_agent=False,
        look_for_keys=False,
        timeout=10,
    )
    return client


def execute(client: paramiko.SSHClient, command: str, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
    """Exit status, stdout, stderr of an exec request."""
    sink, out, err = client.exec_command(command, timeout=20)
    sink.write(stdin)
    sink.channel.shutdown_write()
    output, errors = out.read(), err.read()
    return out.channel.recv_exit_status(), output, errors


def ssh(unit: SimulatedUnit, command: str, stdin: bytes = b"") -> str:
    """Stdout of one command over a connection of its own; the command must end with 0."""
    with connect(unit) as client:
        status, output, errors = execute(client, command, stdin)
    assert status == 0, errors
    return output.decode()
