"""The serial port of a slot: a link with a fixed name, the wire behind it, and the unit's tty at the other end."""

from __future__ import annotations

from pathlib import Path

from factory.errors import NotStartedError
from factory.rehearsal.ends import PtyEnd, point
from factory.rehearsal.flaws import Flaws
from factory.rehearsal.softtty import LineEnd, SocketEnd, SoftTty
from factory.rehearsal.tty import Tty
from factory.rehearsal.wire import Wire


class SerialPort:
    """A wire whose near end is found at `link`, as a USB adapter is found at its path.

    Where the computer gives no pseudo terminal, the near end is a TCP port for pyserial's `socket://` instead.
    """

    def __init__(self, link: Path, baud: int | None, *, seed: int = 0) -> None:
        self.flaws = Flaws(seed=seed, far_baud=baud)
        self._link = link
        self._baud = baud
        self._near: PtyEnd | SocketEnd
        self._far: PtyEnd | LineEnd
        try:
            self._far = PtyEnd()
            self._near = PtyEnd()
        except NotStartedError:
            self._far, self._near = LineEnd(), SocketEnd()
        self._start()

    @property
    def url(self) -> str:
        """What pyserial opens."""
        return str(self._link) if isinstance(self._near, PtyEnd) else self._near.path

    @property
    def far_path(self) -> str:
        """The tty on the unit's side, for a program that opens it itself and then pokes the wire.

        Raises NotStartedError where the computer gives no pseudo terminals.
        """
        if not isinstance(self._far, PtyEnd):
            raise NotStartedError("this unit needs a pseudo terminal, and this computer gives none")
        return self._far.path

    def tty(self) -> Tty:
        """Open the tty on the unit's side."""

        def opened() -> None:
            self.wire.poke()

        return Tty(self._far.path, opened) if isinstance(self._far, PtyEnd) else SoftTty(self._far, opened)

    def unplug_adapter(self) -> None:
        """Pull the USB adapter out of the station: the link vanishes, and who has the port open gets a hang-up."""
        self._link.unlink(missing_ok=True)
        self.wire.close()
        self._near.close()

    def replug_adapter(self) -> None:
        """Put the USB adapter back: the link names a new tty."""
        self._near = PtyEnd() if isinstance(self._near, PtyEnd) else SocketEnd(self._near.port)
        self._start()

    def say(self, text: str) -> None:
        """Print on the console whatever runs there, as the kernel does."""
        self._far.say(text)
        self.wire.poke()

    def press(self, keys: bytes) -> None:
        """Press keys on the unit's console, as somebody did who then left."""
        self._far.write(keys)
        self.wire.poke()

    def close(self) -> None:
        """Take the wire away."""
        if self.wire.running:
            self.unplug_adapter()
        self._far.close()

    def _start(self) -> None:
        if isinstance(self._near, PtyEnd):
            point(self._link, self._near.path)
        self.wire = Wire(self._near, self._far, baud=self._baud, flaws=self.flaws)
        self.wire.start()
