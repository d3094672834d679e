"""Simulated boards for tests, and their loader at its prompt."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from factory.bootloader import Bootloader, autoboot
from factory.config import SerialSection, UbootFlash
from factory.flashing.uboot import bootloader_on
from factory.rehearsal.uboot import UbootUnit
from factory.units import Deadline, NullTranscript

SECTION = UbootFlash(start_block=2048, blocks=8192)


class Kept(NullTranscript):
    """What went over the line and may be seen."""

    def __init__(self) -> None:
        self.content = b""
        self.notes: list[str] = []

    def sent(self, data: bytes) -> None:
        self.content += data

    def received(self, data: bytes) -> None:
        self.content += data

    def note(self, text: str) -> None:
        self.notes.append(text)


@contextlib.contextmanager
def board(folder: Path, *, lrzsz: bool = False) -> Iterator[UbootUnit]:
    """A board without power."""
    with UbootUnit(folder, lrzsz=lrzsz) as unit:
        unit.machine.bootdelay = 30.0  # a key ends it at once; a test on a busy machine has time to press one
        yield unit


class Power:
    """The unit's switch without the rest of a cold start."""

    def __init__(self, unit: UbootUnit) -> None:
        self.unit = unit

    def off(self, *, deadline: Deadline) -> None:
        self.unit.off()

    def on(self, *, deadline: Deadline) -> None:
        self.unit.on()


@contextlib.contextmanager
def stopped(
    unit: UbootUnit, section: UbootFlash = SECTION, transcript: Kept | None = None, seconds: float = 60.0
) -> Iterator[Bootloader]:
    """The board's loader at its prompt."""
    port = SerialSection(port=str(unit.port))
    deadline = Deadline(seconds)
    with (
        mock.patch.object(autoboot, "OFF_SECONDS", 0.05),
        bootloader_on(port, section, deadline=deadline, power=Power(unit), transcript=transcript) as loader,
    ):
        yield loader
