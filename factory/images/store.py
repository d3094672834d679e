"""Images on disk: written whole or not at all, read back and held against their manifest."""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import shutil
import stat
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from factory.files import PRIVATE, FileError, make_folder, read_bytes, sync_folder, write_bytes
from factory.images.canonical_tar import canonical_tar
from factory.images.errors import ImageError
from factory.images.image import FOLDER, TAR, TAR_GZ, Image
from factory.images.manifest import SUFFIX, manifest_path, read_manifest, write_manifest
from factory.values import FileEntry, Manifest

_LARGEST = 64 * 1024 * 1024
_SUFFIXES = {FOLDER: "", TAR: ".tar", TAR_GZ: ".tar.gz"}


def write_image(image: Image, folder: Path) -> Path:
    """Write an image below `folder` (made when missing) under its hardware id, and its manifest beside it.

    Archives have mode 0600 and folders 0700, since the registration key is in them. What was there under the same
    name is replaced. Raises FileError.
    """
    make_folder(folder)
    hardware_id = str(image.manifest.identity["hardware_id"])
    path = folder / f"{hardware_id}{_SUFFIXES[image.manifest.format]}"
    if image.manifest.format == FOLDER:
        _write_folder(image, path)
    else:
        write_bytes(path, image.packed(), mode=PRIVATE)
    write_manifest(image.manifest, manifest_path(folder, hardware_id))
    return path


def read_image(path: Path) -> Image:
    """Read an image of any format, or the one whose manifest `path` names, and hold it against its manifest.

    Raises ImageError (code `image.damaged`) when a byte, a mode or a name differs, FileError when it or its manifest
    cannot be read.
    """
    name = _stem(path)
    manifest = read_manifest(manifest_path(path.parent, name))
    path = path.parent / f"{name}{_SUFFIXES[manifest.format]}"
    found = _read_folder(path) if manifest.format == FOLDER else _read_archive(path, manifest.format)
    _compare(path, manifest, found)
    tar = canonical_tar(manifest.files, found.contents)
    if hashlib.sha256(tar).hexdigest() != manifest.image or found.tar not in (None, tar):
        raise ImageError(f"{path} is not the image {manifest.image} that its manifest names", hint=_REBUILD)
    return Image(manifest, found.contents, tar)


def _stem(path: Path) -> str:
    """The hardware id in an image's file name; an id may itself end in '.tar', so the manifest decides."""
    names = [path.name.removesuffix(suffix) for suffix in (SUFFIX, ".tar.gz", ".tar", "")]
    there = (name for name in names if manifest_path(path.parent, name).is_file())
    return next(there, min(names, key=len))


_REBUILD = "Build the image again."


@dataclass(frozen=True, slots=True)
class _Found:
    """What lies on disk: contents of files, permission bits of everything, and the raw tar of an archive."""

    contents: Mapping[str, bytes]
    modes: Mapping[str, int]
    tar: bytes | None = None


def _write_folder(image: Image, path: Path) -> None:
    """Written beside its place and moved there whole. A power cut between the two moves leaves no image under the
    name, never half of one.
    """
    staging = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    old = path.with_name(f".{path.name}.{secrets.token_hex(4)}.old")
    try:
        staging.mkdir(mode=0o700)
        for entry in image.manifest.files:
            if entry.is_folder:
                (staging / entry.path).mkdir()
                (staging / entry.path).chmod(entry.mode)
        for name, content in image.contents.items():
            mode = next(entry.mode for entry in image.manifest.files if entry.path == name)
            write_bytes(staging / name, content, mode=mode)
        if path.exists():
            path.rename(old)
        staging.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise FileError(f"cannot write the image {path}: {reason}", hint="Check the folder and its space.") from error
    finally:
        if old.exists() and not path.exists():
            old.rename(path)
        shutil.rmtree(staging, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _read_folder(path: Path) -> _Found:
    contents: dict[str, bytes] = {}
    modes: dict[str, int] = {}
    if not path.is_dir():
        raise FileError(f"there is no image folder {path}")
    for member in sorted(path.rglob("*")):
        name = member.relative_to(path).as_posix()
        status = member.lstat()
        if stat.S_ISREG(status.st_mode):
            contents[name] = read_bytes(member, limit=_LARGEST)
        elif not stat.S_ISDIR(status.st_mode):
            raise ImageError(f"{member} is neither file nor folder", hint=_REBUILD)
        modes[name] = stat.S_IMODE(status.st_mode)
    return _Found(contents, modes)


def _read_archive(path: Path, form: str) -> _Found:
    data = read_bytes(path, limit=_LARGEST)
    if form == TAR_GZ:
        data = _unpacked(path, data)
    contents: dict[str, bytes] = {}
    modes: dict[str, int] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for member in archive:
                stream = archive.extractfile(member) if member.isreg() else None
                if stream is not None:
                    contents[member.name] = stream.read()
                elif not member.isdir():
                    raise ImageError(f"{path}: {member.name} is neither file nor folder", hint=_REBUILD)
                modes[member.name] = member.mode
    except tarfile.TarError as error:
        raise ImageError(f"{path} is no whole tar: {error}", hint=_REBUILD) from error
    return _Found(contents, modes, data)


def _unpacked(path: Path, data: bytes) -> bytes:
    """Gunzip with a bound: a small file may claim to hold gigabytes."""
    engine = zlib.decompressobj(wbits=31)
    try:
        unpacked = engine.decompress(data, _LARGEST)
    except zlib.error as error:
        raise ImageError(f"{path} is no whole gzip: {error}", hint=_REBUILD) from error
    if not engine.eof or engine.unused_data or engine.unconsumed_tail:
        raise ImageError(f"{path} is no whole gzip, or larger than {_LARGEST} bytes", hint=_REBUILD)
    return unpacked


def _compare(path: Path, manifest: Manifest, found: _Found) -> None:
    expected = {entry.path: entry for entry in manifest.files}
    for name in sorted(expected.keys() ^ found.modes.keys()):
        what = "is missing" if name in expected else "does not belong to it"
        raise ImageError(f"{path}: {name} {what}", hint=_REBUILD)
    for name, entry in expected.items():
        wrong = _difference(entry, found.contents.get(name), found.modes[name])
        if wrong:
            raise ImageError(f"{path}: {name} {wrong}", hint=_REBUILD)


def _difference(entry: FileEntry, content: bytes | None, mode: int) -> str | None:
    if entry.is_folder != (content is None):
        return "is a file in one and a folder in the other of image and manifest"
    if content is not None and hashlib.sha256(content).hexdigest() != entry.sha256:
        return "has another content than the manifest says"
    if content is not None and len(content) != entry.size:
        return f"has {len(content)} bytes, the manifest says {entry.size}"
    if os.name == "posix" and mode != entry.mode:
        return f"has mode {mode:04o}, the manifest says {entry.mode:04o}"
    return None
