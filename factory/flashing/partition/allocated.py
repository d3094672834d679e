"""Which blocks of an ext4 image a file system of its own would miss: those in use, whether they hold anything or not.

A block that is in use and all zeros has to be written; a free one does not matter. Source: the Linux kernel's
documentation, "ext4 Data Structures and Algorithms".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

SUPERBLOCK, MAGIC = 1024, 0xEF53
_SPARSE_SUPER, _BIGALLOC = 0x1, 0x200
_META_BG, _64BIT = 0x10, 0x80
_SPARSE_SUPER2 = 0x200
_BLOCK_UNINIT = 0x2

ReadAt = Callable[[int, int], bytes]
"""Bytes of the image from a place on."""


@dataclass(frozen=True, slots=True)
class Allocated:
    """`ranges` in use as (offset, length) in bytes, ascending and apart; `copies` are the places of the superblock's
    copies in bytes.
    """

    ranges: tuple[tuple[int, int], ...]
    copies: tuple[int, ...]


def has_copy(group: int, *, sparse: bool = True) -> bool:
    """Whether a block group holds a copy of the superblock: 0, 1 and powers of 3, 5 and 7 do."""
    if group <= 1 or not sparse:
        return True
    for base in (3, 5, 7):
        power = base
        while power < group:
            power *= base
        if power == group:
            return True
    return False


def allocated(read: ReadAt, size: int) -> Allocated | None:
    """What an ext2, 3 or 4 image uses; None where there is none, or one that is laid out in a way that is not known
    here (then all of it has to be written).
    """
    block = read(SUPERBLOCK, 1024)
    if len(block) < 1024 or _half(block, 0x38) != MAGIC or _word(block, 0x18) > 6:
        return None
    if _word(block, 0x60) & _META_BG or _word(block, 0x64) & _BIGALLOC or _word(block, 0x5C) & _SPARSE_SUPER2:
        return None
    layout = _Groups.of(block)
    if layout is None or layout.blocks * layout.block > size:
        return None
    used = bytearray(layout.blocks)
    for first, count in layout.used(read):
        count = min(count, layout.blocks - first)
        used[first : first + count] = b"\1" * count
    return Allocated(tuple(_runs(used, layout.block)), tuple(layout.copies()))


@dataclass(frozen=True, slots=True)
class _Groups:
    """The sizes that the superblock gives, in blocks where nothing else is said."""

    block: int  # bytes
    blocks: int
    first: int
    per_group: int
    table: int
    descriptor: int  # bytes
    reserved: int
    sparse: bool

    @classmethod
    def of(cls, block: bytes) -> _Groups | None:
        size = 1024 << _word(block, 0x18)
        wide = bool(_word(block, 0x60) & _64BIT)
        inode = _half(block, 0x58) if _word(block, 0x4C) else 128
        blocks = _word(block, 0x04) | (_word(block, 0x150) << 32 if wide else 0)
        per_group, descriptor = _word(block, 0x20), _half(block, 0xFE) if wide else 32
        if not per_group or per_group > 8 * size or descriptor < 32 or _word(block, 0x14) >= blocks:
            return None
        table = -(-_word(block, 0x28) * inode // size)
        sparse = bool(_word(block, 0x64) & _SPARSE_SUPER)
        return cls(size, blocks, _word(block, 0x14), per_group, table, descriptor, _half(block, 0xCE), sparse)

    @property
    def groups(self) -> int:
        return -(-(self.blocks - self.first) // self.per_group)

    def copies(self) -> Iterator[int]:
        """Places in bytes of the superblock's copies."""
        for group in range(1, self.groups):
            if has_copy(group, sparse=self.sparse):
                yield (self.first + group * self.per_group) * self.block

    def used(self, read: ReadAt) -> Iterator[tuple[int, int]]:
        """Runs of blocks in use: (first, count), in any order, some of them twice."""
        yield 0, self.first + 1
        descriptors = -(-self.groups * self.descriptor // self.block)
        for group in range(self.groups):
            start = self.first + group * self.per_group
            if has_copy(group, sparse=self.sparse):
                yield start, 1 + descriptors + self.reserved
            raw = read((self.first + 1) * self.block + group * self.descriptor, self.descriptor)
            bitmap, inodes, table = (_place(raw, at) for at in (0, 4, 8))
            yield from ((bitmap, 1), (inodes, 1), (table, self.table))
            if not _half(raw, 0x12) & _BLOCK_UNINIT:
                count = min(self.per_group, self.blocks - start)
                yield from _bits(read(bitmap * self.block, -(-count // 8)), start, count)


def _bits(bitmap: bytes, start: int, count: int) -> Iterator[tuple[int, int]]:
    for index, byte in enumerate(bitmap):
        if byte == 0xFF:
            yield start + 8 * index, min(8, count - 8 * index)
        elif byte:
            for bit in range(min(8, count - 8 * index)):
                if byte >> bit & 1:
                    yield start + 8 * index + bit, 1


def _runs(used: bytearray, block: int) -> Iterator[tuple[int, int]]:
    at = used.find(1)
    while at >= 0:
        end = used.find(0, at)
        end = len(used) if end < 0 else end
        yield at * block, (end - at) * block
        at = used.find(1, end)


def _place(raw: bytes, at: int) -> int:
    high = _word(raw, 0x20 + at) << 32 if len(raw) >= 64 else 0
    return _word(raw, at) | high


def _half(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little")


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")
