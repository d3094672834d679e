"""The unit's side of its console: a tty with lines, echo and erase done by the kernel, and a way to be stopped."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import termios
import time
from collections.abc import Callable

from factory.rehearsal.processes import Processes


class ConsoleEndedError(Exception):
    """The unit lost its power or reboots: whoever talks on the console stops at once."""


class Tty:
    """The tty that a unit's login and shell use. Every wait ends with ConsoleEndedError after `stop`."""

    def __init__(self, path: str, opened: Callable[[], None]) -> None:
        self.path = path
        self._opened = opened
        self._fd = -1
        self._woken, self._wake = os.pipe()
        self.open()

    def open(self) -> None:
        """Open the tty anew with sane settings, as a getty does before each login; the end of a shell hangs it up."""
        self._shut()
        self._fd = os.open(self.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.mode(echo=True)
        self._opened()

    def mode(self, *, echo: bool, lines: bool = True) -> None:
        """Set whether typed characters are shown and whether input comes in whole lines."""
        characters = termios.tcgetattr(self._fd)[6]
        characters[termios.VMIN], characters[termios.VTIME] = 1, 0
        local = termios.ISIG | termios.ICANON | termios.ECHOE | termios.ECHOK | termios.IEXTEN if lines else 0
        settings = [
            termios.ICRNL | termios.IXON,
            termios.OPOST | termios.ONLCR,
            termios.CS8 | termios.CREAD | termios.HUPCL,
            local | (termios.ECHO if echo else 0),
            termios.B115200,
            termios.B115200,
            characters,
        ]
        termios.tcsetattr(self._fd, termios.TCSANOW, settings)

    def forget_input(self) -> None:
        """Throw away what was typed and not read."""
        termios.tcflush(self._fd, termios.TCIFLUSH)

    def write(self, text: str) -> None:
        """Say text; LF becomes CR LF on the way out."""
        data = text.encode()
        while data:
            self._wait(select.POLLOUT, None)
            with contextlib.suppress(BlockingIOError):
                data = data[os.write(self._fd, data) :]

    def line(self, *, echo: bool = True, seconds: float | None = None) -> str | None:
        """Read a line without its end; None when `seconds` pass before it is there."""
        self.mode(echo=echo)
        if not self._wait(select.POLLIN, seconds):
            return None
        data = os.read(self._fd, 4096)
        if not echo:
            self.write("\n")
        return data.decode("utf-8", "replace").rstrip("\r\n")

    def key_within(self, seconds: float, prompt: str) -> bool:
        """Say `prompt` and tell whether a key is pressed within `seconds` of it; keys pressed earlier do not count."""
        self.mode(echo=False, lines=False)
        self.forget_input()
        self.write(prompt)
        pressed = self._wait(select.POLLIN, seconds)
        self.forget_input()
        self.mode(echo=True)
        return pressed

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        self._wait(0, seconds)

    def shell(self, processes: Processes) -> subprocess.Popen[bytes]:
        """Start an interactive shell that has this tty as its controlling terminal."""
        return processes.on_tty(self.path)

    def stop(self) -> None:
        """End every wait, now and later."""
        os.write(self._wake, b"!")

    def close(self) -> None:
        """Close the tty; call it when nobody waits any more."""
        self._shut()
        os.close(self._woken)
        os.close(self._wake)

    def _shut(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _wait(self, events: int, seconds: float | None) -> bool:
        until = None if seconds is None else time.monotonic() + seconds
        while True:
            poll = select.poll()
            poll.register(self._woken, select.POLLIN)
            if events:
                poll.register(self._fd, events)
            left = None if until is None else max(0.0, until - time.monotonic()) * 1000
            ready = dict(poll.poll(left))
            if self._woken in ready:
                raise ConsoleEndedError
            if ready:
                return True
            if until is not None and time.monotonic() >= until:
                return False
