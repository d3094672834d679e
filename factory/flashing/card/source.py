"""What is written onto a card: image files of any packing, with or without a block map, and images in memory."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from factory.files import FileError
from factory.flashing.card.disk import CardRefused
from factory.flashing.card.unpack import DamagedImage, Unpacked, packing

_CACHED = 2 * 1024 * 1024
_PIECE = 1024 * 1024
_HINT = "Copy or build the image again, with its block map."


class Reader(Protocol):
    """An open source. Places only ever go up."""

    def read_into(self, at: int, view: memoryview) -> int:
        """Bytes from place `at` on; fewer at the end only. Raises DamagedImage."""

    def finish(self) -> int:
        """Read what is left, so that every checksum has been compared; the size of the whole. Raises DamagedImage."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """One range of a block map: its place and length in bytes, and its SHA-256 where the map has one."""

    offset: int
    length: int
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """An image. `size` in bytes, unpacked, None where only unpacking tells; `ranges` are all that has to be written,
    None for everything; `opened` opens it plainly, without its block map.
    """

    name: str
    size: int | None
    ranges: tuple[Mapped, ...] | None
    opened: Callable[[], contextlib.AbstractContextManager[Reader]] = field(repr=False)

    @contextlib.contextmanager
    def open(self) -> Iterator[Reader]:
        """Open it so that the block map's checksums are compared while reading."""
        with self.opened() as reader:
            yield reader if self.ranges is None else MappedReader(reader, self.ranges, self.size or 0, self.name)

    @contextlib.contextmanager
    def looked_into(self) -> Iterator[Callable[[int, int], bytes]]:
        """A function that reads bytes at any place, for the few that a partition table takes."""
        with contextlib.ExitStack() as stack:
            reader = stack.enter_context(self.opened())
            head = bytearray(_CACHED)
            held = reader.read_into(0, memoryview(head))
            last = held

            def read(at: int, length: int) -> bytes:
                nonlocal reader, last
                if at + length <= held or held < len(head):
                    return bytes(head[at : min(at + length, held)])
                if at < last:  # tables lie in ascending order, nearly always
                    reader = stack.enter_context(self.opened())
                found = bytearray(length)
                got = reader.read_into(at, memoryview(found))
                last = at + got
                return bytes(found[:got])

            yield read


class MappedReader:
    """Reads the ranges of a block map and compares the checksum of each as it ends, whoever asks for which part."""

    def __init__(self, reader: Reader, ranges: Sequence[Mapped], size: int, name: str) -> None:
        self._reader, self._ranges, self._size, self._name = reader, ranges, size, name
        self._index, self._at = 0, 0
        self._sum = hashlib.sha256()

    def read_into(self, at: int, view: memoryview) -> int:
        """Bytes from within a range, not beyond its end."""
        self._advance(at)
        one = self._ranges[self._index]
        return self._take(view[: one.offset + one.length - self._at])

    def finish(self) -> int:
        """Compare the rest."""
        self._advance(self._size)
        return self._size

    def _advance(self, at: int) -> None:
        """Go on to a place, reading what lies in ranges on the way."""
        scratch = memoryview(bytearray(_PIECE))
        while self._index < len(self._ranges):
            one = self._ranges[self._index]
            self._at = max(self._at, one.offset)
            if self._at >= at:
                return
            self._take(scratch[: min(at, one.offset + one.length) - self._at])

    def _take(self, view: memoryview) -> int:
        one = self._ranges[self._index]
        got = self._reader.read_into(self._at, view)
        if got < len(view):
            raise DamagedImage(f"{self._name} ends at byte {self._at + got}, within its block map", hint=_HINT)
        self._sum.update(view)
        self._at += got
        if self._at == one.offset + one.length:
            if one.sha256 is not None and self._sum.hexdigest() != one.sha256:
                message = f"{self._name}: bytes {one.offset} to {self._at} are not what its block map says"
                raise DamagedImage(message, hint=_HINT, code="card.checksum")
            self._index, self._sum = self._index + 1, hashlib.sha256()
        return got


class FileReader:
    """A file as it lies; its holes are zeros."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read_into(self, at: int, view: memoryview) -> int:
        """Bytes at a place."""
        done = 0
        while done < len(view) and (got := os.preadv(self._descriptor, [view[done:]], at + done)):
            done += got
        return done

    def finish(self) -> int:
        """Its size."""
        return os.fstat(self._descriptor).st_size


class PackedReader:
    """A packed file."""

    def __init__(self, stream: Unpacked) -> None:
        self._stream = stream

    def read_into(self, at: int, view: memoryview) -> int:
        """Bytes at a place behind the last one."""
        self._skip(at)
        return self._stream.read_into(view) if self._stream.position == at else 0

    def finish(self) -> int:
        """Unpack the rest, which compares the packing's own checksum."""
        self._skip(None)
        return self._stream.position

    def _skip(self, at: int | None) -> None:
        scratch = memoryview(bytearray(_PIECE))
        while at is None or self._stream.position < at:
            left = _PIECE if at is None else min(_PIECE, at - self._stream.position)
            if self._stream.read_into(scratch[:left]) < left:
                return


class MemoryReader:
    """Ranges in memory."""

    def __init__(self, parts: Sequence[tuple[int, bytes]], size: int) -> None:
        self._parts, self._size, self._index = parts, size, 0

    def read_into(self, at: int, view: memoryview) -> int:
        """Bytes of the part that holds this place; no further than its end."""
        while at >= self._parts[self._index][0] + len(self._parts[self._index][1]):
            self._index += 1
        offset, data = self._parts[self._index]
        got = min(len(view), offset + len(data) - at)
        view[:got] = data[at - offset : at - offset + got]
        return got

    def finish(self) -> int:
        """The size of the whole."""
        return self._size


def in_memory(name: str, size: int, parts: Sequence[tuple[int, bytes]]) -> Source:
    """An image whose parts (place, bytes; ascending) are all that matters of its `size` bytes."""
    filled = [part for part in parts if part[1]]
    ranges = tuple(Mapped(offset, len(data)) for offset, data in filled)
    return Source(name, size, ranges, lambda: contextlib.nullcontext(MemoryReader(filled, size)))


def image_file(path: Path, ranges: tuple[Mapped, ...] | None = None, mapped_size: int | None = None) -> Source:
    """An image file; `ranges` and `mapped_size` are from its block map. Raises FileError and CardRefused."""
    with _opened(path) as descriptor:
        size: int | None = os.fstat(descriptor).st_size
        engine = packing(os.pread(descriptor, 16, 0), str(path))
    if size == 0:
        raise CardRefused(f"{path} is empty", hint=_HINT, code="card.source")
    if engine is not None:
        size = mapped_size
    elif mapped_size is not None and size != mapped_size:
        message = f"{path} has {size} bytes, and its block map is for {mapped_size}"
        raise CardRefused(message, hint=_HINT, code="card.source")

    @contextlib.contextmanager
    def opened() -> Iterator[Reader]:
        with _opened(path) as descriptor:
            yield FileReader(descriptor) if engine is None else PackedReader(Unpacked(descriptor, engine, str(path)))

    return Source(str(path), size, ranges, opened)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        if not path.is_file():
            raise FileError(f"there is no image file {path}", hint="Check the path.")
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        message = f"cannot read {path}: {error.strerror or type(error).__name__}"
        raise FileError(message, hint="Check the path and its rights.") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)
