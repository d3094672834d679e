"""The wire between a station's serial port and a unit's: two lanes that carry bytes at the speed of a UART."""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque

from factory.rehearsal.ends import PtyEnd
from factory.rehearsal.flaws import Flaws, misread
from factory.rehearsal.softtty import LineEnd, SocketEnd

End = PtyEnd | SocketEnd | LineEnd
BITS_PER_BYTE = 10  # start bit, 8 data bits, stop bit
_SLICE = 0.008  # seconds of traffic that travel together
_LOOK_AGAIN = 0.1  # seconds between looks at an end that nobody has open
_UNPACED = 65536


class _Lane:
    """One direction. Bytes leave the source, take their time, and arrive at the sink when they are due."""

    def __init__(self, source: End, sink: End, flaws: Flaws, *, from_unit: bool) -> None:
        self.source, self.sink = source, sink
        self._flaws = flaws
        self._from_unit = from_unit
        self._free_at = 0.0
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._refused = b""  # delivered, but the sink had no room yet
        self.idle = True  # the source had nothing when last asked
        self.blocked = False  # the sink has no room
        self.absent = False  # nobody has the source open

    def step(self, now: float, rate: float | None) -> float | None:
        """Deliver what is due and take what fits; the time at which there is something to do again, if known."""
        while True:
            self._deliver(now)
            if self.blocked:
                return None
            if now < self._free_at:
                return min(self._free_at, self._waiting[0][0]) if self._waiting else self._free_at
            if not self._take(now, rate):
                return self._waiting[0][0] if self._waiting else None

    def _take(self, now: float, rate: float | None) -> bool:
        most = _UNPACED if rate is None else max(1, int(rate * _SLICE))
        if self._room is not None and rate is not None:
            most = max(1, min(most, self._room // 2))  # a FIFO fills up byte by byte
        data = self.source.read(most)
        self.absent = data is None
        if not data:
            self.idle = True
            return False
        # A lane that was busy goes on where it left off, so that a late thread catches up; an idle one starts now.
        start = now if self.idle else self._free_at
        self.idle = False
        self._free_at = start if rate is None else start + len(data) / rate
        data = self._flaws.pass_through(data, from_unit=self._from_unit)
        if data:
            delay = self._flaws.delay if self._from_unit else 0.0
            self._waiting.append((self._free_at + delay, data))
        return True

    @property
    def _room(self) -> int | None:
        """The size of the receiver's FIFO where that is small: the unit's, not that of the station's adapter."""
        return None if self._from_unit else self._flaws.overrun_room

    def _read_by_sink(self, data: bytes) -> bytes:
        far = self._flaws.far_baud
        if far is None:
            return data
        near = (self.sink if self._from_unit else self.source).speed()
        if near in (far, 0):
            return data
        return misread(data, far, near) if self._from_unit else misread(data, near, far)

    def _deliver(self, now: float) -> None:
        if self._refused:
            self._refused = self._refused[self.sink.write(self._refused) :] if self.sink.attached() else b""
        self.blocked = bool(self._refused)
        while not self.blocked and self._waiting and self._waiting[0][0] <= now:
            data = self._waiting.popleft()[1]
            if not self.sink.attached():
                continue  # said into the void
            data = self._read_by_sink(data)
            room = self._room
            if room is not None and self.sink.unread() + len(data) > room:
                data = data[: max(0, room - self.sink.unread())]  # the receiver's FIFO was full
            taken = self.sink.write(data)
            if taken < len(data):
                self._refused = data[taken:]
                self.blocked = True
                return


class Wire:
    """Relays between the `near` end (the station) and the `far` end (the unit) in a thread of its own.

    `baud` paces both directions at baud/10 bytes a second, measured against the monotonic clock without drift;
    None carries as fast as it can. `flaws` may be changed while the wire works.
    """

    def __init__(self, near: End, far: End, *, baud: int | None = 115200, flaws: Flaws | None = None) -> None:
        self.flaws = flaws if flaws is not None else Flaws()
        self._rate = None if baud is None else baud / BITS_PER_BYTE
        self._lanes = (
            _Lane(near, far, self.flaws, from_unit=False),
            _Lane(far, near, self.flaws, from_unit=True),
        )
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._woken, False)
        self._stop = False
        self._thread = threading.Thread(target=self._run, name="wire", daemon=True)

    def start(self) -> None:
        """Begin to carry."""
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether the wire carries."""
        return self._thread.is_alive()

    def poke(self) -> None:
        """Look at the ends at once: one of them has just been opened."""
        os.write(self._wake, b"!")

    def close(self) -> None:
        """Stop carrying and end the thread. The ends stay open; they belong to who made them."""
        self._stop = True
        self.poke()
        if self._thread.ident is not None:
            self._thread.join()
        os.close(self._wake)
        os.close(self._woken)

    def _run(self) -> None:
        while not self._stop:
            now = time.monotonic()
            times = [when for lane in self._lanes if (when := lane.step(now, self._rate)) is not None]
            if any(lane.absent for lane in self._lanes):
                times.append(now + _LOOK_AGAIN)
            timeout = max(0.0, min(times) - time.monotonic()) * 1000 if times else None
            self._wait(timeout)

    def _wait(self, timeout: float | None) -> None:
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        masks: dict[int, int] = {}
        for lane in self._lanes:
            if lane.blocked:
                if lane.sink.attached():
                    masks[lane.sink.fileno()] = masks.get(lane.sink.fileno(), 0) | select.POLLOUT
            elif lane.idle and not lane.absent:
                masks[lane.source.fileno()] = masks.get(lane.source.fileno(), 0) | select.POLLIN
        for descriptor, mask in masks.items():
            poll.register(descriptor, mask)
        for descriptor, _ in poll.poll(timeout):
            if descriptor == self._woken:
                os.read(self._woken, 4096)
