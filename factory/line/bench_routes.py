"""The real routes of a slot: a serial port, a network address."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from types import TracebackType

from factory.config import SerialSection, Slot, SshSection, TimeoutsSection
from factory.line.routes import Route, Sign, Watch
from factory.line.timing import Timing
from factory.units.deadline import Deadline
from factory.units.login import Login
from factory.units.presence import SerialPresence, carrier, tcp_answers
from factory.units.protocol import HostKeys, Transcript, Unit
from factory.units.serial_unit import open_serial
from factory.units.ssh import open_ssh

# Seconds of silence before Enter on a console of which it is known that no boot loader listens there.
_AT_REST = 0.3
# An answer to Enter comes within this; bytes that come later are a unit that was plugged in and boots.
_ANSWERED_WITHIN = 0.5
# For so many seconds an answer on the network says that the unit is past its boot loader.
_FRESH = 2.0


class SerialRoute:
    """A slot's serial port. `network` is the slot's other route, where it has one."""

    def __init__(
        self,
        section: SerialSection,
        login: Login,
        timeouts: TimeoutsSection,
        timing: Timing,
        network: SshRoute | None = None,
    ) -> None:
        self._network = network
        self._section = section
        self._login = login
        self._timeouts = timeouts
        self._timing = timing
        self._watch = SerialWatch(section, timing)

    @property
    def name(self) -> str:
        """`serial:PORT`."""
        return f"serial:{self._section.port}"

    def open(self, *, transcript: Transcript, host_keys: HostKeys, deadline: Deadline) -> Unit:  # noqa: ARG002
        """Wait for the console and log in. Where Enter was answered a moment ago, or the network, no boot loader can
        be stopped, and the long silence before Enter need not be waited for.
        """
        answered = self._network is not None and self._network.seconds_since_answer() < _FRESH
        at_rest = self._watch.take_at_rest() or answered
        enter_after = min(_AT_REST, self._timing.enter_after) if at_rest else self._timing.enter_after
        return open_serial(
            self._section, self._login, timeouts=self._timeouts, transcript=transcript, deadline=deadline,
            enter_after=enter_after,
        )  # fmt: skip

    def watch(self) -> AbstractContextManager[Watch]:
        """Listen at the port."""
        return self._watch


class SshRoute:
    """A slot's network address."""

    def __init__(self, section: SshSection, slot: str, login: Login, timeouts: TimeoutsSection, timing: Timing) -> None:
        self._section = section
        self._slot = slot
        self._login = login
        self._timeouts = timeouts
        self._watch = SshWatch(section, timing)

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
        return self._watch

    def seconds_since_answer(self) -> float:
        """How long ago the address answered to `watch`."""
        return time.monotonic() - self._watch.answered


class SerialWatch:
    """Bytes on a serial port; the port is open inside `with`."""

    def __init__(self, section: SerialSection, timing: Timing) -> None:
        self._section = section
        self._timing = timing
        self._presence = SerialPresence(section, enter_after=timing.enter_after)
        self._quiet_since = 0.0
        self._at_rest = False

    def __enter__(self) -> Watch:
        self._presence = SerialPresence(self._section, enter_after=self._timing.enter_after)
        self._presence.__enter__()
        self._quiet_since = time.monotonic()
        self._at_rest = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._presence.__exit__(kind, error, trace)

    def listen(self, seconds: float) -> bool:
        """True once any byte came."""
        if not self._presence.poll(seconds):
            return False
        since_enter = time.monotonic() - self._quiet_since - self._timing.enter_after
        self._at_rest = 0 <= since_enter < _ANSWERED_WITHIN
        return True

    def take_at_rest(self) -> bool:
        """True, once, when the bytes that were seen last came at once when Enter was pressed after the silence."""
        at_rest, self._at_rest = self._at_rest, False
        return at_rest

    def ask(self) -> Sign:
        """Press Enter and see whether anything comes back."""
        return Sign.SILENT if self._presence.gone(self._timing.answer_within) else Sign.HERE


class SshWatch:
    """An address that answers or not; it holds nothing, and knocks at most once per `probe_every`."""

    def __init__(self, section: SshSection, timing: Timing) -> None:
        self._section = section
        self._timing = timing
        self._next = 0.0
        self.answered = float("-inf")  # monotonic time of the last answer

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
        if not tcp_answers(self._section, seconds=self._timing.answer_within):
            return Sign.SILENT
        self.answered = time.monotonic()
        return Sign.HERE


def routes_of(slot: Slot, login: Login, timeouts: TimeoutsSection, timing: Timing) -> tuple[Route, ...]:
    """A slot's routes, the fastest last: over the last one the unit is flashed, over the others it is only read."""
    ssh = None if slot.ssh is None else SshRoute(slot.ssh, slot.name, login, timeouts, timing)
    serial = None if slot.serial is None else SerialRoute(slot.serial, login, timeouts, timing, ssh)
    return tuple(route for route in (serial, ssh) if route is not None)
