"""The routes of a slot: how each is opened, and how one sees over it whether a unit is there."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from enum import Enum
from types import TracebackType
from typing import Protocol

from factory.config import SerialSection, Slot, SshSection, TimeoutsSection
from factory.line.timing import Timing
from factory.units.deadline import Deadline
from factory.units.login import Login
from factory.units.presence import SerialPresence, carrier, tcp_answers
from factory.units.protocol import HostKeys, Transcript, Unit
from factory.units.serial_unit import open_serial
from factory.units.ssh import open_ssh


class Sign(Enum):
    """What one probe of a route saw. DOWN: the network carrier is gone, so nobody need be asked."""

    HERE = "here"
    SILENT = "silent"
    DOWN = "down"


class Watch(Protocol):
    """Looks at one route while no session is open on it."""

    def listen(self, seconds: float) -> bool:
        """True when a unit shows itself within about `seconds`. Raises UnitError when the route cannot be watched."""

    def ask(self) -> Sign:
        """Ask for a sign of life. Raises UnitError when the route cannot be watched."""


class Route(Protocol):
    """One way to the unit in a slot."""

    @property
    def name(self) -> str:
        """`serial:PORT` or `ssh:HOST`, as the operator reads it."""

    def open(self, *, transcript: Transcript, host_keys: HostKeys, deadline: Deadline) -> Unit:
        """Log in. Raises UnitError, UnitGone, DeadlineExpired, Cancelled."""

    def watch(self) -> AbstractContextManager[Watch]:
        """Watch the route; what it needs (a port) is held inside the `with` only."""


class SerialRoute:
    """A slot's serial port."""

    def __init__(self, section: SerialSection, login: Login, timeouts: TimeoutsSection, timing: Timing) -> None:
        self._section = section
        self._login = login
        self._timeouts = timeouts
        self._timing = timing

    @property
    def name(self) -> str:
        """`serial:PORT`."""
        return f"serial:{self._section.port}"

    def open(self, *, transcript: Transcript, host_keys: HostKeys, deadline: Deadline) -> Unit:  # noqa: ARG002
        """Wait for the console and log in."""
        return open_serial(
            self._section, self._login, timeouts=self._timeouts, transcript=transcript, deadline=deadline
        )

    def watch(self) -> AbstractContextManager[Watch]:
        """Listen at the port."""
        return SerialWatch(self._section, self._timing)


class SshRoute:
    """A slot's network address."""

    def __init__(self, section: SshSection, slot: str, login: Login, timeouts: TimeoutsSection, timing: Timing) -> None:
        self._section = section
        self._slot = slot
        self._login = login
        self._timeouts = timeouts
        self._timing = timing

    @property
    def name(self) -> str:
        """`ssh:HOST`, with the port where it is not 22 and the interface where one is bound."""
        port = "" if self._section.port == 22 else f":{self._section.port}"
        interface = f"%{self._section.interface}" if self._section.interface else ""
        return f"ssh:{self._section.host}{interface}{port}"

    def open(self, *, transcript: Transcript, host_keys: HostKeys, deadline: Deadline) -> Unit:
        """Connect and log in."""
        return open_ssh(
            self._section, self._login, slot=self._slot, host_keys=host_keys, timeouts=self._timeouts,
            transcript=transcript, deadline=deadline,
        )  # fmt: skip

    def watch(self) -> AbstractContextManager[Watch]:
        """Look whether the address answers."""
        return SshWatch(self._section, self._timing)


class SerialWatch:
    """Bytes on a serial port; the port is open inside `with`."""

    def __init__(self, section: SerialSection, timing: Timing) -> None:
        self._presence = SerialPresence(section)
        self._timing = timing

    def __enter__(self) -> Watch:
        self._presence.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._presence.__exit__(kind, error, trace)

    def listen(self, seconds: float) -> bool:
        """True once any byte came."""
        return self._presence.poll(seconds)

    def ask(self) -> Sign:
        """Press Enter and see whether anything comes back."""
        return Sign.SILENT if self._presence.gone(self._timing.answer_within) else Sign.HERE


class SshWatch:
    """An address that answers or not; it holds nothing, and knocks at most once per `probe_every`."""

    def __init__(self, section: SshSection, timing: Timing) -> None:
        self._section = section
        self._timing = timing
        self._next = 0.0

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def listen(self, seconds: float) -> bool:  # noqa: ARG002 - a knock takes as long as it takes
        """Knock when it is time to."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._timing.probe_every
        return self.ask() is Sign.HERE

    def ask(self) -> Sign:
        """See whether the carrier is there and the port answers."""
        if self._section.interface is not None and carrier(self._section.interface) is False:
            return Sign.DOWN
        return Sign.HERE if tcp_answers(self._section, seconds=self._timing.answer_within) else Sign.SILENT


def routes_of(slot: Slot, login: Login, timeouts: TimeoutsSection, timing: Timing) -> tuple[Route, ...]:
    """A slot's routes, the fastest last: over the last one the unit is flashed, over the others it is only read."""
    routes: list[Route] = []
    if slot.serial is not None:
        routes.append(SerialRoute(slot.serial, login, timeouts, timing))
    if slot.ssh is not None:
        routes.append(SshRoute(slot.ssh, slot.name, login, timeouts, timing))
    return tuple(routes)
