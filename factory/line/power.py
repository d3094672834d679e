"""Switching a slot's supply with the programs that bench.toml names."""

from __future__ import annotations

from pathlib import Path

from factory.config import PowerSection
from factory.errors import FactoryError
from factory.line.programs import run_program
from factory.units.deadline import Deadline

LIMIT = 30.0


class PowerError(FactoryError):
    """The program that switches a slot's supply failed or did not end."""

    code = "line.power"


class SlotPower:
    """Implements flashing.PowerControl by a slot's `power = { on = [...], off = [...] }`.

    A program gets `limit` seconds, or what the deadline leaves; relative paths start at the bench file's folder.
    """

    def __init__(self, section: PowerSection, *, slot: str, folder: Path, limit: float = LIMIT) -> None:
        self._section = section
        self._slot = slot
        self._folder = folder
        self._limit = limit

    def off(self, *, deadline: Deadline) -> None:
        """Take the supply away. Raises PowerError, Cancelled, DeadlineExpired."""
        self._switch("off", self._section.off, deadline)

    def on(self, *, deadline: Deadline) -> None:
        """Give the supply back. Raises PowerError, Cancelled, DeadlineExpired."""
        self._switch("on", self._section.on, deadline)

    def _switch(self, which: str, argv: tuple[str, ...], deadline: Deadline) -> None:
        deadline.check(f"switching slot {self._slot} {which}")
        ran = run_program(argv, deadline=deadline.within(self._limit), folder=self._folder)
        deadline.check(f"switching slot {self._slot} {which}")
        if not ran.ok:
            raise PowerError(
                f"slot {self._slot}: the program that switches power {which} ({argv[0]}) {ran.said()}",
                hint=f"Run it by hand: {' '.join(argv)}",
            )
