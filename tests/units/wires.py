"""A second serial oracle, apart from the rehearsal: a real shell on a real tty, and a relay that can spoil bytes."""

from __future__ import annotations

import os
import pty
import random
import select
import signal
import subprocess
import termios
import threading
import tty
from collections.abc import Callable, Sequence
from pathlib import Path

Spoil = Callable[[bytes], bytes]


def untouched(data: bytes) -> bytes:
    return data


def noisy(seed: int, rate: float, *, drop: bool = True) -> Spoil:
    """Change or drop each byte with probability `rate`, the same way for the same seed."""
    dice = random.Random(seed)

    def spoil(data: bytes) -> bytes:
        out = bytearray()
        for byte in data:
            if dice.random() >= rate:
                out.append(byte)
            elif not drop or dice.random() < 0.5:
                out.append(dice.randrange(256))
        return bytes(out)

    return spoil


class Wire:
    """Station pty <-> relay <-> unit pty with a program on it. `port` is what the station opens."""

    def __init__(
        self,
        argv: Sequence[str],
        folder: Path,
        *,
        env: dict[str, str] | None = None,
        up: Spoil = untouched,
        down: Spoil = untouched,
    ) -> None:
        self._near, near_slave = pty.openpty()
        self._far, far_slave = pty.openpty()
        tty.setraw(near_slave)
        self.port = os.ttyname(near_slave)
        self._held = near_slave
        self.up, self.down = up, down
        self.sent = bytearray()
        self.cut = threading.Event()
        settings = termios.tcgetattr(far_slave)
        settings[4] = settings[5] = termios.B115200
        termios.tcsetattr(far_slave, termios.TCSANOW, settings)
        self.process = subprocess.Popen(
            [os.fspath(part) for part in argv],
            stdin=far_slave,
            stdout=far_slave,
            stderr=far_slave,
            cwd=folder,
            env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "TERM": "vt100", "PS1": "unit:~# ", **(env or {})},
            start_new_session=True,
            preexec_fn=lambda: _control(0),
        )
        os.close(far_slave)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._relay, daemon=True)
        self._thread.start()

    def type(self, data: bytes) -> None:
        """Keys that somebody else pressed before the station came."""
        os.write(self._far, data)

    def inject(self, data: bytes) -> None:
        """Bytes that the unit seems to print."""
        _write(self._near, data)

    def pull(self) -> None:
        """Pull the cable: the station's port hangs up."""
        self.cut.set()
        self._thread.join(5)
        os.close(self._held)
        os.close(self._near)

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        for descriptor in (self._near, self._far, self._held):
            try:
                os.close(descriptor)
            except OSError:
                assert self.cut.is_set() or descriptor == self._far

    def _relay(self) -> None:
        while not self._stop.is_set() and not self.cut.is_set():
            ready, _, _ = select.select([self._near, self._far], [], [], 0.05)
            for source in ready:
                try:
                    data = os.read(source, 4096)
                except OSError:
                    return
                if source == self._near:
                    self.sent += data
                    _write(self._far, self.up(data))
                else:
                    _write(self._near, self.down(data))


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _control(descriptor: int) -> None:
    import fcntl

    fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)
