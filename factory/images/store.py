"""Images on disk: written whole or not at all, read back and held against their manifest."""

from __future__ import annotations

from pathlib import Path

from factory.files import PRIVATE, FileError, make_folder, read_bytes, replacing, replacing_folder, write_bytes
from factory.images.ext4.sparse import Sparse
from factory.images.formats.names import LARGEST, SUFFIXES, Format
from factory.images.image import Image
from factory.images.manifest import SUFFIX, manifest_path, read_manifest, write_manifest
from factory.images.verify import folder_image, image_of


def write_image(image: Image, folder: Path) -> Path:
    """Write an image below `folder` (made when missing) under its hardware id, and its manifest beside it.

    Files have mode 0600 and folders 0700, since the registration key is in them. What was there under the same
    name is replaced. Raises FileError.
    """
    make_folder(folder)
    hardware_id = str(image.manifest.identity["hardware_id"])
    path = folder / f"{hardware_id}{SUFFIXES[image.manifest.format]}"
    if image.manifest.format == Format.FOLDER:
        write_folder(image, path)
    else:
        write_packed(image, path)
    write_manifest(image.manifest, manifest_path(folder, hardware_id))
    return path


def write_packed(image: Image, path: Path, *, durable: bool = True) -> None:
    """Write the one file of an image; a file system stays sparse. Raises FileError."""
    packed = image.packed()
    with replacing(path, mode=PRIVATE, durable=durable) as stream:
        if isinstance(packed, Sparse):
            packed.write(stream)
        else:
            stream.write(packed)


def read_image(path: Path) -> Image:
    """Read an image of any format, or the one whose manifest `path` names, and hold it against its manifest.

    Raises ImageError (code `image.damaged`) when a byte, a mode or a name differs, FileError when it or its manifest
    cannot be read.
    """
    name = own_name(path)
    manifest = read_manifest(manifest_path(path.parent, name))
    path = path.parent / f"{name}{SUFFIXES[manifest.format]}"
    if manifest.format == Format.FOLDER:
        return folder_image(manifest, path)
    if path.exists() and not path.is_file():  # a pipe would be waited for without an end
        raise FileError(f"{path} is no file", hint="Name an image that `factory run` or `factory image build` wrote.")
    if manifest.format == Format.EXT4:
        return image_of(manifest, _sparse(path), str(path))
    return image_of(manifest, read_bytes(path, limit=LARGEST), str(path))


def own_name(path: Path) -> str:
    """The hardware id in an image's file name; an id may itself end in '.tar', so the manifest decides."""
    endings = sorted((ending for ending in SUFFIXES.values() if ending), key=len, reverse=True)
    names = [path.name.removesuffix(ending) for ending in (SUFFIX, *endings, "")]
    there = (name for name in names if manifest_path(path.parent, name).is_file())
    return next(there, min(names, key=len))


def _sparse(path: Path) -> Sparse:
    try:
        return Sparse.read(path, LARGEST)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise FileError(f"cannot read {path}: {reason}", hint="Check the path and its rights.") from error


def write_folder(image: Image, path: Path) -> None:
    """Written beside its place and moved there whole. A power cut between the two moves leaves no image under the
    name, never half of one. Raises FileError.
    """
    modes = {entry.path: entry.mode for entry in image.manifest.files}
    with replacing_folder(path) as staging:
        for entry in image.manifest.files:
            if entry.is_folder:
                (staging / entry.path).mkdir()
                (staging / entry.path).chmod(entry.mode)
        for name, content in image.contents.items():
            write_bytes(staging / name, content, mode=modes[name])
