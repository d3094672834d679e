"""Reading the tree of an ext2, ext3 or ext4 image, without root and without mounting it."""

from __future__ import annotations

import stat
from collections.abc import Iterator

from factory.images.errors import ImageError
from factory.images.ext4.layout import ROOT, Inode, Layout, Reader
from factory.images.tree import Kind, Member

SPARE = "lost+found"
_MOST_MEMBERS = 100_000
_DEEPEST = 64


def read_ext4(read: Reader, size: int, place: str, *, limit: int) -> Iterator[Member]:
    """The members of an image of `size` bytes, without lost+found; `limit` bounds all contents together, in bytes.

    Raises ImageError for what is damaged, cut, endless, or uses features that are not read here.
    """
    layout = Layout(read, size, place)
    left = limit
    for count, (path, inode) in enumerate(walk(layout, ROOT), 1):
        member = _member(layout, path, inode, left)
        left -= len(member.content or b"")
        if count > _MOST_MEMBERS:
            raise ImageError(f"{place} has more than {_MOST_MEMBERS} members")
        yield member


def walk(layout: Layout, number: int, above: str = "", seen: tuple[int, ...] = ()) -> Iterator[tuple[str, Inode]]:
    """Every path below a folder with its inode, in the order of the folder."""
    if number in seen or len(seen) > _DEEPEST:
        raise ImageError(f"{layout.place}: the folder /{above} contains itself")
    for name, child in folder(layout, layout.inode(number)):
        if name in (".", "..") or (not above and name == SPARE):
            continue
        path = f"{above}/{name}" if above else name
        inode = layout.inode(child)
        yield path, inode
        if stat.S_ISDIR(inode.mode):
            yield from walk(layout, child, path, (*seen, number))


def folder(layout: Layout, inode: Inode) -> Iterator[tuple[str, int]]:
    """The entries of a folder: name and inode number. An index (dir_index) looks like empty entries here."""
    data = layout.content(inode, 16 * 1024 * 1024)
    at = 0
    while at + 8 <= len(data):
        number = int.from_bytes(data[at : at + 4], "little")
        length, size = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        if length < 8 or length % 4 or at + length > len(data) or size + 8 > length:
            raise ImageError(f"{layout.place}: the folder of inode {inode.number} is damaged")
        if number:
            name = data[at + 8 : at + 8 + size].decode("utf-8", "surrogateescape")
            if "/" in name or "\0" in name or not name:
                raise ImageError(f"{layout.place}: the folder of inode {inode.number} has the name {name!r}")
            yield name, number
        at += length


def _member(layout: Layout, path: str, inode: Inode, limit: int) -> Member:
    bits = stat.S_IMODE(inode.mode)
    if stat.S_ISREG(inode.mode):
        return Member(path, Kind.FILE, bits, inode.uid, inode.gid, layout.content(inode, limit))
    if stat.S_ISDIR(inode.mode):
        return Member(path, Kind.FOLDER, bits, inode.uid, inode.gid)
    if stat.S_ISLNK(inode.mode):
        fast = inode.sectors == 0 and inode.size < 60
        raw = inode.raw[0x28 : 0x28 + inode.size] if fast else layout.content(inode, 4096)
        return Member(path, Kind.LINK, bits, inode.uid, inode.gid, target=raw.decode("utf-8", "surrogateescape"))
    return Member(path, Kind.OTHER, bits, inode.uid, inode.gid)
