"""From a slot's port to its boot loader's prompt."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from factory.bootloader import Bootloader, attach, stop_autoboot
from factory.config import SerialSection, UbootFlash
from factory.flashing.reboot import PowerControl
from factory.flashing.uboot.line import ConsoleLine, SlotSupply
from factory.units.console import Console
from factory.units.deadline import Deadline
from factory.units.protocol import NullTranscript, Transcript


@contextlib.contextmanager
def bootloader_on(
    port: SerialSection,
    section: UbootFlash,
    *,
    deadline: Deadline,
    power: PowerControl | None = None,
    stopped: bool = False,
    transcript: Transcript | None = None,
) -> Iterator[Bootloader]:
    """Open the port and stop the unit's boot, by `power` or, without it, when somebody restarts the unit; `stopped`
    takes the loader as somebody left it at its prompt. Closed at the end; the unit stays where it is.

    Raises UnitError, BootloaderError, DeadlineExpired, Cancelled, and what the power control raises.
    """
    kept = transcript or NullTranscript()
    speed = port if section.baud is None else port.model_copy(update={"baud": section.baud})
    console = Console.open(speed, kept)
    try:
        line = ConsoleLine(console, kept)
        if stopped:
            yield attach(line, prompt=section.prompt, limit=deadline)
        else:
            supply = None if power is None else SlotSupply(power, deadline)
            yield stop_autoboot(line, prompt=section.prompt, keys=section.stop_keys, limit=deadline, power=supply)
    finally:
        console.close()
