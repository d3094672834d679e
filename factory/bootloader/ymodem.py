"""Sending one file by YMODEM: blocks of 1 KiB with CRC-16, each acknowledged before the next goes out."""

from __future__ import annotations

import binascii
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from factory.bootloader.line import BootloaderError, Limit, Line

SOH, STX, EOT, ACK, NAK, CAN, CRC = 0x01, 0x02, 0x04, 0x06, 0x15, 0x18, 0x43
_FILL = b"\x1a"
_BLOCK, _SMALL = 1024, 128
_TRIES = 10
_WORDS = 8  # bytes; more than noise makes of an answer
_START_SECONDS = 60.0
_REPLY_SECONDS = 5.0  # U-Boot itself gives a block 2 s
_HEADER_SECONDS = 3.0  # lrzsz now and then throws away what comes on the heels of its C
_END_SECONDS = 3.0
_LAST_SECONDS = 3.0  # lrzsz that threw the end away asks for it again; U-Boot says at once what it got
_ALONE_SECONDS = 0.3  # a C with nothing behind it is a question; with more it begins a receiver's parting words
CANCEL = bytes([CAN]) * 8 + b"\b" * 8

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Transfer:
    """What went out: bytes of the file, bytes on the wire, how often a block was sent again; `behind` is what the
    receiver said after it had everything.
    """

    size: int
    on_wire: int
    retries: int
    behind: bytes = b""


def packet(number: int, data: bytes) -> bytes:
    """One block: 128 bytes or 1 KiB, whichever holds `data`, filled up."""
    size = _SMALL if len(data) <= _SMALL else _BLOCK
    body = data.ljust(size, _FILL) if number or not data.startswith(b"\0") else data.ljust(size, b"\0")
    head = bytes([SOH if size == _SMALL else STX, number & 0xFF, ~number & 0xFF])
    return head + body + binascii.crc_hqx(body, 0).to_bytes(2, "big")


def _header(name: str, size: int) -> bytes:
    return f"{name}\0{size}".encode("ascii").ljust(_SMALL, b"\0")


