"""The canonical tar: one and only one sequence of bytes for the same files. Its SHA-256 is the image's identity.

Written by hand because the identity must not change with a library's version: plain ustar headers, entries in the
order of their paths, time 0, root:root, two closing blocks and nothing after them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import attrgetter

from factory.values import FileEntry

_BLOCK = 512
_FILE, _FOLDER = b"0", b"5"
_END = bytes(2 * _BLOCK)
_path = attrgetter("path")
_PADDING = tuple(bytes(count) for count in range(_BLOCK))


def canonical_tar(entries: Sequence[FileEntry], contents: Mapping[str, bytes]) -> bytes:
    """Return the tar of `entries` (any order), with the content of each file from `contents`.

    Paths are ASCII and shorter than 100 characters, which template sets are held to.
    """
    pieces: list[bytes] = []
    for entry in sorted(entries, key=_path):
        path = entry.path
        if entry.sha256 is None:
            pieces.append(_header(path, entry.mode, 0, True))
            continue
        content = contents[path]
        size = len(content)
        pieces += (_header(path, entry.mode, size, False), content, _PADDING[-size % _BLOCK])
    pieces.append(_END)
    return b"".join(pieces)


@lru_cache(maxsize=4096)
def _header(path: str, mode: int, size: int, folder: bool) -> bytes:
    """Kept, since from unit to unit of a product only a few sizes differ."""
    name = (path + "/" if folder else path).encode("ascii")
    if len(name) > 100:
        raise ValueError(f"path too long for a ustar header: {path}")
    fields = (
        name.ljust(100, b"\0"),
        b"%07o\0" % mode,
        b"0000000\0",  # uid
        b"0000000\0",  # gid
        b"%011o\0" % size,
        b"00000000000\0",  # mtime
        b" " * 8,  # checksum, filled in below
        _FOLDER if folder else _FILE,
        bytes(100),  # link target
        b"ustar\x0000",
        b"root".ljust(32, b"\0"),
        b"root".ljust(32, b"\0"),
        b"0000000\0",  # device numbers
        b"0000000\0",
        bytes(155),  # path prefix
        bytes(12),
    )
    header = b"".join(fields)
    return header[:148] + b"%06o\0 " % sum(header) + header[156:]
