"""One card: cleared, written, read back, and only then given the first block that makes it a card of anything.

Cut at any moment, the card holds what it held before, or zeros where boot sector, partition table, their backup and
boot loaders lie (so nothing of the old or the new unit can be found on it by a system that starts), or all of the new.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from factory.files import FileError
from factory.flashing.card.buffers import Block, Ring
from factory.flashing.card.filling import Filler
from factory.flashing.card.layout import FIRST, Layout
from factory.flashing.card.medium import Medium
from factory.flashing.card.source import Reader
from factory.flashing.card.unpack import DamagedImage
from factory.flashing.errors import FlashError
from factory.units.deadline import Cancelled

_CANCELLED = "The card holds no partition table and no identity. Write it again."


class Holds(StrEnum):
    """What lies on a card after all that was done to it."""

    BEFORE = "before"  # nothing was written
    NOTHING = "nothing"  # no table, no boot sector: no identity that could be found
    NEW = "new"  # all of the image, read back
    UNKNOWN = "unknown"  # pulled or broken at a moment that leaves it open: write it again


@dataclass(frozen=True, slots=True)
class Piece:
    """A written block: its place, and a sum that tells where a difference lies."""

    offset: int
    length: int
    sum: int


@dataclass(frozen=True, slots=True)
class Stage:
    """How far one card is: `phase` is `write` or `read`, in bytes; `total` None where only unpacking tells."""

    phase: str
    done: int
    total: int | None


class Writing:
    """The work on one card. `holds` is true at every moment, also after an error; `done` is how many bytes were taken
    from the sources, `read_back` the way of reading back and `found` the SHA-256 of what was found over `ranges`.
    """

    def __init__(
        self, medium: Medium, layout: Layout, *, cancel: threading.Event, progress: Callable[[Stage], None]
    ) -> None:
        self._medium, self._layout, self._cancel, self._progress = medium, layout, cancel, progress
        self._zones = [mmap.mmap(-1, end - start) for start, end in layout.zones]
        self._pieces: list[Piece] = []
        self._sum = hashlib.sha256()
        self.holds = Holds.BEFORE
        self.done = 0
        self.read_back = self.found = ""

    def run(self) -> None:
        """Do all of it. Raises FlashError, DamagedImage, FileError and Cancelled; `holds` says what is left."""
        try:
            self.holds = Holds.UNKNOWN
            self._clear()
            self.holds = Holds.NOTHING
            self._write()
            self._verify()
            self._check()
            self.holds = Holds.UNKNOWN
            self._complete()
            self._medium.require_same()
            self.holds = Holds.NEW
        except BaseException:
            if self.holds is Holds.UNKNOWN:
                with contextlib.suppress(FlashError):
                    self._medium.require_same()  # never another card that came in the meantime
                    self._clear()
                    self.holds = Holds.NOTHING
            raise

    @property
    def ranges(self) -> tuple[tuple[int, int], ...]:
        """What was written, as (offset, length), ascending; ranges that touch are one."""
        found: list[tuple[int, int]] = []
        for piece in self._pieces:
            if found and sum(found[-1]) == piece.offset:
                found[-1] = (found[-1][0], found[-1][1] + piece.length)
            else:
                found.append((piece.offset, piece.length))
        return tuple(found)

    @property
    def digest(self) -> str:
        """SHA-256 of what was written over `ranges`."""
        return self._sum.hexdigest()

    def _clear(self) -> None:
        """Zeros where a system would look for a table or a boot sector, the first block first; read back."""
        zeros = [mmap.mmap(-1, end - start) for start, end in self._layout.zones]
        start, _ = self._layout.zones[0]
        self._medium.write(start, memoryview(zeros[0])[:FIRST])
        self._medium.sync()
        for zone, (start, _) in zip(zeros, self._layout.zones, strict=True):
            self._medium.write(start, memoryview(zone))
        self._compare_zones(zeros)

    def _write(self) -> None:
        ring = Ring()
        blocks = ring.blocks(lambda: self._fill(ring))
        with ThreadPoolExecutor(1, thread_name_prefix="card-sum") as summing, contextlib.closing(blocks):
            for block in blocks:
                self._check()
                summed = summing.submit(self._sum.update, block.data)
                try:
                    self._put(block)
                finally:
                    summed.result()  # before the buffer goes back
                self.done += len(block.data)
                self._progress(Stage("write", self.done, self._layout.total))

    def _put(self, block: Block) -> None:
        """Onto the card, or into memory where it lies in what is written last."""
        zone = self._layout.zone_of(block.offset)
        if zone is None:
            self._medium.write(block.offset, block.data)
            return
        at = block.offset - self._layout.zones[zone][0]
        memoryview(self._zones[zone])[at : at + len(block.data)] = block.data

    def _fill(self, ring: Ring) -> None:
        """Runs in the ring's thread: from the sources into its buffers."""
        filler = Filler(ring, self._layout, self._medium, self._note)
        with contextlib.ExitStack() as stack:
            readers: dict[int, Reader] = {}
            for extent in self._layout.extents:
                if id(extent.source) not in readers:
                    readers[id(extent.source)] = stack.enter_context(extent.source.open())
            try:
                for extent in self._layout.extents:
                    filler.copy(extent, readers[id(extent.source)])
                filler.flush()
                sizes = [reader.finish() for reader in readers.values()]
            except OSError as error:
                message = f"an image cannot be read: {error.strerror or error}"
                raise FileError(message, hint="Look at the disk that it lies on.") from error
        if sizes and max(sizes) < self._layout.needs:
            message = f"the image is cut: it has {max(sizes)} bytes, and its partitions end at {self._layout.needs}"
            raise DamagedImage(message, hint="Copy or build the image again.")

    def _note(self, offset: int, data: memoryview) -> None:
        from isal import isal_zlib

        self._pieces.append(Piece(offset, len(data), isal_zlib.crc32(data)))

    def _body(self) -> list[Piece]:
        return [piece for piece in self._pieces if self._layout.zone_of(piece.offset) is None]

    def _verify(self) -> None:
        """Read everything back but what comes last, and hold it against what was sent."""
        from isal import isal_zlib

        body = self._body()
        self.read_back = self._medium.uncache((piece.offset, piece.length) for piece in body)
        found, done = hashlib.sha256(), 0
        whole = sum(piece.length for piece in body)
        for data in self._kept(lambda place: bool(body) and place < body[0].offset):
            found.update(data)
        ring = Ring()
        with contextlib.closing(ring.blocks(lambda: self._refill(ring, body))) as blocks:
            for piece, block in zip(body, blocks, strict=True):
                self._check()
                found.update(block.data)
                if len(block.data) != piece.length or isal_zlib.crc32(block.data) != piece.sum:
                    raise self._mismatch(piece.offset)
                done += piece.length
                self._progress(Stage("read", done, whole))
        for data in self._kept(lambda place: not body or place > body[0].offset):
            found.update(data)
        if found.digest() != self._sum.digest():
            raise self._mismatch(0)
        self.found = found.hexdigest()

    def _refill(self, ring: Ring, body: list[Piece]) -> None:
        for piece in body:
            buffer = ring.take()
            ring.give(piece.offset, buffer, self._medium.read(piece.offset, buffer[: piece.length]))

    def _kept(self, wanted: Callable[[int], bool]) -> Iterator[memoryview]:
        """The pieces that come last, from memory, in ascending order."""
        for piece in self._pieces:
            zone = self._layout.zone_of(piece.offset)
            if zone is not None and wanted(piece.offset):
                at = piece.offset - self._layout.zones[zone][0]
                yield memoryview(self._zones[zone])[at : at + piece.length]

    def _complete(self) -> None:
        """Write what was held back, the very first block last of all, and read it back."""
        start = self._layout.zones[0][0]
        for zone, (begin, _) in reversed(list(zip(self._zones, self._layout.zones, strict=True))):
            skip = FIRST if begin == start else 0
            self._medium.write(begin + skip, memoryview(zone)[skip:])
        self._medium.sync()
        self._medium.write(start, memoryview(self._zones[0])[:FIRST])
        self._compare_zones(self._zones)

    def _compare_zones(self, expected: list[mmap.mmap]) -> None:
        self._medium.uncache((start, end - start) for start, end in self._layout.zones)
        for zone, (start, end) in zip(expected, self._layout.zones, strict=True):
            with mmap.mmap(-1, end - start) as found, memoryview(found) as view:
                if self._medium.read(start, view) != end - start or found[:] != zone[:]:
                    raise self._mismatch(start)

    def _check(self) -> None:
        if self._cancel.is_set():
            raise Cancelled(f"{self._medium.name}: called off", hint=_CANCELLED)
        self._medium.require_same()

    def _mismatch(self, offset: int) -> FlashError:
        message = f"{self._medium.name} does not hold what was written to it, at or after byte {offset}"
        hint = "Throw the card away. If others fail too, look at the reader, its cable and its supply."
        return FlashError(message, hint=hint, code="card.mismatch")
