"""The base of a product's ext4 images: made by e2fsprogs for one shape (blocks per file), then patched per unit."""

from __future__ import annotations

import hashlib
import stat
import struct
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from factory.images.errors import ImageError
from factory.images.ext4.crc32c import crc32c, field_tables
from factory.images.ext4.layout import ROOT, Inode, Layout
from factory.images.ext4.reader import SPARE, folder, walk
from factory.images.ext4.sparse import BLOCK, Sparse, payload_of
from factory.images.programs import program, run
from factory.values import FileEntry

INODE = 256
_NAMESPACE = uuid.UUID("6f1d5f0e-3f0b-5a55-9d0b-6a4f2d0c7b11")
_TIME = 1  # second of 1970: 0 would mean "now" to e2fsprogs
_SIZE_AT, _LOW, _HIGH = 4, 0x7C, 0x82

Shape = tuple[int, ...]
"""Blocks of each file, in the order of the paths; a tree of another shape needs another base."""


def shape_of(files: Sequence[str], contents: Mapping[str, bytes]) -> Shape:
    """The shape of a tree."""
    return tuple(-(-len(contents[path]) // BLOCK) for path in files)


@dataclass(frozen=True, slots=True)
class Slot:
    """Where one file's content and inode lie in the packed blocks of a base: index of its blocks in the order of the
    file, place of the inode, its checksum's value for size 0 (None without checksums), and its size in the base.
    """

    path: str
    blocks: tuple[int, ...]
    inode: int
    checksum: int | None


@dataclass(frozen=True, slots=True)
class Base:
    """An image without its contents. `blocks` are the numbers of all blocks that hold anything, ascending; `data` has
    them one after the other, the contents' still zero. Plain values: it travels into the workers of a batch.
    """

    size: int
    shape: Shape
    blocks: tuple[int, ...]
    data: bytes = field(repr=False)
    slots: tuple[Slot, ...]
    digests: tuple[bytes, ...] = field(repr=False)

    def patched(self, contents: Mapping[str, bytes]) -> Sparse:
        """The image with these contents, which must have the base's shape. Pure; exact to the byte."""
        data = bytearray(self.data)
        empty: list[int] = []
        changed: set[int] = set()
        for slot in self.slots:
            content = contents[slot.path]
            size = len(content)
            for number, index in enumerate(slot.blocks):
                part = content[number * BLOCK : (number + 1) * BLOCK]
                at = index * BLOCK
                data[at : at + len(part)] = part
                changed.add(index)
                if part[0] == 0 and not any(part):
                    empty.append(index)
            _set_size(data, slot, size)
            changed.add(slot.inode // BLOCK)
        return Sparse(self.size, self._ranges(data, frozenset(empty)), self._payload(data, changed, empty))

    def _payload(self, data: bytearray, changed: set[int], empty: list[int]) -> str:
        """The payload hash, for which only the blocks that differ from unit to unit are hashed."""
        digests = list(self.digests)
        view = memoryview(data)
        for index in changed:
            digests[index] = hashlib.sha256(view[index * BLOCK : (index + 1) * BLOCK]).digest()
        pairs = zip((number * BLOCK for number in self.blocks), digests, strict=True)
        return payload_of(self.size, (pair for index, pair in enumerate(pairs) if index not in empty))

    def _ranges(self, data: bytearray, empty: frozenset[int]) -> tuple[tuple[int, bytes], ...]:
        """Neighbouring blocks joined; a content block of zeros is left to be a hole."""
        ranges, start = [], 0
        view = memoryview(data)
        for index in range(1, len(self.blocks) + 1):
            over = index == len(self.blocks) or self.blocks[index] != self.blocks[index - 1] + 1
            if index - 1 in empty:
                if start < index - 1:
                    ranges.append((self.blocks[start] * BLOCK, bytes(view[start * BLOCK : (index - 1) * BLOCK])))
                start = index
            elif over or index in empty:
                ranges.append((self.blocks[start] * BLOCK, bytes(view[start * BLOCK : index * BLOCK])))
                start = index
        return tuple(ranges)


def _set_size(data: bytearray, slot: Slot, size: int) -> None:
    at = slot.inode
    low = struct.pack("<I", size)
    data[at + _SIZE_AT : at + _SIZE_AT + 4] = low
    if slot.checksum is not None:
        crc = slot.checksum
        for table, byte in zip(field_tables(_SIZE_AT, 4, INODE), low, strict=True):
            crc ^= table[byte]
        data[at + _LOW : at + _LOW + 2] = (crc & 0xFFFF).to_bytes(2, "little")
        data[at + _HIGH : at + _HIGH + 2] = (crc >> 16).to_bytes(2, "little")


def make_base(product: str, size: int, entries: Sequence[FileEntry], shape: Shape) -> Base:
    """Make the base of a product's images with e2fsprogs, for files of `shape` in the order of their paths.

    The same on every station with the same e2fsprogs: fixed UUID, hash seed and times, entries written one by one
    in the order of their paths, owners and times set to root and a fixed second. Raises UsageError without
    e2fsprogs, ImageError when the tree does not fit `size` bytes.
    """
    ordered = sorted(entries, key=lambda entry: entry.path)
    files = [entry.path for entry in ordered if not entry.is_folder]
    with tempfile.TemporaryDirectory(prefix="factory-") as name:
        image = Path(name) / "base"
        _make(image, Path(name), product, size, ordered, dict(zip(files, shape, strict=True)))
        data = bytearray(image.read_bytes())
    return _base(data, ordered, files, shape)


def _make(
    image: Path, folder: Path, product: str, size: int, entries: Sequence[FileEntry], blocks: Mapping[str, int]
) -> None:
    identity = str(uuid.uuid5(_NAMESPACE, product))
    environment = {"E2FSPROGS_FAKE_TIME": str(_TIME), "MKE2FS_CONFIG": "/dev/null"}
    features = "none,^has_journal,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super"
    features += ",large_file,huge_file,dir_nlink,extra_isize,metadata_csum"
    argv = [program("mke2fs"), "-q", "-F", "-t", "ext4", "-b", str(BLOCK), "-I", str(INODE), "-O", features, "-m", "0"]
    argv += ["-U", identity, "-E", f"hash_seed={identity},root_owner=0:0,nodiscard,lazy_itable_init=0"]
    run([*argv, str(image), str(size // BLOCK)], environment=environment)
    # lost+found anew has one block instead of four; folders first, so that contents lie together.
    commands = ["rmdir lost+found", "mkdir lost+found"]
    commands += [f"mkdir {entry.path}" for entry in entries if entry.is_folder]
    for entry in entries:
        if entry.is_folder:
            continue
        # Zeros would become holes, and a hole has no block to patch.
        source = folder / f"content-{blocks[entry.path]}"
        source.write_bytes(b"x" * (blocks[entry.path] * BLOCK))
        commands.append(f"write {source} {entry.path}")
    script = folder / "commands"
    script.write_text("\n".join(commands) + "\n", encoding="ascii")
    said = run([program("debugfs"), "-w", "-f", str(script), str(image)], environment=environment)
    wrong = [line for line in said.splitlines() if not line.startswith(("debugfs", "Allocated inode")) and line.strip()]
    if wrong:
        raise ImageError(f"an ext4 image of {size} bytes cannot hold the files: {wrong[0]}", hint=_LARGER)


def _base(data: bytearray, entries: Sequence[FileEntry], files: Sequence[str], shape: Shape) -> Base:
    layout = Layout(lambda at, length: bytes(data[at : at + length]), len(data), "the base image")
    found = dict(walk(layout, ROOT))
    if found.keys() != {entry.path for entry in entries}:
        raise ImageError("the base image does not hold the files that were written to it", hint=_LARGER)
    modes = {entry.path: entry.mode for entry in entries}
    seeds = {path: _settled(data, layout, inode, modes[path]) for path, inode in found.items()}
    root = layout.inode(ROOT)
    _settled(data, layout, root, 0o755)
    _settled(data, layout, layout.inode(dict(folder(layout, root))[SPARE]), 0o700)
    content: dict[str, tuple[int, ...]] = {}
    for path, count in zip(files, shape, strict=True):
        physical = layout.blocks(found[path])
        if sorted(physical) != list(range(count)):
            raise ImageError(f"the base image has {len(physical)} blocks for {path}, not {count}", hint=_LARGER)
        content[path] = tuple(physical[number] for number in range(count))
        for number in content[path]:
            data[number * BLOCK : (number + 1) * BLOCK] = bytes(BLOCK)
    ours = {number for numbers in content.values() for number in numbers}
    zeros = bytes(BLOCK)
    total = len(data) // BLOCK
    used = [n for n in range(total) if n in ours or data[n * BLOCK : (n + 1) * BLOCK] != zeros]
    place = {number: index for index, number in enumerate(used)}
    slots = tuple(_slot(path, content[path], found[path].place, seeds[path], place) for path in files)
    packed = b"".join(data[n * BLOCK : (n + 1) * BLOCK] for n in used)
    digests = tuple(hashlib.sha256(packed[at : at + BLOCK]).digest() for at in range(0, len(packed), BLOCK))
    return Base(len(data), shape, tuple(used), packed, slots, digests)


def _slot(path: str, blocks: Sequence[int], inode: int, checksum: int | None, place: Mapping[int, int]) -> Slot:
    number, offset = divmod(inode, BLOCK)
    return Slot(path, tuple(place[block] for block in blocks), place[number] * BLOCK + offset, checksum)


def _settled(data: bytearray, layout: Layout, inode: Inode, mode: int) -> int | None:
    """Make an inode root's, with the entry's mode and the fixed time, and return the checksum it has with size 0."""
    raw = bytearray(inode.raw)
    raw[0:2] = (stat.S_IFMT(inode.mode) | mode).to_bytes(2, "little")
    for at in (0x02, 0x18, 0x78, 0x7A):  # uid, gid, and their upper halves
        raw[at : at + 2] = bytes(2)
    for at in (0x08, 0x0C, 0x10, 0x90):  # access, change, modification, creation
        raw[at : at + 4] = struct.pack("<I", _TIME)
    raw[0x84:0x90] = bytes(12)  # their nanoseconds
    raw[0x94:0x98] = bytes(4)
    seed = layout.checksum_seed
    seed = crc32c(0xFFFFFFFF, layout.uuid) if seed is None else seed
    seed = crc32c(crc32c(seed, struct.pack("<I", inode.number)), bytes(raw[0x64:0x68]))
    raw[_LOW : _LOW + 2] = raw[_HIGH : _HIGH + 2] = bytes(2)
    without_size = bytes(raw[:_SIZE_AT]) + bytes(4) + bytes(raw[_SIZE_AT + 4 :])
    if layout.has_checksums:
        crc = crc32c(seed, bytes(raw))
        raw[_LOW : _LOW + 2] = (crc & 0xFFFF).to_bytes(2, "little")
        raw[_HIGH : _HIGH + 2] = (crc >> 16).to_bytes(2, "little")
    data[inode.place : inode.place + len(raw)] = raw
    return crc32c(seed, without_size) if layout.has_checksums else None


_LARGER = "Give [image] size more bytes, or the image fewer or smaller files."
