"""Typing no faster than a unit listens: short bursts, each awaited by its echo, as long as the line loses bytes.

A receiver with a small FIFO and no flow control loses what comes while it is busy. What it has heard, its terminal
echoes at once: so the echo measures the loss, and the burst that comes through is found and not guessed.
"""

from __future__ import annotations

import time

from factory.units.console import Console
from factory.units.deadline import Deadline
from factory.units.protocol import Transcript

LONGEST = 512  # bytes: from here on a burst is as good as none
_FIRST = 64
_LEAST = 8
_STEADY = 12  # bursts in a row that came through before a longer one is tried
_FORGIVE = 400  # bursts in a row that came through before a length that failed is tried again
_ECHO_WAIT = 0.5  # seconds for the first echoes; later a multiple of what they took
_DEAF = 6  # bursts without any echo after which none is expected
_DEAF_WAIT = 0.02


class Pace:
    """How fast one unit can be typed at. Free at first; `lost` begins pacing, and good bursts end it again."""

    def __init__(self, console: Console, transcript: Transcript) -> None:
        self._console = console
        self._transcript = transcript
        self._failed = 2 * LONGEST  # the shortest burst that was lost of late
        self._good = 0
        self._missed = 0
        self._echo_time = 0.0  # the longest that an echo took; 0 before the first
        self.burst = 0
        self.losses = 0

    @property
    def paced(self) -> bool:
        """True while bursts are awaited by their echo; the unit's terminal must echo then."""
        return self.burst > 0

    def lost(self) -> bool:
        """Something typed did not arrive. True when pacing begins with this: then the echo has to be turned on."""
        if self.paced:
            if self._deaf:
                self._shrink()  # otherwise the echo has told already
            return False
        self.burst, self._good, self._missed = _FIRST, 0, 0
        self._transcript.note(f"what is typed gets lost: bursts of {self.burst} bytes, each awaited by its echo")
        return True

    def free(self) -> bool:
        """End pacing where the longest bursts come through; True when it ends: the echo can be turned off."""
        if self.burst < LONGEST or self._good < _STEADY:
            return False
        self.burst = 0
        self._transcript.note("what is typed arrives: no more bursts")
        return True

    def write(self, data: bytes, deadline: Deadline) -> None:
        """Type data, in bursts where that is needed. Raises as Console.write."""
        if not self.paced:
            self._console.write(data, deadline)
            return
        for line in data.splitlines(keepends=True):
            rest = line
            while rest:
                burst, rest = rest[: self.burst], rest[self.burst :]
                if self._echoed(burst, deadline):
                    self._grow()
                elif not self._deaf:
                    self._shrink()

    @property
    def _deaf(self) -> bool:
        """True where no echo ever came: the terminal has none, and all that is left is to give the unit time."""
        return not self._echo_time and self._missed >= _DEAF

    def _echoed(self, burst: bytes, deadline: Deadline) -> bool:
        """Type one burst and wait for its echo, which is taken out of what came."""
        console = self._console
        kept = bytes(console.pending)
        console.clear()
        began = time.monotonic()
        console.write(burst, deadline)
        wait = Deadline(self._patience(len(burst)), cancel=deadline.cancel)
        while (rest := _without(bytes(console.pending), burst)) is None and not wait.expired:
            deadline.check(f"waiting for an echo on {console.route}")
            console.receive(min(wait.left, deadline.left))
        if rest is not None:
            self._echo_time = max(self._echo_time, time.monotonic() - began)
            self._missed = 0
        elif not self._echo_time:
            self._missed += 1
        console.pending[:] = kept + (bytes(console.pending) if rest is None else rest)
        return rest is not None

    def _patience(self, size: int) -> float:
        wire = 20 * size / self._console.baud
        if self._echo_time:
            return wire + min(2.0, 0.05 + 4 * self._echo_time)
        return wire + (_DEAF_WAIT if self._deaf else _ECHO_WAIT)

    def _grow(self) -> None:
        self._good += 1
        if self._good % _FORGIVE == 0:
            self._failed = 2 * LONGEST
        if self._good % _STEADY == 0:
            self.burst = min(LONGEST, 2 * self.burst, max(self.burst, (self.burst + self._failed) // 2 // 4 * 4))

    def _shrink(self) -> None:
        self.losses += 1
        self._failed = max(2 * _LEAST, min(self._failed, self.burst))
        self._good = 0
        self.burst = max(_LEAST, self.burst // 2)


def _without(came: bytes, burst: bytes) -> bytes | None:
    """What came without the echo of `burst`, whose bytes may stand apart; None where the echo is not whole."""
    echo = burst.replace(b"\r", b"")
    rest = bytearray()
    at = 0
    for byte in came:
        if at < len(echo) and byte == echo[at]:
            at += 1
        else:
            rest.append(byte)
    return bytes(rest) if at == len(echo) else None