def send(line: Line, data: bytes, *, name: str, limit: Limit, progress: Progress | None = None) -> Transfer:
    """Send `data` to a receiver that has started. What comes before its first sign is skipped.

    Raises BootloaderError `uboot.ymodem` when the receiver gives up, or stays silent, or refuses a block too often;
    and what the line and the limit raise. The receiver was told to give up then.
    """
    sender = _Sender(line, limit)
    try:
        sender.await_start(_START_SECONDS)
        sender.block(0, _header(name, len(data)))
        sender.await_start(_REPLY_SECONDS)
        for at in range(0, len(data), _BLOCK):
            sender.block(at // _BLOCK + 1, data[at : at + _BLOCK])
            if progress is not None:
                progress(min(at + _BLOCK, len(data)))
        sender.end()
    except BaseException:
        _tell_to_give_up(line, limit)
        raise
    return Transfer(len(data), sender.on_wire, sender.retries, sender.behind())


def _tell_to_give_up(line: Line, limit: Limit) -> None:
    try:
        line.write(CANCEL, limit)
    except BootloaderError:
        raise
    except Exception:  # noqa: BLE001, S110 - the line is gone or the time is over: the first error tells more
        pass


@dataclass(slots=True)
class _Sender:
    line: Line
    limit: Limit
    on_wire: int = 0
    retries: int = 0
    _cancelled: int = 0
    _words: int | None = None
    _came: bytearray = field(default_factory=bytearray)

    def await_start(self, seconds: float) -> None:
        if self._reply(seconds, {CRC}) is None:
            raise self._error("the receiver does not ask for a file")

    def block(self, number: int, data: bytes) -> None:
        body = packet(number, data)
        self._words = 0
        for turn in range(_TRIES):
            self._write(body)
            # Where the header was damaged, the receiver asks for it by C again.
            refusals = {NAK, CRC} if number == 0 else {NAK}
            reply = self._reply(_REPLY_SECONDS if number else _HEADER_SECONDS, {ACK} | refusals)
            if reply == ACK:
                self.retries += turn
                return
            # A late answer to the first copy must not count for the next block.
            self._drain()
        raise self._error(f"block {number} was refused or not answered {_TRIES} times")

    def end(self) -> None:
        """EOT until it is acknowledged; then an empty name, which ends the batch."""
        for _ in range(_TRIES):
            self._write(bytes([EOT]))
            if self._reply(_REPLY_SECONDS, {ACK, NAK}) == ACK:
                break
        else:
            raise self._error("the end of the file was not acknowledged")
        # The receiver asks for the next file by C at once. Words instead of it are its parting ones. U-Boot has been
        # seen to acknowledge the end twice.
        while self._next(_END_SECONDS) == ACK:
            del self._came[:1]
        if self._next(_END_SECONDS) != CRC:
            return
        del self._came[:1]
        for _ in range(_TRIES):
            self._write(packet(0, b"\0" * _SMALL))
            if not self._asks_again():
                break
        if self._next(0) == ACK:
            del self._came[:1]

    def _asks_again(self) -> bool:
        """Whether the receiver threw the end away and asks for it anew: by C and by nothing else. What it asked by is
        taken away; words, or the acknowledgement that ends it all, stay.
        """
        if self._next(_LAST_SECONDS) != CRC:
            return False
        end = time.monotonic() + _ALONE_SECONDS
        while time.monotonic() < end and all(byte == CRC for byte in self._came):
            self.limit.check(f"sending a file over {self.line.route}")
            self._came += self.line.receive(0.1)
        if any(byte != CRC for byte in self._came):
            return False
        self._came.clear()
        return True

    def behind(self) -> bytes:
        """What came behind the last answer."""
        return bytes(self._came)

    def _next(self, seconds: float) -> int | None:
        """The very next byte, left where it is."""
        end = time.monotonic() + seconds
        while not self._came and time.monotonic() < end:
            self.limit.check(f"sending a file over {self.line.route}")
            self._came += self.line.receive(0.1)
        return self._came[0] if self._came else None

    def _write(self, data: bytes) -> None:
        self.on_wire += len(data)
        self.line.write(data, self.limit)

    def _drain(self) -> None:
        self._came.clear()
        end = time.monotonic() + 2.0
        while (data := self.line.receive(0.05)) and time.monotonic() < end:
            self._hear(data)
            self.limit.check(f"sending a file over {self.line.route}")

    def _hear(self, data: bytes) -> None:
        """A receiver does not talk between blocks. Who talks has left for its prompt, or was restarted: another block
        would be typed there.
        """
        if self._words is not None:
            self._words += sum(byte not in (ACK, NAK, CAN, CRC) for byte in data)
            if self._words > _WORDS:
                raise self._error("the receiver has stopped receiving; it talks instead")

    def _reply(self, seconds: float, wanted: set[int]) -> int | None:
        """The next wanted byte; anything else on the line is noise. Two CAN in a row end the transfer."""
        end = time.monotonic() + seconds
        while True:
            for at, byte in enumerate(self._came):
                self._cancelled = self._cancelled + 1 if byte == CAN else 0
                if self._cancelled >= 2:
                    raise self._error("the receiver gave up")
                if byte in wanted:
                    del self._came[: at + 1]
                    return byte
                self._hear(bytes([byte]))
            self._came.clear()
            left = end - time.monotonic()
            if left <= 0:
                return None
            self.limit.check(f"sending a file over {self.line.route}")
            self._came += self.line.receive(min(0.2, left))

    def _error(self, why: str) -> BootloaderError:
        return BootloaderError(
            f"{self.line.route}: YMODEM: {why}",
            hint="Check the cable and GND; a lower baud rate helps on a long or noisy line.",
            code="uboot.ymodem",
        )
