"""A unit behind a serial console."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

from factory.units.answers import shown_answer
from factory.units.console import Console
from factory.units.console_state import ConsoleState, StateFinder
from factory.units.deadline import Deadline, DeadlineExpired
from factory.units.login import ConsoleLogin, Login
from factory.units.protocol import Completed, Progress, Sent, Tools, Transcript, UnitError, UnitGone
from factory.units.serial_put import SerialPut
from factory.units.serial_shell import SerialShell
from factory.units.tools import become_root, probe_tools

if TYPE_CHECKING:
    from factory.config import SerialSection, TimeoutsSection

_GOODBYE = 2.0  # seconds that closing may take
_HEARD = 4096
# What init, the kernel, a boot loader and getty say on the way down and up again; case differs between them.
_GOING = re.compile(
    rb"going down|restarting system|reboot: |rebooting|system halted"
    rb"|u-boot|autoboot|booting linux|\[ +0\.000000\]|login: ",
    re.IGNORECASE,
)


class SerialUnit:
    """A Unit over one serial port; `found` is the state in which its console was. See `open_serial`."""

    def __init__(self, shell: SerialShell, login: Login, transcript: Transcript, found: ConsoleState) -> None:
        self._shell = shell
        self._login = login
        self._transcript = transcript
        self._open = True
        self.found = found
        self.tools = Tools(frozenset())

    @property
    def route(self) -> str:
        """`serial:` and the port as the bench file names it."""
        return self._shell.console.route

    def run(self, command: str, *, deadline: Deadline) -> Completed:
        """Run a command once (see Unit). Raises UnitError unit.damaged when no whole answer can be had."""
        self._transcript.sent(command.encode() + b"\n")
        wrapped = f"exec sudo -n sh -c {shlex.quote(command)}" if self._login.become == "sudo" else command
        status, out, err = self._shell.run(wrapped, deadline)
        return self._completed(command, status, out, err)

    def put(
        self,
        source: Callable[[int], BinaryIO],
        command: str,
        *,
        deadline: Deadline,
        progress: Progress | None = None,
    ) -> Sent:
        """Stream a payload into a command (see Unit), compressed where that pays, in blocks that are each checked."""
        self._transcript.sent(command.encode() + b"\n")
        wrapped = f"sudo -n sh -c {shlex.quote(command)}" if self._login.become == "sudo" else command
        with source(0) as stream:
            payload = stream.read()
        sender = SerialPut(self._shell, payload, compress="gunzip" in self.tools)
        self._transcript.note(sender.described)
        status, out, err = sender.send(wrapped, deadline, progress)
        completed = self._completed(command, status, out, err)
        return Sent(completed, len(payload), sender.on_wire, sender.retries)

    def answers(self, seconds: float, deadline: Deadline) -> bool:
        """True when the unit answers a fresh marker within `seconds`. Raises UnitGone, Cancelled."""
        return self._shell.answers(seconds, deadline)

    def await_end(self, *, deadline: Deadline) -> None:
        """Listen, without typing, until the console tells of a shutdown or a boot, or the deadline ends.

        Returns in every case but one: raises Cancelled. Whether the unit did restart is for its boot id to say.
        """
        heard = bytearray()
        with contextlib.suppress(UnitGone):
            while not deadline.expired and not _GOING.search(heard):
                heard += self._shell.console.receive(deadline.slice(1.0), cancel=deadline)
                del heard[:-_HEARD]

    def close(self) -> None:
        """Leave the agent, log out if the login was ours, close the port; never raises for a unit that is gone."""
        if not self._open:
            return
        self._open = False
        with contextlib.suppress(UnitError, DeadlineExpired):
            self._shell.leave(Deadline(_GOODBYE))
        self._shell.console.close()

    def _completed(self, command: str, status: int, out: bytes, err: bytes) -> Completed:
        return become_root(shown_answer(Completed(command, status, out, err), self._transcript), self.route)


def open_serial(
    section: SerialSection,
    login: Login,
    *,
    timeouts: TimeoutsSection,
    transcript: Transcript,
    deadline: Deadline,
    enter_after: float = 5.0,
) -> SerialUnit:
    """Open the port, find out what the console is in, log in and start the framed session.

    A boot log and a silent line are waited for, at most `timeouts.boot` seconds; the login may take `timeouts.login`.
    `enter_after` is after how many seconds of silence Enter is sent, once.
    Raises UnitError (unit.port-*, unit.console.STATE, unit.login-incorrect with retry False, unit.password-needed,
    unit.tools, unit.damaged, unit.sudo), UnitGone, DeadlineExpired, Cancelled; the port is closed then.
    """
    console = Console.open(section, transcript)
    try:
        entry = ConsoleLogin(console, login, transcript)
        finder = StateFinder(console, enter_after)
        entry.reach_shell(finder, deadline.within(timeouts.boot), timeouts.login)
        shell = SerialShell.start(
            console, transcript, log_out=entry.by_us, deadline=deadline.within(max(timeouts.login, timeouts.command))
        )
        unit = SerialUnit(shell, login, transcript, entry.found)
        unit.tools = probe_tools(unit, deadline.within(timeouts.command))
        if "dmesg" in unit.tools:
            # Kernel messages in the middle of answers only cost time; a unit that does not allow this is no worse.
            unit.run("dmesg -n 1", deadline=deadline.within(timeouts.command))
    except BaseException:
        console.close()
        raise
    return unit
