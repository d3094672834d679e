"""Is there a unit? Serial: bytes came, or Enter was answered. SSH: TCP was answered. The station's NIC: its carrier."""

from __future__ import annotations

import errno
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from factory.units.console import Console
from factory.units.console_state import ENTER, ENTERS, SETTLE, ConsoleState, classify
from factory.units.deadline import Deadline, DeadlineExpired
from factory.units.protocol import UnitGone
from factory.units.ssh_address import dial

if TYPE_CHECKING:
    from factory.config import SerialSection, SshSection

_REST = 1.0  # seconds that an answer to Enter may take from its first byte to its last


class SerialPresence:
    """Watches an empty slot's port, which it holds only inside `with`. It listens; Enter is sent after
    `enter_after` seconds of silence (None: never), once more after as many, and never while bytes still come.
    """

    def __init__(self, section: SerialSection, *, enter_after: float | None = 5.0) -> None:
        self._section = section
        self._enter_after = enter_after
        self._entered = 0
        self._entered_at = 0.0
        self._console: Console | None = None
        self._seen = b""
        self._unasked = float("-inf")  # monotonic time of the last bytes that came by themselves

    def __enter__(self) -> Self:
        """Open the port. Raises UnitError (see `open_port`)."""
        self._console = Console.open(self._section)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the port."""
        if self._console is not None:
            self._console.close()
            self._console = None

    def poll(self, seconds: float) -> bool:
        """Listen for at most `seconds`; True once any byte has come. Raises UnitGone when the port vanished."""
        console = self._open()
        if self._hear(seconds):
            self._unasked = time.monotonic()
            return True
        now = time.monotonic()
        quiet = min(now - console.heard, now - self._entered_at)
        silent = self._enter_after is not None and quiet >= self._enter_after
        if silent and self._entered < ENTERS and not self._counting:
            self._entered, self._entered_at = self._entered + 1, now
            console.write(ENTER, Deadline(2.0))
        return False

    def gone(self, seconds: float = 10.0) -> bool:
        """Send one Enter to a unit that was logged out; True when nothing at all comes back within `seconds`.

        Where bytes came by themselves within `enter_after`, the unit is there and boots: nothing is sent, for Enter
        would stop its boot loader.
        """
        console = self._open()
        if self._hear(0.0):
            self._unasked = time.monotonic()
        if time.monotonic() - self._unasked < (self._enter_after or 0.0):
            return False
        if self._enter_after is not None and not self._counting:
            console.write(ENTER, Deadline(2.0))
        if not self._hear(seconds):
            return True
        end = time.monotonic() + _REST
        while time.monotonic() < end and self._hear(SETTLE):  # the rest of the answer is no sign of life of its own
            pass
        return False

    def _hear(self, seconds: float) -> bytes:
        data = self._open().receive(seconds)
        self._seen = (self._seen + data)[-4096:]
        return data

    @property
    def _counting(self) -> bool:
        return classify(self._seen) is ConsoleState.AUTOBOOT

    def _open(self) -> Console:
        if self._console is None:
            raise RuntimeError("SerialPresence is used outside of its with block")
        return self._console


class Answering(Protocol):
    """What both kinds of unit have beside the Unit protocol."""

    def answers(self, seconds: float, deadline: Deadline) -> bool:
        """True when a fresh question is answered within `seconds`."""


def answers(unit: Answering, *, seconds: float = 10.0, cancel: threading.Event | None = None) -> bool:
    """True when a logged-in unit still answers within `seconds`, on either route. Raises Cancelled."""
    try:
        return unit.answers(seconds, Deadline(seconds, cancel=cancel))
    except (UnitGone, DeadlineExpired):
        return False


def tcp_answers(section: SshSection, *, seconds: float = 2.0) -> bool:
    """True when the unit's SSH port accepts a connection through the section's interface within `seconds`.

    Raises UnitError where the station is at fault: unit.ssh.bind-denied, unit.ssh.rp-filter, unit.ssh.interface.
    """
    try:
        dial(section, seconds).close()
    except OSError:
        return False
    return True


def carrier(interface: str, root: Path = Path("/sys/class/net")) -> bool | None:
    """Whether the station's own NIC sees a link; None when that cannot be told (no such NIC, or it is down)."""
    try:
        return (root / interface / "carrier").read_text(encoding="ascii").strip() == "1"
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.EINVAL:  # what the kernel says for an interface that is down
            return None
        raise
