"""cpio "newc", the format of an initramfs: written by hand so that the bytes are ours, read with every check."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping, Sequence

from factory.images.errors import ImageError
from factory.images.tree import Kind, Member, plain_path
from factory.values import FileEntry

MAGICS = (b"070701", b"070702")
_HEADER = 110
_TRAILER = "TRAILER!!!"
_BLOCK = 512
LARGEST_FILE = 2**32 - 1


def cpio(entries: Sequence[FileEntry], contents: Mapping[str, bytes]) -> bytes:
    """The archive of `entries`, by path: root's, time 0, numbered from 1, padded to blocks of 512 as cpio does."""
    pieces: list[bytes] = []
    for number, entry in enumerate(sorted(entries, key=lambda entry: entry.path), 1):
        content = b"" if entry.is_folder else contents[entry.path]
        mode = entry.mode | (stat.S_IFDIR if entry.is_folder else stat.S_IFREG)
        pieces += (_header(number, mode, 2 if entry.is_folder else 1, entry.path, len(content)), content)
        pieces.append(bytes(-len(content) % 4))
    pieces.append(_header(0, 0, 1, _TRAILER, 0))
    whole = b"".join(pieces)
    return whole + bytes(-len(whole) % _BLOCK)


def _header(number: int, mode: int, links: int, name: str, size: int) -> bytes:
    text = name.encode("ascii") + b"\0"
    fields = (number, mode, 0, 0, links, 0, size, 0, 0, 0, 0, len(text), 0)
    header = b"070701" + b"".join(b"%08X" % value for value in fields) + text
    return header + bytes(-len(header) % 4)


def read_cpio(data: bytes, place: str) -> Iterator[Member]:
    """The members of a newc archive. Raises ImageError for one that is cut or is none."""
    at = 0
    held: dict[int, list[Member]] = {}
    while True:
        fields, name, at = _entry(data, at, place)
        if name == _TRAILER:
            return
        number, mode, uid, gid, links, _, size = fields[:7]
        content = data[at : at + size]
        if len(content) != size:
            raise ImageError(f"{place} is cut within {name}", hint=_HINT)
        at += size + (-size % 4)
        member = _member(name, mode, uid, gid, content)
        # Of a file with several names only the last one brings the content.
        if member.kind is Kind.FILE and links > 1:
            waiting = held.setdefault(number, [])
            waiting.append(member)
            if not size and len(waiting) < links:
                continue
            yield from (_member(one.path, mode, one.uid, one.gid, content) for one in held.pop(number))
            continue
        yield member


def _entry(data: bytes, at: int, place: str) -> tuple[tuple[int, ...], str, int]:
    header = data[at : at + _HEADER]
    if len(header) < _HEADER or header[:6] not in MAGICS:
        raise ImageError(f"{place} is no whole cpio archive: no header at byte {at}", hint=_HINT)
    try:
        fields = tuple(int(header[start : start + 8], 16) for start in range(6, _HEADER, 8))
    except ValueError as error:
        raise ImageError(f"{place}: the cpio header at byte {at} is damaged", hint=_HINT) from error
    length = fields[11]
    raw = data[at + _HEADER : at + _HEADER + length]
    if len(raw) != length or not raw.endswith(b"\0"):
        raise ImageError(f"{place}: the cpio name at byte {at} is damaged", hint=_HINT)
    end = at + _HEADER + length
    return fields, raw[:-1].decode("utf-8", "surrogateescape"), end + (-end % 4)


def _member(name: str, mode: int, uid: int, gid: int, content: bytes) -> Member:
    path, bits = plain_path(name), stat.S_IMODE(mode)
    if stat.S_ISREG(mode):
        return Member(path, Kind.FILE, bits, uid, gid, content)
    if stat.S_ISDIR(mode):
        return Member(path, Kind.FOLDER, bits, uid, gid)
    if stat.S_ISLNK(mode):
        return Member(path, Kind.LINK, bits, uid, gid, target=content.decode("utf-8", "surrogateescape"))
    return Member(path, Kind.OTHER, bits, uid, gid)


_HINT = "Build or copy the image again."
