"""What every simulated cloud is handed: its memory, its faults, its clock, its settings."""

from __future__ import annotations

import contextvars
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from factory.rehearsal.clouds.account import Account
from factory.rehearsal.clouds.faults import Faults
from factory.rehearsal.clouds.state import State

WRONG_BY = 3600.0
skew: contextvars.ContextVar[float] = contextvars.ContextVar("skew", default=0.0)


@dataclass(frozen=True, slots=True)
class Settings:
    """How the clouds behave. All times are in seconds.

    `publish_seconds`: how long the publishing of one device takes. `max_skew`: how far a signed date may be off.
    `connection_seconds`: how long a connection lives. `slow_seconds`: how late a slow reply is.
    """

    publish_seconds: float = 0.0
    max_skew: float = 300.0
    connection_seconds: float = 28800.0
    slow_seconds: float = 3.0


@dataclass(frozen=True, slots=True)
class World:
    """Shared by the clouds of one server. `base_url` and `certificates` are known once it listens."""

    state: State
    faults: Faults
    settings: Settings
    account: Account
    server_certificate: Path
    server_key: Path
    clock: Callable[[], float] = field(default=time.time)

    def now(self) -> float:
        """Seconds since 1970, as this cloud believes: an hour ahead while a request is struck by `wrong-clock`."""
        return self.clock() + skew.get()
