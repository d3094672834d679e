"""Reading an image whoever made it: what it is says its content, never its name."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from factory.errors import UsageError
from factory.files import FileError, read_bytes
from factory.images.ext4.layout import MAGIC, SUPERBLOCK
from factory.images.ext4.reader import read_ext4
from factory.images.formats import cpio, squashfs
from factory.images.formats.compressed import GZIP, ZSTD, unpacked
from factory.images.formats.names import LARGEST, Format
from factory.images.formats.tar import looks_like_tar, read_tar
from factory.images.image import Image
from factory.images.manifest import SUFFIX, manifest_path
from factory.images.pack import PACK_MAGIC, open_pack
from factory.images.store import own_name, read_image
from factory.images.tree import Kind, Member, Tree, sorted_members
from factory.images.verify import read_folder

_OTHERS = (
    (b"UBI#", "a UBI image"),
    (b"\x31\x18\x10\x06", "a UBIFS volume"),
    (b"\x85\x19", "a JFFS2 image"),
    (b"PK\x03\x04", "a zip archive or a workbook"),
    (b"\xfd7zXZ", "an xz file; unpack it first"),
    (b"BZh", "a bzip2 file; unpack it first"),
    (b"0707", "a cpio archive of an old kind; make it with `cpio -H newc`"),
)
_HEAD = 4096


def read_tree(path: Path, hardware_id: str | None = None) -> Tree:
    """Read any image: ours with its manifest, which is held against it first, or another's folder, tar, cpio, ext2,
    ext3, ext4 or squashfs, plain or packed with gzip or zstd. A container holds many: `hardware_id` names one.

    Raises FileError, ImageError for a damaged one, and UsageError: `image.which` for a container without a name,
    `image.format` for what is no image that is read here, `image.program` where squashfs-tools is missing.
    """
    if path.name.endswith(SUFFIX) or manifest_path(path.parent, own_name(path)).is_file():
        return tree_of(read_image(path))
    if path.is_dir():
        return Tree(Format.FOLDER, sorted_members(read_folder(path)))
    head = _head(path)
    if head.startswith(PACK_MAGIC):
        return tree_of(_from_pack(path, hardware_id))
    if int.from_bytes(head[SUPERBLOCK + 0x38 : SUPERBLOCK + 0x3A], "little") == MAGIC and not head.startswith(GZIP):
        return Tree(Format.EXT4, sorted_members(_ext4(path)))
    if head.startswith(squashfs.MAGIC):
        return Tree(Format.SQUASHFS, sorted_members(squashfs.read_squashfs(path)))
    return _archive(path)


def tree_of(image: Image) -> Tree:
    """One of our own images as a tree: everything in it is root's."""
    members: Iterable[Member] = (
        Member(entry.path, Kind.FOLDER, entry.mode)
        if entry.is_folder
        else Member(entry.path, Kind.FILE, entry.mode, content=image.contents[entry.path])
        for entry in image.manifest.files
    )
    return Tree(image.manifest.format, sorted_members(members), image.manifest)


def _from_pack(path: Path, hardware_id: str | None) -> Image:
    with open_pack(path) as pack:
        if hardware_id is None:
            raise UsageError(
                f"{path} holds {len(pack)} images: which one?", hint="Name a hardware id.", code="image.which"
            )
        return pack.read(hardware_id)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_HEAD)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise FileError(f"cannot read {path}: {reason}", hint="Check the path and its rights.") from error


def _ext4(path: Path) -> list[Member]:
    with path.open("rb") as stream:
        descriptor = stream.fileno()
        size = os.fstat(descriptor).st_size
        return list(read_ext4(lambda at, n: os.pread(descriptor, n, at), size, str(path), limit=LARGEST))


def _archive(path: Path) -> Tree:
    raw = read_bytes(path, limit=LARGEST)
    data, place = unpacked(raw, str(path)), str(path)
    ending = ".gz" if raw.startswith(GZIP) else ".zst" if raw.startswith(ZSTD) else ""
    if data.startswith(cpio.MAGICS):
        return Tree(f"{Format.CPIO}{ending}", sorted_members(cpio.read_cpio(data, place)))
    if data and looks_like_tar(data):
        return Tree(f"{Format.TAR}{ending}", sorted_members(read_tar(data, place)))
    if int.from_bytes(data[SUPERBLOCK + 0x38 : SUPERBLOCK + 0x3A], "little") == MAGIC:
        reader = read_ext4(lambda at, n: data[at : at + n], len(data), place, limit=LARGEST)
        return Tree(f"{Format.EXT4}{ending}", sorted_members(reader))
    what = next((name for magic, name in _OTHERS if data.startswith(magic)), None)
    if what is None:
        what = "a whole disk with a partition table" if data[510:512] == b"\x55\xaa" else "no image that is known here"
    raise UsageError(
        f"{path} is {what}" if data else f"{path} is empty",
        hint="Images are folders, tar, cpio (newc), ext2 to ext4, squashfs, or our own containers.",
        code="image.format",
    )
