"""From images into buffers: neighbours share one, and the end of a run is filled up to a whole sector."""

from __future__ import annotations

from collections.abc import Callable

from factory.flashing.card.buffers import SIZE, Ring
from factory.flashing.card.layout import Extent, Layout
from factory.flashing.card.medium import Medium
from factory.flashing.card.source import Reader
from factory.flashing.card.unpack import DamagedImage
from factory.flashing.errors import FlashError


class Filler:
    """Copies extents; `noted` is told of every piece before it is handed over."""

    def __init__(self, ring: Ring, layout: Layout, medium: Medium, noted: Callable[[int, memoryview], None]) -> None:
        self._ring, self._layout, self._medium, self._noted = ring, layout, medium, noted
        self._buffer: memoryview | None = None
        self._spare: memoryview | None = None
        self._start = self._used = self._room = 0

    def copy(self, extent: Extent, reader: Reader) -> None:
        """Copy one extent. Raises FlashError (`card.full`) for what lies behind the end of the card."""
        if self._start + self._used != extent.offset:
            self.flush()
        offset, left = extent.offset, extent.length
        while left is None or left > 0:
            if self._buffer is None and not self._begins(offset, extent, reader):
                break
            assert self._buffer is not None
            end = self._room if left is None else min(self._room, self._used + left)
            got = reader.read_into(extent.at + offset - extent.offset, self._buffer[self._used : end])
            if got == 0:
                if extent.source.size is not None:
                    message = f"{extent.source.name} became shorter while it was read"
                    raise DamagedImage(message, hint="Copy or build the image again.")
                break
            self._used, offset = self._used + got, offset + got
            left = None if left is None else left - got
            if self._used == self._room:
                self.flush()

    def flush(self) -> None:
        """Hand over what is in the buffer."""
        if self._buffer is None:
            return
        if self._used == 0:
            self._buffer, self._spare = None, self._buffer
            return
        length = self._used + -self._used % self._medium.sector
        self._buffer[self._used : length] = bytes(length - self._used)
        self._noted(self._start, self._buffer[:length])
        self._ring.give(self._start, self._buffer, length)
        self._buffer, self._start, self._used = None, self._start + self._used, 0

    def _begins(self, offset: int, extent: Extent, reader: Reader) -> bool:
        """Take a buffer for what comes at `offset`; False where the source ends exactly at the end of the card."""
        if offset >= self._medium.size:
            if not reader.read_into(extent.at + offset - extent.offset, memoryview(bytearray(1))):
                return False
            message = f"{self._medium.name} has {self._medium.size} bytes, and the image is larger"
            raise FlashError(message, hint="Take a larger card, or a smaller image.", code="card.full")
        self._buffer, self._spare = self._spare or self._ring.take(), None
        self._start, self._used = offset, 0
        self._room = min(self._layout.room(offset, SIZE), self._medium.size - offset)
        return True
