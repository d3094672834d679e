"""loady's side of YMODEM: lrzsz's `rb` on the wire, or a small receiver of the rehearsal's own."""

from __future__ import annotations

import binascii
import os
import subprocess
import tempfile
from pathlib import Path

from factory.rehearsal.uboot.port import Uart

_SOH, _STX, _EOT, _ACK, _NAK, _CAN = 1, 2, 4, 6, 0x15, 0x18
_TRIES = 8


class ReceiveError(Exception):
    """The transfer was given up; the text is what the loader prints."""


def by_rb(uart: Uart, program: str) -> bytes:
    """Let lrzsz receive one file on the board's tty. Raises ReceiveError."""
    with tempfile.TemporaryDirectory() as folder:
        tty = os.open(uart.path, os.O_RDWR | os.O_NOCTTY)
        try:
            process = subprocess.Popen(
                [program, "--quiet", "--overwrite", "--timeout", "20"],
                stdin=tty,
                stdout=tty,
                stderr=subprocess.DEVNULL,
                cwd=folder,
            )
        finally:
            os.close(tty)
        try:
            while process.poll() is None:
                uart.pause(0.02)
        finally:
            process.kill()
            process.wait()
        files = list(Path(folder).iterdir())
        if process.returncode or len(files) != 1:
            raise ReceiveError("Cancelled")
        return files[0].read_bytes()


class Receiver:
    """A receiver that takes nothing on trust: numbers, complements and checksums."""

    def __init__(self, uart: Uart) -> None:
        self._uart = uart
        self._came = bytearray()
        self.refused = 0

    def file(self) -> bytes:
        """Receive one file of a batch. Raises ReceiveError, UartStoppedError."""
        name = self._header()
        size = int(name.split(b"\0")[1].split(b" ")[0])
        content = bytearray()
        self._uart.write(bytes([_ACK]) + b"C")
        wanted = 1
        while True:
            number, body = self._packet(b"C" if wanted == 1 and not content else bytes([_NAK]))
            if number is None:
                break
            if number == wanted & 0xFF:
                content += body
                wanted += 1
            elif number != (wanted - 1) & 0xFF:
                self._uart.write(bytes([_CAN]) * 4)
                raise ReceiveError("out of step")
            self._uart.write(bytes([_ACK]))
        self._uart.write(bytes([_NAK]))
        if self._packet(bytes([_NAK]))[0] is None:
            self._uart.write(bytes([_ACK]) + b"C")
            self._packet(b"C")
            self._uart.write(bytes([_ACK]))
        if len(content) < size:
            raise ReceiveError("short")
        return bytes(content[:size])

    def _header(self) -> bytes:
        self._uart.write(b"C")
        while True:
            number, body = self._packet(b"C")
            if number == 0 and body[0]:
                return body

    def _packet(self, refusal: bytes) -> tuple[int | None, bytes]:
        for _ in range(_TRIES):
            kind = self._take(1, 3.0)
            if kind == bytes([_EOT]):
                return None, b""
            if kind == bytes([_CAN]) and self._take(1, 1.0) == bytes([_CAN]):
                raise ReceiveError("Cancelled")
            size = {bytes([_SOH]): 128, bytes([_STX]): 1024}.get(kind)
            if size is not None:
                frame = self._take(size + 4, 1.0)
                body = frame[2:-2]
                right = len(frame) == size + 4 and frame[0] ^ frame[1] == 0xFF
                if right and binascii.crc_hqx(body, 0) == int.from_bytes(frame[-2:], "big"):
                    return frame[0], body
            while self._uart.read(0.1):
                pass
            self._came.clear()
            self.refused += 1
            self._uart.write(refusal)
        raise ReceiveError("Timed out")

    def _take(self, size: int, seconds: float) -> bytes:
        while len(self._came) < size:
            data = self._uart.read(seconds)
            if not data:
                break
            self._came += data
        taken = bytes(self._came[:size])
        del self._came[:size]
        return taken
