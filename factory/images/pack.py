"""A container of many images: records one after the other, and an index at the end by which one is found.

The layout is in docs/images.md. Whole records survive whatever stops the writer; `pack_writer` goes on behind them.
"""

from __future__ import annotations

import bisect
import contextlib
import hashlib
import json
import mmap
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from factory.errors import UsageError
from factory.files import FileError
from factory.images.errors import ImageError
from factory.images.ext4.sparse import Sparse
from factory.images.formats.compressed import gzipped, unpacked
from factory.images.formats.names import LARGEST, Format
from factory.images.image import Image
from factory.images.manifest import parse_manifest
from factory.images.verify import image_of
from factory.values import Manifest
from factory.values.canonical import canonical

PACK_MAGIC = b"factory-pack/1\n\0"
RECORD = struct.Struct("<4sIIII")  # tag, lengths of id, manifest and payload, crc32 of all three
ENTRY = struct.Struct("<QQ")  # hash of the id, place of the record; sorted
TAIL = struct.Struct("<4sQQI")  # tag, place of the index, entries, crc32 of the index
IMAGE, HEADER, INDEX = b"IMG\n", b"HDR\n", b"IDX\n"
SUFFIX = ".pack"
_HINT = "Build it again, or copy it again from where it came."


def record(tag: bytes, name: bytes, manifest: bytes, payload: bytes) -> bytes:
    """One record."""
    crc = zlib.crc32(payload, zlib.crc32(manifest, zlib.crc32(name)))
    return b"".join((RECORD.pack(tag, len(name), len(manifest), len(payload), crc), name, manifest, payload))


def image_record(image: Image) -> bytes:
    """The record of one image; a file system goes in by its blocks, packed."""
    packed = image.packed()
    payload = gzipped(packed.encoded()) if isinstance(packed, Sparse) else packed
    manifest = json.dumps(image.manifest.as_json(), separators=(",", ":")).encode("ascii")
    return record(IMAGE, str(image.manifest.identity["hardware_id"]).encode("ascii"), manifest, payload)


def key_of(hardware_id: bytes) -> int:
    """What the index is sorted by."""
    return int.from_bytes(hashlib.blake2b(hardware_id, digest_size=8).digest(), "little")


@dataclass(frozen=True, slots=True)
class Record:
    """A record that was read whole: where it lies, where it ends, and its parts."""

    start: int
    end: int
    tag: bytes
    name: bytes
    manifest: bytes
    payload: bytes


def record_at(data: bytes | mmap.mmap, at: int, place: str) -> Record:
    """The record at a place. Raises ImageError when it is cut or damaged."""
    if at + RECORD.size > len(data):
        raise ImageError(f"{place}: the record at byte {at} is cut", hint=_HINT)
    tag, name, manifest, payload, crc = RECORD.unpack_from(data, at)
    start = at + RECORD.size
    end = start + name + manifest + payload
    if tag not in (IMAGE, HEADER) or end > len(data) or payload > LARGEST:
        raise ImageError(f"{place}: the record at byte {at} is cut or damaged", hint=_HINT)
    body = data[start:end]
    if zlib.crc32(body) != crc:
        raise ImageError(f"{place}: the record at byte {at} is damaged", hint=_HINT)
    return Record(at, end, tag, body[:name], body[name : name + manifest], body[name + manifest :])


class Pack:
    """An open container, read through a map: one image costs one search in the index and one record."""

    def __init__(self, data: mmap.mmap, place: str) -> None:
        """Check the frame. Raises ImageError for a container that is cut, unfinished or none."""
        self._data, self._place = data, place
        if data[: len(PACK_MAGIC)] != PACK_MAGIC:
            raise UsageError(f"{place} is no container of images", code="image.format")
        tag, index, count, crc = TAIL.unpack(data[-TAIL.size :])
        self._index, self._count = int(index), int(count)
        size = self._count * ENTRY.size
        if tag != INDEX or self._index + size + TAIL.size != len(data):
            raise ImageError(f"{place} has no index at its end: it was cut, or is not finished", hint=_HINT)
        if zlib.crc32(data[self._index : self._index + size]) != crc:
            raise ImageError(f"{place}: the index is damaged", hint=_HINT)
        head = record_at(data, len(PACK_MAGIC), place)
        if head.tag != HEADER:
            raise ImageError(f"{place} has no header", hint=_HINT)
        self._first = head.end
        self.header: Mapping[str, object] = json.loads(head.manifest)

    def __len__(self) -> int:
        return self._count

    def records(self) -> Iterator[Record]:
        """Every record in the order of the rows, each held against its sum."""
        at = self._first
        while at < self._index:
            found = record_at(self._data, at, self._place)
            yield found
            at = found.end

    def ids(self) -> Iterator[str]:
        """The hardware ids in the order of the rows."""
        return (found.name.decode("ascii") for found in self.records())

    def read(self, hardware_id: str) -> Image:
        """One image, verified. Raises UsageError (`image.not-in-pack`) and ImageError."""
        wanted = hardware_id.encode("utf-8")
        key = key_of(wanted)
        number = bisect.bisect_left(range(self._count), key, key=lambda n: self._entry(n)[0])
        while number < self._count and self._entry(number)[0] == key:
            found = record_at(self._data, self._entry(number)[1], self._place)
            if found.name == wanted:
                return self._image(found, hardware_id)
            number += 1
        raise UsageError(
            f"{self._place} has no image for {hardware_id}",
            hint="Ids are compared exactly, with case.",
            code="image.not-in-pack",
        )

    def verify(self) -> int:
        """Read every image and hold it against its manifest, and the index against the records; how many there are.

        Raises ImageError.
        """
        count = 0
        for found in self.records():
            name = found.name.decode("ascii")
            self._image(found, name)
            if self.read(name).manifest.identity["hardware_id"] != name:
                raise ImageError(f"{self._place}: {name} is another's image", hint=_HINT)
            count += 1
        if count != self._count:
            raise ImageError(f"{self._place} holds {count} images, its index has {self._count}", hint=_HINT)
        return count

    def _entry(self, number: int) -> tuple[int, int]:
        key, at = ENTRY.unpack_from(self._data, self._index + number * ENTRY.size)
        return key, at

    def _image(self, found: Record, hardware_id: str) -> Image:
        place = f"{self._place}: {hardware_id}"
        manifest: Manifest = parse_manifest(found.manifest, place)
        if manifest.identity.get("hardware_id") != hardware_id:
            raise ImageError(f"{place} has the manifest of another unit", hint=_HINT)
        if manifest.format == Format.EXT4:
            return image_of(manifest, Sparse.decoded(unpacked(found.payload, place), place), place)
        return image_of(manifest, found.payload, place)


@contextlib.contextmanager
def open_pack(path: Path) -> Iterator[Pack]:
    """Open a finished container. Raises FileError, UsageError (`image.format`) and ImageError."""
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield Pack(data, str(path))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise FileError(f"cannot read {path}: {reason}", hint="Check the path and its rights.") from error
    except (ValueError, struct.error) as error:  # an empty file cannot be mapped, a short one has no tail
        raise ImageError(f"{path} is no whole container: {error}", hint=_HINT) from error


def header_of(batch: Mapping[str, object]) -> bytes:
    """The container's first bytes: magic and header, the same for the same batch."""
    return PACK_MAGIC + record(HEADER, b"", canonical(dict(batch)), b"")
