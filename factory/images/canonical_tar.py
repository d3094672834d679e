"""The canonical tar: one and only one sequence of bytes for the same files. Its SHA-256 is the image's identity.

Written by hand because the identity must not change with a library's version: plain ustar headers, entries in the
order of their paths, time 0, root:root, two closing blocks and nothing after them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from factory.values import FileEntry

_BLOCK = 512
_FILE, _FOLDER = b"0", b"5"


def canonical_tar(entries: Sequence[FileEntry], contents: Mapping[str, bytes]) -> bytes:
    """Return the tar of `entries` (any order), with the content of each file from `contents`.

    Paths are ASCII and shorter than 100 characters, which template sets are held to.
    """
    pieces: list[bytes] = []
    for entry in sorted(entries, key=lambda entry: entry.path):
        content = b"" if entry.is_folder else contents[entry.path]
        pieces += (_header(entry, len(content)), content, bytes(-len(content) % _BLOCK))
    pieces.append(bytes(2 * _BLOCK))
    return b"".join(pieces)


def _header(entry: FileEntry, size: int) -> bytes:
    name = (entry.path + "/" if entry.is_folder else entry.path).encode("ascii")
    if len(name) > 100:
        raise ValueError(f"path too long for a ustar header: {entry.path}")
    fields = (
        name.ljust(100, b"\0"),
        b"%07o\0" % entry.mode,
        b"0000000\0",  # uid
        b"0000000\0",  # gid
        b"%011o\0" % size,
        b"00000000000\0",  # mtime
        b" " * 8,  # checksum, filled in below
        _FOLDER if entry.is_folder else _FILE,
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
