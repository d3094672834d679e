"""What a slot's route is to the line: how it is opened, and how one sees over it whether a unit is there."""

from __future__ import annotations

from contextlib import AbstractContextManager
from enum import Enum
from typing import Protocol

from factory.units.deadline import Deadline
from factory.units.protocol import HostKeys, Transcript, Unit


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
