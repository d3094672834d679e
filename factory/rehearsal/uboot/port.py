"""The board's UART: raw bytes, a wait that ends, keys that are echoed."""

from __future__ import annotations

import contextlib
import os
import select
import time
import tty as terminal
from pathlib import Path

from factory.rehearsal.ends import PtyEnd, point
from factory.rehearsal.flaws import Flaws
from factory.rehearsal.wire import Wire


class UartStoppedError(Exception):
    """The board has no power any more."""


class Uart:
    """A wire with the station's port at `link` and raw bytes at the board's end."""

    def __init__(self, link: Path, baud: int | None) -> None:
        self.flaws = Flaws(far_baud=baud)
        self._near, self._far = PtyEnd(), PtyEnd()
        self.path = self._far.path
        self._fd = os.open(self._far.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        terminal.setraw(self._fd)
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._woken, False)
        point(link, self._near.path)
        self._link = link
        self._wire = Wire(self._near, self._far, baud=baud, flaws=self.flaws)
        self._wire.start()

    def read(self, seconds: float | None) -> bytes:
        """What comes within so many seconds. Raises UartStoppedError."""
        end = None if seconds is None else time.monotonic() + seconds
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        poll.register(self._fd, select.POLLIN)
        left = None if end is None else max(0.0, end - time.monotonic()) * 1000
        ready = dict(poll.poll(left))
        if self._woken in ready:
            raise UartStoppedError
        with contextlib.suppress(BlockingIOError):
            return os.read(self._fd, 4096) if ready else b""
        return b""

    def pause(self, seconds: float) -> None:
        """Let time pass while somebody else uses the tty. Raises UartStoppedError."""
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        if poll.poll(seconds * 1000):
            raise UartStoppedError

    def write(self, data: bytes) -> None:
        """Send bytes as they are. Raises UartStoppedError."""
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        poll.register(self._fd, select.POLLOUT)
        while data:
            if self._woken in dict(poll.poll(None)):
                raise UartStoppedError
            with contextlib.suppress(BlockingIOError):
                data = data[os.write(self._fd, data) :]

    def say(self, text: str) -> None:
        """Print text as U-Boot does: LF as CR LF."""
        self.write(text.replace("\n", "\r\n").encode("latin-1"))

    def stop(self) -> None:
        """End every wait."""
        os.write(self._wake, b"!")

    def resume(self) -> None:
        """Allow waits again, and forget what was typed meanwhile."""
        for descriptor in (self._woken, self._fd):
            with contextlib.suppress(BlockingIOError):
                while os.read(descriptor, 4096):
                    pass

    def close(self) -> None:
        """Take the wire away."""
        self._link.unlink(missing_ok=True)
        self._wire.close()
        self._near.close()
        os.close(self._fd)
        self._far.close()
        os.close(self._woken)
        os.close(self._wake)
