"""A console: bytes in, bytes out over a serial port, with a bounded buffer and a transcript."""

from __future__ import annotations

import re
import select
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from factory.secrets import Redactor
from factory.units.deadline import Deadline
from factory.units.ports import open_port
from factory.units.protocol import NullTranscript, Transcript, UnitGone

if TYPE_CHECKING:
    import serial

    from factory.config import SerialSection

BUFFER_LIMIT = 128 * 1024
_PIECE = 64 * 1024
_WAKE = 0.2  # seconds between two looks at the cancel flag


class Console:
    """One open serial port. What came and is not yet taken waits in `pending`, at most BUFFER_LIMIT bytes of it:
    of endless noise only the newest part is kept. One Console belongs to one thread.
    """

    def __init__(self, port: serial.SerialBase, name: str, transcript: Transcript, baud: int = 115200) -> None:
        self._port = port
        self._name = name
        self._transcript = transcript
        self._poll = select.poll()
        self._fd = port.fileno()
        self.baud = baud
        self.pending = bytearray()
        self.total = 0
        self.heard = time.monotonic()
        self.raw_transcript = True
        self._typed = Redactor()

    @classmethod
    def open(cls, section: SerialSection, transcript: Transcript | None = None) -> Console:
        """Open the section's port exclusively. Raises UnitError (see `open_port`)."""
        return cls(open_port(section), section.port, transcript or NullTranscript(), section.baud)

    @property
    def route(self) -> str:
        """`serial:` and the port as the bench file names it."""
        return f"serial:{self._name}"

    def conceal(self, secret: str) -> None:
        """Keep a secret that is about to be typed out of every message: a console may echo it."""
        self._typed.add(secret)

    def without_secrets(self, data: bytes) -> bytes:
        """`data` as it may stand in a message: what `conceal` was told is masked."""
        whole = Redactor(self._typed.secrets)
        return whole.feed(data) + whole.flush()

    def receive(self, seconds: float, *, cancel: Deadline | None = None) -> bytes:
        """Wait at most `seconds` for bytes; return what came and keep it in `pending` too. Raises UnitGone."""
        end = time.monotonic() + seconds
        while True:
            wait = max(0.0, min(_WAKE, end - time.monotonic()))
            data = self._take(self._wait(select.POLLIN, wait))
            if data or time.monotonic() >= end:
                return data
            if cancel is not None:
                cancel.check(f"listening to {self.route}")

    def write(self, data: bytes, deadline: Deadline, *, shown: str | None = None) -> None:
        """Send all of `data`, reading meanwhile so that neither side's buffer fills up. `shown` replaces it in the
        transcript. Raises UnitGone, DeadlineExpired, Cancelled.
        """
        if shown is not None:
            self._transcript.note(shown)
        elif self.raw_transcript:
            self._transcript.sent(data)
        view = memoryview(data)
        while view:
            events = self._wait(select.POLLIN | select.POLLOUT, _WAKE)
            self._take(events)
            if events & select.POLLOUT:
                view = view[self._send(view[:4096]) :]
            else:
                deadline.check(f"sending to {self.route}")

    def expect(self, patterns: Sequence[re.Pattern[bytes]], deadline: Deadline) -> tuple[int, re.Match[bytes]]:
        """Wait until one of the patterns is in `pending`; take everything up to its end.

        Returns the pattern's index and the match, the earliest in the stream. Raises as `receive`, and
        DeadlineExpired or Cancelled.
        """
        while True:
            found = [(match.start(), index, match) for index, match in self._search(patterns)]
            if found:
                _, index, match = min(found, key=lambda item: item[:2])
                del self.pending[: match.end()]
                return index, match
            deadline.check(f"waiting for an answer on {self.route}")
            self.receive(deadline.slice(_WAKE))

    def line(self, limit: int = BUFFER_LIMIT // 2) -> bytes | None:
        """Take one whole line without its end from `pending`, or None. A line beyond `limit` is dropped: nothing
        that we ask for is that long.
        """
        end = self.pending.find(b"\n")
        if end < 0:
            if len(self.pending) > limit:
                del self.pending[:-limit]
            return None
        content = bytes(self.pending[:end])
        del self.pending[: end + 1]
        return content.rstrip(b"\r")

    def clear(self) -> None:
        """Forget what waits in `pending`."""
        self.pending.clear()

    def close(self) -> None:
        """Close the port; safe to call twice."""
        self._port.close()

    def _search(self, patterns: Sequence[re.Pattern[bytes]]) -> list[tuple[int, re.Match[bytes]]]:
        content = bytes(self.pending)
        tries = [(index, pattern.search(content)) for index, pattern in enumerate(patterns)]
        return [(index, match) for index, match in tries if match is not None]

    def _wait(self, events: int, seconds: float) -> int:
        try:
            self._poll.register(self._fd, events)
            ready = self._poll.poll(seconds * 1000)
        except (OSError, ValueError) as error:
            raise self._gone(error) from error
        return ready[0][1] if ready else 0

    def _take(self, events: int) -> bytes:
        if not events & (select.POLLIN | select.POLLHUP | select.POLLERR | select.POLLNVAL):
            return b""
        try:
            data = self._port.read(_PIECE)
        except (OSError, TypeError) as error:  # a port closed under pyserial's hands shows as TypeError
            raise self._gone(error) from error
        if not data and events & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
            raise self._gone(None)
        if data:
            self._keep(data)
        return data

    def _keep(self, data: bytes) -> None:
        self.heard = time.monotonic()
        self.total += len(data)
        self.pending += data
        if len(self.pending) > BUFFER_LIMIT:
            del self.pending[:-BUFFER_LIMIT]
        if self.raw_transcript:
            self._transcript.received(data)

    def _send(self, data: memoryview) -> int:
        try:
            return self._port.write(data) or 0
        except (OSError, TypeError) as error:
            raise self._gone(error) from error

    def _gone(self, error: Exception | None) -> UnitGone:
        reason = f": {error}" if error else ""
        return UnitGone(
            f"{self.route} vanished while in use{reason}",
            hint="Was the cable or the adapter pulled? Plug it in again and start the unit anew.",
        )
