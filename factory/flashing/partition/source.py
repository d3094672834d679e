"""What is written to a partition: an image in memory, or a file with or without a block map."""

from __future__ import annotations

import contextlib
import hashlib
import os
from bisect import bisect, bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from factory.errors import UsageError
from factory.flashing.partition.allocated import Allocated, ReadAt, allocated
from factory.images import Image, ImageError
from factory.images.bmap import Bmap, BmapRange, bmap_beside, read_bmap
from factory.images.ext4.sparse import Sparse

PROBED = 1024 * 1024
"""Bytes at the start of an image that are written whether they are mapped or not: where programs look for file systems,
a trace of an older one would make two of one.
"""
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Source:
    """An image. `size` is that of the whole in bytes; `ranges`, as (offset, length) in bytes, ascending, are what has
    to be written, and outside of them any content will do; `copies` are the places of superblock copies. `opened`
    gives a reader whose places only go up and which checks what it reads where that is known, `looked` one that reads
    anywhere and checks nothing.
    """

    name: str
    size: int
    ranges: tuple[Range, ...]
    copies: tuple[int, ...]
    opened: Callable[[], AbstractContextManager[ReadAt]] = field(repr=False)
    looked: Callable[[], AbstractContextManager[ReadAt]] = field(repr=False)


def source_of_image(image: Image) -> Source:
    """The file system that an image is. Raises UsageError (`flash.image`) for an image that is none.

    Of ext4 the blocks in use are written, the empty ones as zeros; free blocks do not matter.
    """
    body = image.packed()
    if image.manifest.format not in ("ext4", "squashfs"):
        raise UsageError(
            f"an image of the format {image.manifest.format} is no file system",
            hint='A partition takes [image] format = "ext4" or "squashfs".',
            code="flash.image",
        )
    name = f"image {image.manifest.image[:12]}"
    read = _blocks(body) if isinstance(body, Sparse) else _slices(body)
    size = body.size if isinstance(body, Sparse) else len(body)
    found = allocated(read, size)
    opened = _Ready(read)
    if found is None:
        return Source(name, size, ((0, size),), (), opened, opened)
    probed = ((0, min(PROBED, size)), *found.ranges)
    return Source(name, size, merged(probed, 0), found.copies, opened, opened)


def source_of_file(path: Path, bmap: Path | None = None) -> Source:
    """A raw image file; `bmap` is its block map, looked for beside it where not given. Without one all of it is
    written: a hole in it is zeros. Raises UsageError where the file cannot be read, ImageError for a bad map.
    """
    place = bmap or bmap_beside(path)
    found = read_bmap(place) if place else None
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            layout = allocated(_pread(stream.fileno()), size)
    except OSError as error:
        raise UsageError(f"the image {path} cannot be read: {error.strerror}", code="flash.image") from error
    if found is not None and found.image_size != size:
        raise ImageError(
            f"{path} has {size} bytes and its block map {place} is for {found.image_size}",
            hint="Copy the image again, with its block map.",
            code="bmap.other",
        )
    if size == 0:
        raise UsageError(f"the image {path} is empty", code="flash.image")
    ranges = tuple((one.offset, one.length) for one in found.ranges) if found else ((0, size),)
    return Source(path.name, size, ranges, _copies(layout), _FileOpener(path, found), _FileOpener(path, None))


def merged(ranges: Sequence[Range], gap: int, align: int = 1) -> tuple[Range, ...]:
    """The same ranges, ascending, with ends moved outward to multiples of `align`, and one where no more than `gap`
    bytes lie between two.
    """
    found: list[list[int]] = []
    for offset, length in sorted(ranges):
        start, end = offset - offset % align, -(-(offset + length) // align) * align
        if found and start <= found[-1][1] + gap:
            found[-1][1] = max(found[-1][1], end)
        else:
            found.append([start, end])
    return tuple((start, end - start) for start, end in found)


def _copies(layout: Allocated | None) -> tuple[int, ...]:
    return layout.copies if layout else ()


@dataclass(frozen=True, slots=True)
class _Ready:
    """An image in memory needs no opening."""

    read: ReadAt

    @contextlib.contextmanager
    def __call__(self) -> Iterator[ReadAt]:
        yield self.read


@dataclass(frozen=True, slots=True)
class _FileOpener:
    path: Path
    bmap: Bmap | None

    @contextlib.contextmanager
    def __call__(self) -> Iterator[ReadAt]:
        try:
            with self.path.open("rb") as stream:
                read = _pread(stream.fileno())
                yield read if self.bmap is None else _Checked(read, self.bmap.ranges, str(self.path)).read
        except OSError as error:
            raise UsageError(f"the image {self.path} cannot be read: {error.strerror}", code="flash.image") from error


class _Checked:
    """A reader that compares each range of a block map with its SHA-256 as soon as it was read to its end."""

    def __init__(self, read: ReadAt, ranges: Sequence[BmapRange], name: str) -> None:
        self._read, self._name = read, name
        self._left = list(reversed(ranges))
        self._hash = hashlib.sha256()

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the image. Raises ImageError (`bmap.damaged`)."""
        data = self._read(offset, length)
        view, end = memoryview(data), offset + len(data)
        while self._left and self._left[-1].offset < end:
            one = self._left[-1]
            start, stop = max(one.offset, offset), min(one.offset + one.length, end)
            self._hash.update(view[start - offset : max(stop, start) - offset])
            if stop < one.offset + one.length:
                break
            self._left.pop()
            if one.sha256 is not None and self._hash.hexdigest() != one.sha256:
                raise ImageError(
                    f"{self._name}: bytes {one.offset} to {one.offset + one.length} are not what its block map says",
                    hint="Copy the image again, with its block map.",
                    code="bmap.damaged",
                )
            self._hash = hashlib.sha256()
        return data


def _slices(body: bytes) -> ReadAt:
    return lambda offset, length: body[offset : offset + length]


def _blocks(body: Sparse) -> ReadAt:
    """A reader that finds the first block of a range by halving, for images of many blocks."""
    places = [offset for offset, _ in body.ranges]

    def read(offset: int, length: int) -> bytes:
        end = min(offset + length, body.size)
        data = bytearray(max(end - offset, 0))
        for place, part in body.ranges[max(bisect(places, offset) - 1, 0) : bisect_left(places, end)]:
            start, stop = max(place, offset), min(place + len(part), end)
            if start < stop:
                data[start - offset : stop - offset] = part[start - place : stop - place]
        return bytes(data)

    return read


def _pread(descriptor: int) -> ReadAt:
    return lambda offset, length: os.pread(descriptor, length, offset)
