"""Stopping the boot: keys are pressed while the loader counts down, and at no other time."""

from __future__ import annotations

import re

from factory.bootloader.line import BootloaderError, Limit, Line, Supply, excerpt
from factory.bootloader.prompt import Bootloader

OFF_SECONDS = 2.0
_COUNTDOWN = re.compile(
    rb"(?i)(?:hit any key|press .{0,40}?|hit .{0,40}?|type .{0,40}?) to (?:stop|abort|interrupt) (?:auto)?boot"
    rb"|autoboot in \d+ sec"
)
# What may still stand behind the announcement while the window is open: its own words, digits and backspaces.
_OPEN = re.compile(rb"[^\r\n]*\Z")
_OVER = re.compile(rb"(?i)starting kernel|linux version \d|booting linux|uncompressing linux|\blogin: ?\Z")
_VERSION = re.compile(r"(?m)^U-Boot\b[^\n]*")
_ANSWER_SECONDS = 5.0


def stop_autoboot(line: Line, *, prompt: str, keys: str, limit: Limit, power: Supply | None = None) -> Bootloader:
    """Switch the unit off and on, stop its boot, and return the loader at its prompt.

    Without `power` it listens until somebody else restarts the unit. Keys go out only between the loader's own
    announcement and whatever follows it. Raises BootloaderError `uboot.window-missed` when the system starts, and
    `uboot.no-autoboot` when no announcement comes.
    """
    if power is not None:
        power.off()
        limit.pause(OFF_SECONDS)
        while line.receive(0.0):
            pass
        power.on()
    _stop(line, keys.encode("latin-1"), prompt, limit)
    return _certain(Bootloader(line, prompt), limit)


def attach(line: Line, *, prompt: str, limit: Limit) -> Bootloader:
    """Return the loader that somebody has stopped already. Sends Ctrl-C once. Raises BootloaderError
    `uboot.no-prompt`.
    """
    loader = Bootloader(line, prompt)
    if not loader.at_prompt(limit.within(_ANSWER_SECONDS)):
        raise BootloaderError(
            f"{line.route}: no boot loader answers with the prompt {prompt.strip()!r}",
            hint="Stop its boot first, or let the slot's power control do it; see [flash.uboot] prompt.",
            code="uboot.no-prompt",
        )
    return _certain(loader, limit)


def _stop(line: Line, keys: bytes, prompt: str, limit: Limit) -> None:
    seen = b""
    wanted = prompt.strip().encode()
    pressed = False
    while True:
        data = line.receive(min(0.2, limit.left))
        if limit.cancel.is_set():
            limit.check(f"waiting for the boot loader on {line.route}")
        seen = (seen + data)[-8192:]
        announced = [match.end() for match in _COUNTDOWN.finditer(seen)]
        since = seen[announced[-1] :] if announced else b""
        if announced and pressed and since.rstrip(b" ").endswith(wanted):
            return
        if _OVER.search(since if announced else seen):
            raise BootloaderError(
                f"{line.route}: the system starts: {'the keys came too late' if announced else 'no countdown came'}; "
                f"last seen: {excerpt(seen)}",
                hint="Check [flash.uboot] stop_keys, and that bootdelay is not 0. Nothing was pressed after that.",
                code="uboot.window-missed",
            )
        # Once per sign of life inside the window: a key that the loader did not take is pressed again.
        if announced and data and _OPEN.match(since):
            line.write(keys, limit)
            pressed = True
        if limit.expired:
            raise BootloaderError(
                f"{line.route}: the boot loader's countdown did not come; last seen: {excerpt(seen)}",
                hint="Is the unit powered, is this its console, and does its loader announce a countdown?",
                code="uboot.no-autoboot",
            )


def _certain(loader: Bootloader, limit: Limit) -> Bootloader:
    """A prompt is believed once a command came back through it, and it calls itself U-Boot."""
    if not loader.at_prompt(limit.within(_ANSWER_SECONDS)):
        raise BootloaderError(
            f"{loader.route}: the boot loader's prompt does not answer", hint="See [flash.uboot] prompt.",
            code="uboot.no-prompt",
        )  # fmt: skip
    said = loader.run("version", limit=limit.within(_ANSWER_SECONDS * 2)).text
    if not _VERSION.search(said):
        raise BootloaderError(
            f"{loader.route}: what answers is no U-Boot: {excerpt(said.encode())}",
            hint="Only U-Boot is known here.",
            code="uboot.not-uboot",
        )
    return loader


def restart(loader: Bootloader, *, keys: str, limit: Limit) -> Bootloader:
    """`reset`, stop the boot again, and return the loader of the new boot."""
    limit.check(f"restarting the unit on {loader.route}")
    loader.start("reset", limit=limit)
    _stop(loader.line, keys.encode("latin-1"), loader.prompt, limit)
    return _certain(Bootloader(loader.line, loader.prompt), limit)
