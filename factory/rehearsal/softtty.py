"""A serial console without pseudo terminals: a TCP port for pyserial's `socket://`, and a tty made of a few lines.

Only where the computer gives no pseudo terminal. The unit's shell then has no terminal: echo, erase and line ends
are done here, and neither job control nor `stty` works.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
from collections.abc import Callable

from factory.rehearsal.processes import Processes
from factory.rehearsal.tty import Tty

_ERASE, _KILL, _INTERRUPT = b"\x08\x7f", b"\x15", b"\x03"


class SocketEnd:
    """The station's end of a wire as a TCP port on 127.0.0.1; one client at a time. `path` is its pyserial URL."""

    def __init__(self, port: int = 0) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self._listener.setblocking(False)
        self._client: socket.socket | None = None
        self.port: int = self._listener.getsockname()[1]
        self.path = f"socket://127.0.0.1:{self.port}"

    def fileno(self) -> int:
        """The descriptor to poll."""
        return (self._client or self._listener).fileno()

    def attached(self) -> bool:
        """Whether a client is connected."""
        return self._client is not None

    def speed(self) -> int:
        """Unknown (0): a socket has no speed that could be wrong."""
        return 0

    def unread(self) -> int:
        """Unknown (0): nobody can see what the other side of a socket has not read."""
        return 0

    def read(self, limit: int) -> bytes | None:
        """Take up to `limit` bytes; nothing there is b"", nobody there is None."""
        try:
            if self._client is None:
                self._client, _ = self._listener.accept()
                self._client.setblocking(False)
            data = self._client.recv(limit)
        except BlockingIOError:
            return b"" if self._client else None
        except ConnectionError:
            data = b""
        if not data:
            self._drop()
            return None
        return data

    def write(self, data: bytes) -> int:
        """Give as many bytes as there is room for; the number taken."""
        if self._client is None:
            return len(data)
        try:
            return self._client.send(data)
        except BlockingIOError:
            return 0
        except ConnectionError:
            self._drop()
            return len(data)

    def close(self) -> None:
        """Close the port and the connection."""
        self._drop()
        self._listener.close()

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


class LineEnd:
    """The unit's end of a wire with a tty in software: what comes is echoed and gathered into lines."""

    path = ""

    def __init__(self) -> None:
        self._ours, self.theirs = socket.socketpair()
        self._ours.setblocking(False)
        self.echo = self.lines = True
        self._line = bytearray()
        self._echoed = bytearray()

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self._ours.fileno()

    def attached(self) -> bool:
        """The unit's side is always there."""
        return True

    def speed(self) -> int:
        """Unknown (0)."""
        return 0

    def unread(self) -> int:
        """Unknown (0)."""
        return 0

    def read(self, limit: int) -> bytes | None:
        """Take what was echoed, else what the unit says; the lines end with CR LF."""
        if self._echoed:
            data = bytes(self._echoed[:limit])
            del self._echoed[:limit]
            return data
        try:
            return self._ours.recv(max(1, limit // 2)).replace(b"\n", b"\r\n")
        except BlockingIOError:
            return b""

    def write(self, data: bytes) -> int:
        """Take keys as a tty takes them."""
        if not self.lines:
            self._ours.send(data)
            return len(data)
        for value in data.replace(b"\r", b"\n"):
            self._key(bytes([value]))
        return len(data)

    def say(self, text: str) -> None:
        """Print on the console whatever runs there."""
        self.theirs.send(text.encode())

    def close(self) -> None:
        """Close both sides."""
        self._ours.close()
        self.theirs.close()

    def _key(self, key: bytes) -> None:
        shown = key.replace(b"\n", b"\r\n")
        if key in (_KILL, _INTERRUPT):
            self._line.clear()
            shown = b"\r\n"
        elif key in _ERASE:
            shown = b"\b \b" if self._line else b""
            del self._line[-1:]
        else:
            self._line += key
        if self.echo:
            self._echoed += shown
        if key == b"\n":
            self._ours.send(bytes(self._line))
            self._line.clear()


class SoftTty(Tty):
    """What login and shell use on a LineEnd."""

    def __init__(self, end: LineEnd, opened: Callable[[], None]) -> None:
        self._end = end
        super().__init__(end.path, opened)

    def open(self) -> None:
        """Begin anew with echo and lines."""
        self._shut()
        self._fd = os.dup(self._end.theirs.fileno())
        self.mode(echo=True)
        self._opened()

    def mode(self, *, echo: bool, lines: bool = True) -> None:
        """Set whether typed characters are shown and whether input comes in whole lines."""
        self._end.echo, self._end.lines = echo, lines

    def forget_input(self) -> None:
        """Throw away what was typed and not read."""
        with contextlib.suppress(BlockingIOError):
            while select.select([self._fd], [], [], 0)[0]:
                os.read(self._fd, 4096)

    def shell(self, processes: Processes) -> subprocess.Popen[bytes]:
        """Start an interactive shell without a terminal."""
        return processes.on_descriptor(self._fd)
