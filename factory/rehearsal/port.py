"""The serial port of a slot: a link with a fixed name, the wire behind it, and the unit's tty at the other end."""

from __future__ import annotations

import os
from pathlib import Path

from factory.rehearsal.ends import PtyEnd, point
from factory.rehearsal.flaws import Flaws
from factory.rehearsal.wire import Wire


class SerialPort:
    """A wire whose near end is found at `link`, as a USB adapter is found at its path."""

    def __init__(self, link: Path, baud: int | None, *, seed: int = 0) -> None:
        self.flaws = Flaws(seed=seed, far_baud=baud)
        self._link = link
        self._baud = baud
        self._far = PtyEnd()
        self._near = PtyEnd()
        self._start()

    @property
    def url(self) -> str:
        """What pyserial opens."""
        return str(self._link)

    @property
    def tty_path(self) -> str:
        """The tty on the unit's side."""
        return self._far.path

    def unplug_adapter(self) -> None:
        """Pull the USB adapter out of the station: the link vanishes, and who has the port open gets a hang-up."""
        self._link.unlink()
        self.wire.close()
        self._near.close()

    def replug_adapter(self) -> None:
        """Put the USB adapter back: the link names a new tty."""
        self._near = PtyEnd()
        self._start()

    def say(self, text: str) -> None:
        """Print on the console whatever runs there, as the kernel does."""
        tty = os.open(self.tty_path, os.O_WRONLY | os.O_NOCTTY)
        try:
            os.write(tty, text.encode())
        finally:
            os.close(tty)

    def press(self, keys: bytes) -> None:
        """Press keys on the unit's console, as somebody did who then left."""
        self._far.write(keys)

    def close(self) -> None:
        """Take the wire away."""
        if self._link.is_symlink():
            self.unplug_adapter()
        self._far.close()

    def _start(self) -> None:
        point(self._link, self._near.path)
        self.wire = Wire(self._near, self._far, baud=self._baud, flaws=self.flaws)
        self.wire.start()
