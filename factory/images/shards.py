"""A folder tree that stays usable with a million images: 4096 folders by the hash of the hardware id."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from factory.files import FileError, replacing
from factory.images.formats.names import SUFFIXES, Format
from factory.images.image import Image
from factory.images.manifest import manifest_path
from factory.images.store import write_folder, write_packed

_DIGITS = 3


def shard(folder: Path, hardware_id: str) -> Path:
    """The folder that a unit's image lies in: the first three hex digits of the SHA-256 of its hardware id."""
    return folder / hashlib.sha256(hardware_id.encode("ascii")).hexdigest()[:_DIGITS]


def write_sharded(image: Image, folder: Path) -> Path:
    """Write an image and its manifest into its shard, whole or not at all; the caller syncs. Raises FileError."""
    hardware_id = str(image.manifest.identity["hardware_id"])
    home = shard(folder, hardware_id)
    try:
        home.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise FileError(
            f"cannot make the folder {home}: {reason}", hint="Check the disk's rights and space."
        ) from error
    path = home / f"{hardware_id}{SUFFIXES[image.manifest.format]}"
    if image.manifest.format == Format.FOLDER:
        write_folder(image, path)
    else:
        write_packed(image, path, durable=False)
    # The manifest comes last: where it is, the image is whole.
    text = json.dumps(image.manifest.as_json(), indent=2, ensure_ascii=True) + "\n"
    with replacing(manifest_path(home, hardware_id), durable=False) as stream:
        stream.write(text.encode("ascii"))
    return path
