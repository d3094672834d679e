"""The base of a product's ext4 images: made by e2fsprogs for one shape (blocks per file), then patched per unit."""

from __future__ import annotations

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
from factory.images.ext4.sparse import BLOCK, Sparse, digest_of, payload_of
from factory.images.programs import program, run
from factory.values import FileEntry

INODE = 256
_NAMESPACE = uuid.UUID("6f1d5f0e-3f0b-5a55-9d0b-6a4f2d0c7b11")
_TIME = 1  # second of 1970: 0 would mean "now" to e2fsprogs
_SIZE_AT, _LOW, _HIGH = 4, 0x7C, 0x82
_ZEROS = bytes(BLOCK)

Shape = tuple[int, ...]
"""Blocks of each file, in the order of the paths; a tree of another shape needs another base."""


def shape_of(files: Sequence[str], contents: Mapping[str, bytes]) -> Shape:
    """The shape of a tree."""
    return tuple(-(-len(contents[path]) // BLOCK) for path in files)


@dataclass(frozen=True, slots=True)
class Slot:
    """Where one file lies in a base: the indices of its blocks in the order of the file, the index of the block that
    its inode lies in and its place there, and the inode's checksum for size 0 (None without checksums).
    """

    path: str
    blocks: tuple[int, ...]
    table: int
    inode: int
    checksum: int | None


@dataclass(frozen=True, slots=True)
class Base:
    """An image without its contents. `blocks` are (place, bytes) of all blocks that hold anything, ascending, those of
    the contents still zero; `digests` are their SHA-256. Plain values: it travels into the workers of a batch.
    """

    size: int
    shape: Shape
    blocks: tuple[tuple[int, bytes], ...] = field(repr=False)
    slots: tuple[Slot, ...]
    digests: tuple[bytes, ...] = field(repr=False)

    def patched(self, contents: Mapping[str, bytes]) -> Sparse:
        """The image with these contents, which must have the base's shape. Pure; exact to the byte."""
        blocks, digests = list(self.blocks), list(self.digests)
        tables: dict[int, bytearray] = {}
        empty: set[int] = set()
        for slot in self.slots:
            content = contents[slot.path]
            for number, index in enumerate(slot.blocks):
                part = content[number * BLOCK : (number + 1) * BLOCK]
                digests[index] = digest_of(part)
                blocks[index] = (blocks[index][0], part.ljust(BLOCK, b"\0"))
                if part[0] == 0 and not any(part):
                    empty.add(index)
            table = tables.get(slot.table)
            if table is None:
                table = tables[slot.table] = bytearray(blocks[slot.table][1])
            _set_size(table, slot, len(content))
        for index, table in tables.items():
            part = bytes(table)
            blocks[index] = (blocks[index][0], part)
            digests[index] = digest_of(part)
        if empty:  # a block of zeros is left to be a hole
            blocks = [block for index, block in enumerate(blocks) if index not in empty]
            digests = [digest for index, digest in enumerate(digests) if index not in empty]
        places = (place for place, _ in blocks)
        return Sparse(self.size, tuple(blocks), payload_of(self.size, zip(places, digests, strict=True)))


def _set_size(table: bytearray, slot: Slot, size: int) -> None:
    at = slot.inode
    low = size.to_bytes(4, "little")
    table[at + _SIZE_AT : at + _SIZE_AT + 4] = low
    if slot.checksum is not None:
        crc = slot.checksum
        for sums, byte in zip(field_tables(_SIZE_AT, 4, INODE), low, strict=True):
            crc ^= sums[byte]
        table[at + _LOW : at + _LOW + 2] = (crc & 0xFFFF).to_bytes(2, "little")
        table[at + _HIGH : at + _HIGH + 2] = (crc >> 16).to_bytes(2, "little")


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
    parts = [(n, bytes(data[n * BLOCK : (n + 1) * BLOCK])) for n in range(len(data) // BLOCK)]
    blocks = tuple((n * BLOCK, part) for n, part in parts if n in ours or part != _ZEROS)
    place = {at // BLOCK: index for index, (at, _) in enumerate(blocks)}
    slots = tuple(_slot(path, content[path], found[path].place, seeds[path], place) for path in files)
    digests = tuple(digest_of(part) for _, part in blocks)
    return Base(len(data), shape, blocks, slots, digests)


def _slot(path: str, blocks: Sequence[int], inode: int, checksum: int | None, place: Mapping[int, int]) -> Slot:
    number, offset = divmod(inode, BLOCK)
    return Slot(path, tuple(place[block] for block in blocks), place[number], offset, checksum)


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
