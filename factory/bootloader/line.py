"""What this room needs from its neighbours: a line to talk over and an end to every wait."""

from __future__ import annotations

import threading
from typing import Protocol, Self

from factory.errors import FactoryError


class BootloaderError(FactoryError):
    """The boot loader did not do what was asked; the message names the line and what came back."""

    code = "uboot"


class Limit(Protocol):
    """How long work may take; `units.Deadline` is one."""

    @property
    def left(self) -> float:
        """Seconds left."""

    @property
    def expired(self) -> bool:
        """True when no time is left."""

    @property
    def cancel(self) -> threading.Event:
        """Set when the work was called off."""

    def check(self, doing: str) -> None:
        """Raise when called off or out of time."""

    def pause(self, seconds: float) -> None:
        """Wait; raises when called off."""

    def within(self, seconds: float) -> Self:
        """A shorter limit that shares the cancel flag."""


class Line(Protocol):
    """A serial line. One thread uses it."""

    @property
    def route(self) -> str:
        """`serial:` and the port."""

    def receive(self, seconds: float) -> bytes:
        """Wait at most so long for bytes and take them; b"" when none came. Raises FactoryError when the line is
        gone.
        """

    def write(self, data: bytes, limit: Limit) -> None:
        """Send all of `data`."""

    def hide(self, note: str | None) -> None:
        """Keep what goes over the line from now on out of the transcript and write `note` there; None ends it."""


class Supply(Protocol):
    """The switch of the unit's supply; how long it may take is its own matter."""

    def off(self) -> None:
        """Switch off. Raises FactoryError when the switch does not obey."""

    def on(self) -> None:
        """Switch on. Raises FactoryError when the switch does not obey."""


def excerpt(data: bytes, size: int = 200) -> str:
    """The end of what came, escaped and bounded, for a message."""
    text = data[-size:].decode("ascii", "backslashreplace").replace("\r", "").strip().replace("\n", " | ")
    shown = "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text)
    return f'"{shown}"' if shown else "nothing"
