"""Reading tar archives, ours and others'."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator

from factory.images.errors import ImageError
from factory.images.tree import Kind, Member, plain_path

_HINT = "Build or copy the image again."


def looks_like_tar(data: bytes) -> bool:
    """True for what starts with a header that some tar wrote (ustar, GNU, pax; the old form by its checksum)."""
    if data[257:262] == b"ustar":
        return True
    try:
        tarfile.TarInfo.frombuf(data[:512], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def read_tar(data: bytes, place: str) -> Iterator[Member]:
    """The members of an uncompressed tar. Raises ImageError for one that is cut or is none."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for member in archive:
                yield _member(archive, member)
    except (tarfile.TarError, KeyError, EOFError) as error:
        raise ImageError(f"{place} is no whole tar: {error}", hint=_HINT) from error


def _member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Member:
    path = plain_path(member.name)
    if member.isdir():
        return Member(path, Kind.FOLDER, member.mode, member.uid, member.gid)
    if member.issym():
        return Member(path, Kind.LINK, member.mode, member.uid, member.gid, target=member.linkname)
    if member.isreg() or member.islnk():
        stream = archive.extractfile(member)
        content = b"" if stream is None else stream.read()
        return Member(path, Kind.FILE, member.mode, member.uid, member.gid, content)
    return Member(path, Kind.OTHER, member.mode, member.uid, member.gid)
