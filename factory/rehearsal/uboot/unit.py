"""The simulated unit: power, the countdown, the prompt, or a system that nobody may type into."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from factory.rehearsal.uboot.machine import Machine, PowerCut, UbootFault
from factory.rehearsal.uboot.port import Uart, UartStoppedError
from factory.rehearsal.uboot.shell import VERSION, ResetError, Shell

PROMPT = "=> "
_BANNER = f"\n\n{VERSION}\n\nDRAM:  64 MiB\nMMC:   mmc@0: 0\nIn:    serial\nOut:   serial\nErr:   serial\n"
_COUNTDOWN = "Hit any key to stop autoboot:  1 "
_KERNEL = "\nStarting kernel ...\n\n[    0.000000] Linux version 6.1.0 (rehearsal)\n"


class UbootUnit:
    """A unit whose console is at `folder/serial`. It is off at first. `typed_into_linux` is what somebody typed
    after its system had started, which a station must never do.
    """

    def __init__(self, folder: Path, *, baud: int | None = None, blocks: int = 16384, lrzsz: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = folder / "serial"
        self.machine = Machine(folder, blocks=blocks, on_cut=self._cut)
        self.uart = Uart(self.port, baud)
        self.typed_into_linux = b""
        self.boots = 0
        self._lrzsz = lrzsz
        self._thread: threading.Thread | None = None

    @property
    def faults(self) -> set[UbootFault]:
        """What is wrong with it; may be changed at any time."""
        return self.machine.faults

    def on(self, *, deadline: object = None) -> None:  # noqa: ARG002 - as power controls are called
        """Give it power."""
        if self._thread is None:
            self.uart.resume()
            self._thread = threading.Thread(target=self._live, name="u-boot", daemon=True)
            self._thread.start()

    def off(self, *, deadline: object = None) -> None:  # noqa: ARG002
        """Take the power away, whatever it does."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self.uart.stop()
            thread.join()
            self.uart.resume()

    def close(self) -> None:
        """Switch it off and take its wire away."""
        self.off()
        self.uart.close()

    def __enter__(self) -> UbootUnit:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _cut(self) -> None:
        self.uart.flaws.mend()

    def _live(self) -> None:
        try:
            while True:
                try:
                    self._boot()
                except (ResetError, PowerCut):
                    continue  # a cut comes back by itself: somebody tripped over the plug
        except UartStoppedError:
            return

    def _boot(self) -> None:
        self.boots += 1
        self.machine.start()
        self.uart.say(_BANNER)
        if UbootFault.NO_WINDOW in self.faults or not self._stopped():
            self._system()
        self.uart.say(PROMPT)
        shell = Shell(self.machine, self.uart, lrzsz=self._lrzsz)
        while True:
            line = self._line()
            if line is not None:
                shell.run(line)
            self.uart.say(PROMPT)

    def _stopped(self) -> bool:
        self.uart.resume()
        self.uart.say(_COUNTDOWN)
        # As with U-Boot's own bootdelay, -2 looks for no key.
        pressed = self.machine.bootdelay >= 0 and bool(self.uart.read(self.machine.bootdelay))
        self.uart.say("\b\b0 \n")
        return pressed

    def _system(self) -> None:
        self.uart.say(_KERNEL)
        end = time.monotonic() + 3600
        while time.monotonic() < end:
            self.typed_into_linux += self.uart.read(None)

    def _line(self) -> str | None:
        """One line of keys, each echoed as it comes; None when it was interrupted."""
        typed = bytearray()
        while True:
            for byte in self.uart.read(None):
                key = bytes([byte])
                if key in (b"\r", b"\n"):
                    self.uart.say("\n")
                    return typed.decode("latin-1")
                if key == b"\x03":
                    self.uart.say("<INTERRUPT>\n")
                    return None
                if key == b"\x15":
                    self.uart.write(b"\b \b" * len(typed))
                    typed.clear()
                elif key.isascii() and key.decode("ascii").isprintable() and len(typed) < 511:
                    typed += key
                    self.uart.write(key)
