"""What a wire does to the bytes it carries: lost, changed, late, cut, misread at the wrong speed. Seeded."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

_KERNEL_LINES = (
    "usb 1-1.4: new high-speed USB device number 5 using dwc_otg",
    "brcmfmac: brcmf_cfg80211_set_power_mgmt: power save enabled",
    "random: crng init done",
    "IPv6: ADDRCONF(NETDEV_CHANGE): wlan0: link becomes ready",
    "mmc0: cannot verify signal voltage switch",
)


@dataclass(slots=True)
class Flaws:
    """The faults of one wire; all are off at first. Rates are shares of bytes, `at` positions count from 0 over
    both directions since the fault was set; `delay` is in seconds and concerns what the unit says.
    """

    seed: int = 0
    dead: bool = False
    cut_at: int | None = None
    drop_rate: float = 0.0
    drop_at: int | None = None
    change_rate: float = 0.0
    change_at: int | None = None
    delay: float = 0.0
    kernel_every: int = 0
    overrun_room: int | None = None
    far_baud: int | None = None
    carried: int = 0
    on_line: Callable[[], None] | None = None  # called in the wire's thread for every Enter from the station
    _random: random.Random = field(init=False)
    _until_kernel: int = field(init=False, default=0)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - repeatable, not secret

    def pass_through(self, data: bytes, *, from_unit: bool) -> bytes:
        """Return what is left of bytes that go one way along the wire."""
        with self._lock:
            if self.dead:
                return b""
            start = self.carried
            self.carried += len(data)
            if self.on_line is not None and not from_unit:
                for _ in range(data.count(b"\r") + data.count(b"\n")):
                    self.on_line()
            if self.cut_at is not None and self.carried > self.cut_at:
                data, self.dead = data[: max(0, self.cut_at - start)], True
            if self.change_rate or self.change_at is not None:
                data = self._changed(data, start)
            if self.drop_rate or self.drop_at is not None:
                data = self._thinned(data, start)
            if self.kernel_every and from_unit:
                data = self._interrupted(data)
            return data

    def drop(self, rate: float, at: int | None) -> None:
        """Lose a share of the bytes, or the one byte `at`, counted over both directions from now on."""
        with self._lock:
            self.carried, self.drop_rate, self.drop_at = 0, rate, at

    def change(self, rate: float, at: int | None) -> None:
        """Flip a bit in a share of the bytes, or in the one byte `at`, counted over both directions from now on."""
        with self._lock:
            self.carried, self.change_rate, self.change_at = 0, rate, at

    def cut(self, at: int) -> None:
        """Let the wire die after `at` more bytes, counted over both directions."""
        with self._lock:
            self.carried, self.cut_at = 0, at

    def mend(self) -> None:
        """Join a cut wire again; other flaws stay."""
        with self._lock:
            self.cut_at, self.dead = None, False

    def _hits(self, length: int, start: int, rate: float, at: int | None) -> list[int]:
        hits = []
        if at is not None and start <= at < start + length:
            hits.append(at - start)
        if rate:
            place = int(self._random.expovariate(rate))
            while place < length:
                hits.append(place)
                place += 1 + int(self._random.expovariate(rate))
        return hits

    def _changed(self, data: bytes, start: int) -> bytes:
        changed = bytearray(data)
        for place in self._hits(len(data), start, self.change_rate, self.change_at):
            changed[place] ^= 1 << self._random.randrange(7)
        return bytes(changed)

    def _thinned(self, data: bytes, start: int) -> bytes:
        lost = set(self._hits(len(data), start, self.drop_rate, self.drop_at))
        return bytes(value for place, value in enumerate(data) if place not in lost) if lost else data

    def _interrupted(self, data: bytes) -> bytes:
        """Put a kernel line into what the unit says, as printk does, without regard to lines."""
        if len(data) <= self._until_kernel:
            self._until_kernel -= len(data)
            return data
        place, self._until_kernel = self._until_kernel, self._random.randint(1, 2 * self.kernel_every)
        text = self._random.choice(_KERNEL_LINES)
        line = f"[{self._random.uniform(20, 900):12.6f}] {text}\r\n".encode()
        return data[:place] + line + data[place:]


def misread(data: bytes, sent: int, read: int) -> bytes:
    """Return what a receiver at `read` baud makes of bytes sent at `sent` baud, 8 data bits, no parity, one stop bit.

    The line is sampled as a UART does it: in the middle of each of its own bits after the falling edge. A byte
    without a stop bit (framing error) is delivered, as Linux does when IGNPAR is off and PARMRK too: as NUL.
    """
    if sent == read:
        return data
    levels = [bit for value in data for bit in (0, *(value >> place & 1 for place in range(8)), 1)]
    step = sent / read
    received = bytearray()
    place = 0.0
    while place < len(levels):
        if levels[int(place)]:
            place = float(int(place) + 1)
            continue
        bits = [_level(levels, place + (number + 0.5) * step) for number in range(10)]
        received.append(sum(bit << number for number, bit in enumerate(bits[1:9])) if bits[9] else 0)
        place += 9.5 * step
    return bytes(received)


def _level(levels: list[int], place: float) -> int:
    index = int(place)
    return levels[index] if index < len(levels) else 1
