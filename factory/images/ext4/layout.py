"""Where things lie in an ext2, ext3 or ext4 image: superblock, groups, inodes, the blocks of a file.

Source: the Linux kernel's documentation, "ext4 Data Structures and Algorithms". Little-endian throughout.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from factory.images.errors import ImageError

SUPERBLOCK, MAGIC, ROOT = 1024, 0xEF53, 2
_INCOMPAT_KNOWN = 0x2 | 0x4 | 0x40 | 0x80 | 0x200 | 0x2000  # filetype, recover, extents, 64bit, flex_bg, csum_seed
_META_BG, _64BIT, _CSUM_SEED, _METADATA_CSUM = 0x10, 0x80, 0x2000, 0x400
_EXTENTS_FLAG, _INLINE_FLAG = 0x80000, 0x10000000
_EXTENT_MAGIC = 0xF30A
_DEEPEST = 5
_MOST_BLOCKS = 1 << 20

Reader = Callable[[int, int], bytes]


@dataclass(frozen=True, slots=True)
class Inode:
    """One inode: its number, its raw bytes and where they lie in the image."""

    number: int
    place: int
    raw: bytes

    def _half(self, offset: int) -> int:
        return int.from_bytes(self.raw[offset : offset + 2], "little")

    def _word(self, offset: int) -> int:
        return int.from_bytes(self.raw[offset : offset + 4], "little")

    @property
    def mode(self) -> int:
        """Type and permission bits."""
        return self._half(0)

    @property
    def uid(self) -> int:
        """The owner."""
        return self._half(2) | self._half(0x78) << 16

    @property
    def gid(self) -> int:
        """The group."""
        return self._half(0x18) | self._half(0x7A) << 16

    @property
    def size(self) -> int:
        """Size of the content in bytes."""
        return self._word(4) | self._word(0x6C) << 32

    @property
    def flags(self) -> int:
        """i_flags."""
        return self._word(0x20)

    @property
    def sectors(self) -> int:
        """i_blocks: allocated sectors of 512 bytes."""
        return self._word(0x1C)


class Layout:
    """The layout of one image, read through `read(offset, length)`. Raises ImageError for what it cannot read."""

    def __init__(self, read: Reader, size: int, place: str) -> None:
        self._read, self.place = read, place
        block = read(SUPERBLOCK, 1024)
        if len(block) < 1024 or int.from_bytes(block[0x38:0x3A], "little") != MAGIC:
            raise ImageError(f"{place} has no ext file system")
        self._super = block
        self.incompat = self._word(0x60)
        unknown = self.incompat & ~_INCOMPAT_KNOWN
        if unknown:
            raise ImageError(f"{place} uses ext4 features that are not read here: {unknown:#x}")
        self.block = 1024 << self._word(0x18)
        self.inodes_per_group = self._word(0x28)
        self.inodes = self._word(0)
        self.inode_size = int.from_bytes(block[0x58:0x5A], "little") if self._word(0x4C) else 128
        self._descriptor = int.from_bytes(block[0xFE:0x100], "little") if self.incompat & _64BIT else 32
        blocks = self._word(4)
        if self._word(0x18) > 6 or not self.inodes_per_group or self.inode_size < 128 or self._descriptor < 32:
            raise ImageError(f"{place}: the superblock is damaged")
        if blocks * self.block > size:
            raise ImageError(f"{place} is cut: {size} bytes of a file system of {blocks * self.block}")

    def _word(self, offset: int) -> int:
        return int.from_bytes(self._super[offset : offset + 4], "little")

    @property
    def has_checksums(self) -> bool:
        """True when inodes carry a crc32c."""
        return bool(self._word(0x64) & _METADATA_CSUM)

    @property
    def uuid(self) -> bytes:
        """The file system's UUID."""
        return self._super[0x68:0x78]

    @property
    def checksum_seed(self) -> int | None:
        """s_checksum_seed where that feature is on."""
        return self._word(0x270) if self.incompat & _CSUM_SEED else None

    def inode(self, number: int) -> Inode:
        """One inode by its number."""
        if not 1 <= number <= self.inodes:
            raise ImageError(f"{self.place}: there is no inode {number}")
        group, index = divmod(number - 1, self.inodes_per_group)
        first = self._word(0x14) + 1
        at = first * self.block + group * self._descriptor
        descriptor = self._read(at, self._descriptor)
        table = int.from_bytes(descriptor[8:12], "little")
        if self._descriptor >= 64:
            table |= int.from_bytes(descriptor[0x28:0x2C], "little") << 32
        place = table * self.block + index * self.inode_size
        raw = self._read(place, self.inode_size)
        if len(raw) < self.inode_size:
            raise ImageError(f"{self.place}: inode {number} lies outside the image")
        return Inode(number, place, raw)

    def blocks(self, inode: Inode) -> dict[int, int]:
        """The blocks of a file: number within the file to number in the image; holes are left out."""
        if inode.flags & _INLINE_FLAG:
            raise ImageError(f"{self.place}: inode {inode.number} keeps its content inline, which is not read here")
        found: dict[int, int] = {}
        pairs = self._extents(inode.raw[0x28:0x64], 0) if inode.flags & _EXTENTS_FLAG else self._mapped(inode)
        for logical, physical in pairs:
            found[logical] = physical
            if len(found) > _MOST_BLOCKS:
                raise ImageError(f"{self.place}: inode {inode.number} is larger than is read here")
        return found

    def content(self, inode: Inode, limit: int) -> bytes:
        """The whole content of a file or folder. Raises ImageError when larger than `limit` bytes."""
        if inode.size > limit:
            raise ImageError(f"{self.place}: a file of {inode.size} bytes, limit {limit}")
        blocks, zeros = self.blocks(inode), bytes(self.block)
        count = -(-inode.size // self.block)
        parts = (self._whole(blocks[n]) if n in blocks else zeros for n in range(count))
        return b"".join(parts)[: inode.size]

    def _whole(self, number: int) -> bytes:
        data = self._read(number * self.block, self.block)
        if len(data) < self.block:
            raise ImageError(f"{self.place}: block {number} lies outside the image")
        return data

    def _extents(self, node: bytes, depth: int) -> Iterator[tuple[int, int]]:
        magic, entries, _, level = struct.unpack_from("<HHHH", node)
        if magic != _EXTENT_MAGIC or depth > _DEEPEST or 12 + 12 * entries > len(node):
            raise ImageError(f"{self.place}: an extent tree is damaged")
        for at in range(12, 12 + 12 * entries, 12):
            if level:
                low, high = struct.unpack_from("<IH", node, at + 4)
                yield from self._extents(self._whole(low | high << 32), depth + 1)
                continue
            logical, length, high, low = struct.unpack_from("<IHHI", node, at)
            if length > 0x8000:  # allocated and not written: reads as zeros
                continue
            first = low | high << 32
            yield from ((logical + n, first + n) for n in range(length))

    def _mapped(self, inode: Inode) -> Iterator[tuple[int, int]]:
        """The old block map: twelve direct blocks, then one, two and three levels of indirection."""
        words = struct.unpack("<15I", inode.raw[0x28:0x64])
        yield from ((n, block) for n, block in enumerate(words[:12]) if block)
        per, start = self.block // 4, 12
        for level in (1, 2, 3):
            span = per**level
            if start * self.block >= inode.size:
                return
            if words[11 + level]:
                yield from self._indirect(words[11 + level], level, start)
            start += span

    def _indirect(self, number: int, level: int, start: int) -> Iterator[tuple[int, int]]:
        per = self.block // 4
        for n, block in enumerate(struct.unpack(f"<{per}I", self._whole(number))):
            if block and level == 1:
                yield start + n, block
            elif block:
                yield from self._indirect(block, level - 1, start + n * per ** (level - 1))
