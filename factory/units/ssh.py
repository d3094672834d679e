"""A unit behind SSH: one transport per unit, one channel per command."""

from __future__ import annotations

import contextlib
import hashlib
import select
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from factory.units.answers import shown_answer
from factory.units.deadline import Deadline
from factory.units.login import Login
from factory.units.protocol import (
    Completed,
    HostKey,
    HostKeys,
    Progress,
    Sent,
    Tools,
    Transcript,
    UnitError,
    UnitGone,
)
from factory.units.ssh_connect import Connector
from factory.units.tools import become_root, probe_tools

if TYPE_CHECKING:
    import paramiko

    from factory.config import SshSection, TimeoutsSection

REPLY_LIMIT = 1024 * 1024
# A bigger buffer is copied again for every packet that is cut from it (speed reference, SSH).
_PIECE = 32 * 1024
_WAKE = 0.2
_ROOM = 10.0  # seconds that a server may take to open a channel


@dataclass(slots=True)
class _Output:
    """What a command printed so far; beyond the limit it is counted and dropped."""

    out: bytearray
    err: bytearray
    too_large: bool = False

    def add(self, data: bytes, error: bytes) -> None:
        self.out += data
        self.err = (self.err + error)[: 64 * 1024]
        if len(self.out) > REPLY_LIMIT:
            self.too_large = True
            self.out.clear()


class SshUnit:
    """A Unit over one SSH connection; `host_key` is what it showed. See `open_ssh`."""

    def __init__(
        self, transport: paramiko.Transport, route: str, host_key: HostKey, login: Login, transcript: Transcript
    ) -> None:
        self._transport = transport
        self._login = login
        self._transcript = transcript
        self._route = route
        self.host_key = host_key
        self.tools = Tools(frozenset())

    @property
    def route(self) -> str:
        """`ssh:HOST%INTERFACE`, with the port where it is not 22."""
        return self._route

    def run(self, command: str, *, deadline: Deadline) -> Completed:
        """Run a command (see Unit). Raises UnitError unit.too-large, unit.sudo; UnitGone and time-outs."""
        channel = self._execute(command, deadline)
        try:
            self._end_input(channel)
            output = _Output(bytearray(), bytearray())
            self._drain(channel, output, deadline, f"running a command on {self._route}")
            return self._completed(command, channel, output, deadline)
        finally:
            _close(channel)

    def put(
        self,
        source: Callable[[int], BinaryIO],
        command: str,
        *,
        deadline: Deadline,
        progress: Progress | None = None,
    ) -> Sent:
        """Stream a payload into a command (see Unit). Raises UnitError unit.put when it ended well but too early."""
        channel = self._execute(command, deadline)
        try:
            output = _Output(bytearray(), bytearray())
            digest = hashlib.sha256()
            with source(0) as stream:
                sent, whole = self._stream(channel, stream, output, deadline, progress, digest.update)
            self._transcript.note(f"<{sent} bytes, sha256 {digest.hexdigest()}>")
            if whole:
                self._end_input(channel)
            self._drain(channel, output, deadline, f"waiting for the end of a transfer to {self._route}")
            completed = self._completed(command, channel, output, deadline)
        finally:
            _close(channel)
        if not whole and completed.status == 0:
            message = f"{self._route}: the command ended after {sent} bytes of its input"
            raise UnitError(message, code="unit.put")
        return Sent(completed, sent, sent)

    def answers(self, seconds: float, deadline: Deadline) -> bool:
        """True when the unit runs a command within `seconds`. Raises UnitGone, DeadlineExpired, Cancelled."""
        return self.run("echo here", deadline=deadline.within(seconds)).stdout == b"here\n"

    def close(self) -> None:
        """Close the connection; safe to call twice, and after the unit is gone."""
        self._transport.close()

    def _execute(self, command: str, deadline: Deadline) -> paramiko.Channel:
        import paramiko

        self._transcript.sent(command.encode() + b"\n")
        shell = "sudo -n sh -c" if self._login.become == "sudo" else "sh -c"
        deadline.check(f"starting a command on {self._route}")
        try:
            channel = self._open_channel(deadline.within(_ROOM))
            channel.settimeout(_WAKE)
            channel.exec_command(f"{shell} {shlex.quote(command)}")
        except (paramiko.SSHException, OSError, EOFError) as error:
            self._check(deadline, f"starting a command on {self._route}")
            raise UnitError(f"{self._route}: the server does not run commands: {error}", code="unit.ssh") from error
        return channel

    def _open_channel(self, deadline: Deadline) -> paramiko.Channel:
        """Open a channel. A small server counts one that has just ended for a moment longer, and has few of them:
        a refusal is tried again until the deadline.
        """
        import paramiko

        while True:
            try:
                return self._transport.open_session(timeout=deadline.left)
            except paramiko.ChannelException:
                if deadline.left <= _WAKE:
                    raise
                deadline.pause(_WAKE)

    def _stream(
        self,
        channel: paramiko.Channel,
        stream: BinaryIO,
        output: _Output,
        deadline: Deadline,
        progress: Progress | None,
        hashed: Callable[[memoryview], None],
    ) -> tuple[int, bool]:
        """Feed the stream in small pieces; return bytes sent, and False when the command ended before the end."""
        sent = 0
        while piece := stream.read(_PIECE):
            view = memoryview(piece)
            while view:
                if channel.exit_status_ready() or channel.closed:
                    return sent, False
                self._read(channel, output)
                try:
                    count = channel.send(bytes(view))
                except TimeoutError:
                    self._check(deadline, f"sending a payload to {self._route}")
                    continue
                except EOFError as error:
                    raise self._gone(error) from error
                except OSError as error:
                    if self._transport.is_active():
                        return sent, False
                    raise self._gone(error) from error
                hashed(view[:count])
                sent += count
                view = view[count:]
            deadline.check(f"sending a payload to {self._route}")
            if progress is not None:
                progress(sent)
        return sent, True

    def _drain(self, channel: paramiko.Channel, output: _Output, deadline: Deadline, doing: str) -> None:
        """Read until the command has closed its output and its exit status is here."""
        poll = select.poll()
        poll.register(channel.fileno(), select.POLLIN)
        while not (self._read(channel, output) and channel.status_event.is_set()):
            if output.too_large:
                return
            self._check(deadline, doing)
            if channel.eof_received or channel.closed:
                if not channel.status_event.wait(deadline.slice(_WAKE)) and channel.closed:
                    return
            else:
                poll.poll(deadline.slice(_WAKE) * 1000)

    def _read(self, channel: paramiko.Channel, output: _Output) -> bool:
        """Take what is there, without waiting; True once both streams are empty and ended."""
        try:
            while channel.recv_ready():
                output.add(channel.recv(_PIECE), b"")
            while channel.recv_stderr_ready():
                output.add(b"", channel.recv_stderr(_PIECE))
        except EOFError as error:  # reading also writes: it tells the server that there is room again
            raise self._gone(error) from error
        ended = bool(channel.eof_received) or channel.closed
        return ended and not channel.recv_ready() and not channel.recv_stderr_ready()

    def _end_input(self, channel: paramiko.Channel) -> None:
        try:
            channel.shutdown_write()
        except EOFError as error:
            raise self._gone(error) from error

    def _completed(self, command: str, channel: paramiko.Channel, output: _Output, deadline: Deadline) -> Completed:
        if output.too_large:
            message = f"{self._route}: the answer is larger than {REPLY_LIMIT} bytes"
            hint = "Narrow the command down, or let it write to a file."
            raise UnitError(message, hint=hint, code="unit.too-large")
        if not channel.status_event.is_set() or channel.exit_status < 0:
            self._check(deadline, "waiting for an exit status")
            message = f"{self._route}: the command ended without an exit status (killed on the unit)"
            raise UnitError(message, code="unit.ssh")
        completed = Completed(command, channel.exit_status, bytes(output.out), bytes(output.err))
        return become_root(shown_answer(completed, self._transcript), self._route)

    def _check(self, deadline: Deadline, doing: str) -> None:
        deadline.check(doing)
        if not self._transport.is_active():
            raise self._gone(self._transport.get_exception())

    def _gone(self, error: BaseException | None) -> UnitGone:
        reason = f": {error}" if error is not None and str(error) else ""
        return UnitGone(f"{self._route}: the connection broke{reason}", hint="Was the cable pulled, did it reboot?")


