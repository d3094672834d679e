"""squashfs, made and read by squashfs-tools: the same tools on the same image give the same bytes."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from factory.files import PRIVATE, read_bytes, write_bytes
from factory.images.errors import ImageError
from factory.images.formats.names import LARGEST
from factory.images.programs import program, run
from factory.images.tree import Kind, Member, plain_path

MAGIC = b"hsqs"


def squashfs(tar: bytes) -> bytes:
    """The file system of a canonical tar: everything root's, time 0, no padding to the page.

    Raises UsageError without mksquashfs, ImageError when it fails (before version 4.5 it takes no tar).
    """
    with tempfile.TemporaryDirectory(prefix="factory-") as name:
        target = Path(name) / "image"
        argv = [program("mksquashfs"), "-", str(target), "-tar", "-all-root", "-no-xattrs", "-noappend", "-no-progress"]
        argv += ["-mkfs-time", "0", "-all-time", "0", "-root-mode", "0755", "-root-uid", "0", "-root-gid", "0"]
        argv += ["-processors", "1", "-comp", "gzip", "-nopad", "-quiet"]
        run(argv, stdin=tar)
        return read_bytes(target, limit=LARGEST)


def read_squashfs(path: Path) -> Iterator[Member]:
    """The members of a squashfs. Owners as numbers. Raises UsageError without unsquashfs, ImageError."""
    listed = run([program("unsquashfs"), "-lln", "-d", "", str(path)])
    with tempfile.TemporaryDirectory(prefix="factory-") as name:
        target = Path(name) / "tree"
        argv = [program("unsquashfs"), "-no-progress", "-no-xattrs", "-quiet", "-processors", "1", "-d", str(target)]
        run([*argv, str(path)])
        for line in listed.splitlines():
            fields = line.split(None, 5)
            if len(fields) == 6 and len(fields[0]) == 10 and "/" in fields[1]:
                yield from _member(target, fields)


def read_squashfs_bytes(data: bytes) -> Iterator[Member]:
    """The members of a squashfs in memory. Raises as `read_squashfs`."""
    with tempfile.TemporaryDirectory(prefix="factory-") as name:
        path = Path(name) / "image"
        write_bytes(path, data, mode=PRIVATE)
        yield from read_squashfs(path)


def _member(target: Path, fields: list[str]) -> Iterator[Member]:
    """One line of the listing: rights, owner/group, size, date, time, name."""
    rights, owner, _, _, _, name = fields
    uid, gid = (int(part) for part in owner.split("/"))
    link = None
    if rights[0] == "l":
        name, _, link = name.partition(" -> ")
    path = plain_path(name)
    mode = _bits(rights)
    if not path:
        return
    if rights[0] == "d":
        yield Member(path, Kind.FOLDER, mode, uid, gid)
    elif rights[0] == "l":
        yield Member(path, Kind.LINK, mode, uid, gid, target=link)
    elif rights[0] == "-":
        yield Member(path, Kind.FILE, mode, uid, gid, _content(target / path))
    else:
        yield Member(path, Kind.OTHER, mode, uid, gid)


def _content(path: Path) -> bytes:
    if not stat.S_ISREG(path.lstat().st_mode):
        raise ImageError(f"{path.name} was not unpacked as the file that it is listed as")
    if not os.access(path, os.R_OK):
        path.chmod(stat.S_IRUSR)
    return read_bytes(path, limit=LARGEST)


def _bits(rights: str) -> int:
    """Permission bits of `-rwsr-xr-t`."""
    bits = 0
    for place, letter in enumerate(rights[1:]):
        if letter not in "-ST":
            bits |= 0o400 >> place
        if letter in "sStT":
            bits |= 0o4000 >> (place // 3)
    return bits
