"""An image's bytes held against its manifest: what was read is what was built, or it is refused."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from factory.files import FileError, read_bytes
from factory.images.canonical_tar import canonical_tar
from factory.images.errors import ImageError
from factory.images.ext4.reader import read_ext4
from factory.images.ext4.sparse import Sparse
from factory.images.formats.compressed import unpacked
from factory.images.formats.cpio import cpio, read_cpio
from factory.images.formats.names import LARGEST, Format
from factory.images.formats.squashfs import read_squashfs_bytes
from factory.images.formats.tar import read_tar
from factory.images.image import Image
from factory.images.tree import Kind, Member
from factory.values import FileEntry, Manifest

REBUILD = "Build the image again."


def image_of(manifest: Manifest, data: bytes | Sparse, place: str) -> Image:
    """The image in `data`, its file as bytes or its blocks. Raises ImageError (`image.damaged`) for any difference."""
    if isinstance(data, Sparse):
        _require_payload(manifest, data, place)
        members: Iterable[Member] = read_ext4(data.read_at, data.size, place, limit=LARGEST)
        return _checked(manifest, members, place, body=data)
    if manifest.format == Format.SQUASHFS:
        _require_payload(manifest, Sparse.of(data), place)
        return _checked(manifest, read_squashfs_bytes(data), place, body=data)
    inner = unpacked(data, place) if manifest.format in (Format.TAR_GZ, Format.TAR_ZST) else data
    if manifest.format == Format.CPIO:
        image = _checked(manifest, read_cpio(inner, place), place)
        exact = cpio(manifest.files, image.contents)
    else:
        image = _checked(manifest, read_tar(inner, place), place)
        exact = image.tar
    if inner != exact:
        raise ImageError(f"{place} is not the image {manifest.image} that its manifest names", hint=REBUILD)
    return image


def folder_image(manifest: Manifest, path: Path) -> Image:
    """The image in a folder. Raises ImageError and FileError."""
    return _checked(manifest, read_folder(path), str(path))


def read_folder(path: Path) -> Iterable[Member]:
    """The members of a folder on disk. Raises FileError."""
    if not path.is_dir():
        raise FileError(f"there is no image folder {path}")
    for found in sorted(path.rglob("*")):
        name, status = found.relative_to(path).as_posix(), found.lstat()
        bits, owner = stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid)
        if stat.S_ISREG(status.st_mode):
            yield Member(name, Kind.FILE, bits, *owner, content=read_bytes(found, limit=LARGEST))
        elif stat.S_ISDIR(status.st_mode):
            yield Member(name, Kind.FOLDER, bits, *owner)
        elif stat.S_ISLNK(status.st_mode):
            yield Member(name, Kind.LINK, bits, *owner, target=str(found.readlink()))
        else:
            yield Member(name, Kind.OTHER, bits, *owner)


def _require_payload(manifest: Manifest, data: Sparse, place: str) -> None:
    if data.payload != manifest.payload:
        raise ImageError(f"{place} has other blocks than the manifest says", hint=REBUILD)


def _checked(manifest: Manifest, members: Iterable[Member], place: str, body: bytes | Sparse | None = None) -> Image:
    found = {member.path: member for member in members}
    found.pop("", None)
    expected = {entry.path: entry for entry in manifest.files}
    for name in sorted(expected.keys() ^ found.keys()):
        what = "is missing" if name in expected else "does not belong to it"
        raise ImageError(f"{place}: {name} {what}", hint=REBUILD)
    for name, entry in expected.items():
        wrong = _difference(entry, found[name])
        if wrong:
            raise ImageError(f"{place}: {name} {wrong}", hint=REBUILD)
    contents: Mapping[str, bytes] = {
        name: member.content for name, member in found.items() if member.content is not None
    }
    tar = canonical_tar(manifest.files, contents)
    if hashlib.sha256(tar).hexdigest() != manifest.image:
        raise ImageError(f"{place} is not the image {manifest.image} that its manifest names", hint=REBUILD)
    return Image(manifest, contents, tar, body)


def _difference(entry: FileEntry, member: Member) -> str | None:
    if member.kind not in (Kind.FILE, Kind.FOLDER):
        return "is neither file nor folder"
    if entry.is_folder != (member.kind is Kind.FOLDER):
        return "is a file in one and a folder in the other of image and manifest"
    if member.sha256 != entry.sha256:
        return "has another content than the manifest says"
    if member.content is not None and len(member.content) != entry.size:
        return f"has {len(member.content)} bytes, the manifest says {entry.size}"
    if os.name == "posix" and member.mode != entry.mode:
        return f"has mode {member.mode:04o}, the manifest says {entry.mode:04o}"
    return None
