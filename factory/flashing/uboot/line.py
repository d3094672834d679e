"""A console and a slot's power as the boot loader's room wants them."""

from __future__ import annotations

from factory.bootloader import Limit
from factory.flashing.reboot import PowerControl
from factory.units.console import Console
from factory.units.deadline import Deadline
from factory.units.protocol import Transcript


class ConsoleLine:
    """bootloader.Line over a console."""

    def __init__(self, console: Console, transcript: Transcript) -> None:
        self._console = console
        self._transcript = transcript

    @property
    def route(self) -> str:
        """The console's."""
        return self._console.route

    def receive(self, seconds: float) -> bytes:
        """Take what comes. Raises UnitGone."""
        data = bytes(self._console.pending)
        if not data:
            self._console.receive(seconds)
            data = bytes(self._console.pending)
        self._console.clear()
        return data

    def write(self, data: bytes, limit: Limit) -> None:
        """Send all of it. Raises UnitGone, DeadlineExpired, Cancelled."""
        self._console.write(data, Deadline(limit.left, cancel=limit.cancel))

    def hide(self, note: str | None) -> None:
        """Keep a payload out of the transcript."""
        self._console.raw_transcript = note is None
        if note is not None:
            self._transcript.note(note)


class SlotSupply:
    """bootloader.Supply over a slot's power control."""

    def __init__(self, power: PowerControl, deadline: Deadline) -> None:
        self._power = power
        self._deadline = deadline

    def off(self) -> None:
        """Switch off. Raises FactoryError."""
        self._power.off(deadline=self._deadline)

    def on(self) -> None:
        """Switch on. Raises FactoryError."""
        self._power.on(deadline=self._deadline)
