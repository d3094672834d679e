"""A sparse image in memory: the blocks that hold anything, and the size of the whole."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Self

from factory.images.errors import ImageError

BLOCK = 4096
_AT_ONCE = 256
_RANGE = struct.Struct("<QQ")
_PLACE = struct.Struct("<Q")
_HEAD = struct.Struct("<QI")


@dataclass(frozen=True, slots=True)
class Sparse:
    """`ranges` are (offset, bytes) in ascending order, one per block of 4096 bytes that is not all zeros, so that units
    share the blocks that do not differ. `size` is that of the whole, in bytes. `known` is its payload hash where the
    maker has worked it out.
    """

    size: int
    ranges: tuple[tuple[int, bytes], ...] = field(repr=False)
    known: str = field(default="", repr=False, compare=False)

    @property
    def payload(self) -> str:
        """SHA-256 over the size and, for every block that holds anything, its place and its own digest: the image's
        hash without its zeros, as hex. By blocks, so that those that all units share are hashed once.
        """
        return self.known or payload_of(
            self.size,
            ((offset, digest_of(data)) for offset, data in self.ranges),
        )

    def write(self, stream: BinaryIO) -> None:
        """Write it to an empty file, leaving holes where the zeros are. Raises OSError."""
        descriptor = stream.fileno()
        os.ftruncate(descriptor, self.size)
        run: list[bytes] = []
        start = end = 0
        for offset, data in self.ranges:
            if offset != end or len(run) == _AT_ONCE:
                _write_run(descriptor, run, start)
                run, start = [], offset
            run.append(data)
            end = offset + len(data)
        _write_run(descriptor, run, start)

    def whole(self) -> bytes:
        """All its bytes, zeros too."""
        data = bytearray(self.size)
        for offset, part in self.ranges:
            data[offset : offset + len(part)] = part
        return bytes(data)

    def read_at(self, at: int, length: int) -> bytes:
        """Bytes of the whole image, less than `length` at its end."""
        end = min(at + length, self.size)
        data = bytearray(max(end - at, 0))
        for offset, part in self.ranges:
            start, stop = max(offset, at), min(offset + len(part), end)
            if start < stop:
                data[start - at : stop - at] = part[start - offset : stop - offset]
        return bytes(data)

    def encoded(self) -> bytes:
        """Size, count, and each range with its place: the form inside a container."""
        pieces = [_HEAD.pack(self.size, len(self.ranges))]
        for offset, data in self.ranges:
            pieces += (_RANGE.pack(offset, len(data)), data)
        return b"".join(pieces)

    @classmethod
    def decoded(cls, data: bytes, place: str) -> Self:
        """Back from that form. Raises ImageError."""
        try:
            size, count = _HEAD.unpack_from(data)
            at, ranges = _HEAD.size, []
            for _ in range(count):
                offset, length = _RANGE.unpack_from(data, at)
                at += _RANGE.size + length
                if at > len(data) or offset + length > size:
                    raise ImageError(f"{place}: a range of the image is cut")
                ranges.append((offset, data[at - length : at]))
        except struct.error as error:
            raise ImageError(f"{place}: the image is cut: {error}") from error
        return cls(size, tuple(ranges))

    @classmethod
    def of(cls, data: bytes | bytearray) -> Self:
        """The ranges of a whole image in memory."""
        return cls(len(data), tuple(_filled(data, 0)))

    @classmethod
    def read(cls, path: Path, limit: int) -> Self:
        """The ranges of a file; holes are skipped where the system can tell. Raises ImageError and OSError."""
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            found: list[tuple[int, bytes]] = []
            at = held = 0
            while at < size:
                try:
                    at = os.lseek(stream.fileno(), at, os.SEEK_DATA) if hasattr(os, "SEEK_DATA") else at
                except OSError:  # nothing but a hole from here on
                    break
                at -= at % BLOCK
                data = os.pread(stream.fileno(), 256 * BLOCK, at)
                found += _filled(data, at)
                held += len(data)
                if held > limit:
                    raise ImageError(f"{path} holds more than {limit} bytes", hint="Is this the image you meant?")
                at += len(data) or size
        return cls(size, tuple(found))


def digest_of(block: bytes) -> bytes:
    """SHA-256 of a block without the zeros at its end, which its fixed length gives back."""
    return hashlib.sha256(block.rstrip(b"\0")).digest()


def payload_of(size: int, blocks: Iterable[tuple[int, bytes]]) -> str:
    """The payload hash of an image of `size` bytes from the place and the digest of each block, ascending."""
    pieces = [_PLACE.pack(size)]
    for place, digest in blocks:
        pieces += (_PLACE.pack(place), digest)
    return hashlib.sha256(b"".join(pieces)).hexdigest()


def _filled(data: bytes | bytearray, at: int) -> Iterable[tuple[int, bytes]]:
    zeros = bytes(BLOCK)
    for start in range(0, len(data), BLOCK):
        block = bytes(data[start : start + BLOCK])
        if block != zeros[: len(block)]:
            yield at + start, block


def _write_run(descriptor: int, run: list[bytes], at: int) -> None:
    """Write blocks that lie one after the other, in one call where the system takes them all."""
    if not run:
        return
    done = os.pwritev(descriptor, run, at)
    rest = memoryview(b"".join(run))[done:] if done < sum(map(len, run)) else memoryview(b"")
    while rest:
        written = os.pwrite(descriptor, rest, at + done)
        done, rest = done + written, rest[written:]