def _close(channel: paramiko.Channel) -> None:
    """Close a channel. Where the connection broke meanwhile there is nothing left to close, and what happened before
    says more.
    """
    with contextlib.suppress(EOFError, OSError):
        channel.close()


class AcceptAnyKey:
    """Host keys for a read without a ledger: any key will do, and the person is shown which one it was."""

    def seen_at_connect(self, slot: str, key: HostKey) -> None:
        """Accept it."""

    def seen_on_unit(self, slot: str, key: HostKey, macs: tuple[str, ...]) -> None:
        """Accept it."""


def open_ssh(
    section: SshSection,
    login: Login,
    *,
    slot: str,
    host_keys: HostKeys,
    timeouts: TimeoutsSection,
    transcript: Transcript,
    deadline: Deadline,
) -> SshUnit:
    """Connect, let `host_keys` judge the key, log in.

    A unit that does not answer yet is tried again for `timeouts.boot` seconds, at most once in 3 s; a refused login
    is not.
    Raises UnitError: unit.ssh.unreachable, unit.ssh.incompatible, unit.ssh.bind-denied, unit.ssh.rp-filter, unit.ssh,
    unit.login-incorrect (retry False), unit.password-needed, unit.sudo, and what `host_keys` raises; Cancelled.
    """
    connector = Connector(section, login, slot, host_keys, transcript)
    transport, host_key = connector.connect(deadline.within(timeouts.boot), timeouts.login)
    unit = SshUnit(transport, connector.route, host_key, login, transcript)
    try:
        unit.tools = probe_tools(unit, deadline.within(timeouts.command))
    except BaseException:
        unit.close()
        raise
    return unit
