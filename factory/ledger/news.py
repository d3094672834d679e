"""What listeners are told of a ledger that changes its place: its events, and its moves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from factory.ledger.store import Listener
from factory.values import Event

OFFLINE = "line.offline"
ONLINE = "line.online"
WARNING = "line.warning"


class News:
    """Hands events on to every listener; any thread may call it."""

    def __init__(self) -> None:
        self._heard: list[Listener] = []

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Hand every event to `listener`; returns what ends that."""
        self._heard.append(listener)
        return lambda: self._heard.remove(listener)

    def hand_on(self, event: Event) -> None:
        """An event that was committed."""
        for listener in tuple(self._heard):
            listener(event)

    def say(self, kind: str, station: str, message: str, **more: object) -> None:
        """Say where the ledger is now; this is in no chain and has no number."""
        self.hand_on(Event(kind, station, datetime.now().astimezone(), data={"message": message, **more}))
