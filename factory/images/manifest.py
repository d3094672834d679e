"""Manifests as files: beside every image on disk lies what it holds and where it came from, without its key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from factory.config.fields import Section
from factory.files import read_bytes, write_text
from factory.images.errors import ImageError
from factory.values import FileEntry, Manifest

SUFFIX = ".manifest.json"
_LIMIT = 4 * 1024 * 1024


class _Entry(Section):
    path: str
    mode: str
    size: int
    sha256: str | None


class _Document(Section):
    # "schema" itself would hide a method of the model.
    image: str
    format: Literal["dir", "tar", "tar.gz", "tar.zst", "cpio", "squashfs", "ext4"]
    product: str
    template: str
    identity: dict[str, object]
    files: tuple[_Entry, ...]
    payload: str | None = None


def manifest_path(folder: Path, hardware_id: str) -> Path:
    """Where the manifest of a unit's image lies within a folder of images."""
    return folder / f"{hardware_id}{SUFFIX}"


def write_manifest(manifest: Manifest, path: Path) -> None:
    """Write a manifest as JSON. Raises FileError."""
    write_text(path, json.dumps(manifest.as_json(), indent=2, ensure_ascii=True) + "\n")


def read_manifest(path: Path) -> Manifest:
    """Read a manifest. Raises FileError when it is missing, ImageError when it is none."""
    return parse_manifest(read_bytes(path, limit=_LIMIT), str(path))


def parse_manifest(content: bytes, path: str) -> Manifest:
    """A manifest from its JSON; `path` is for errors. Raises ImageError."""
    try:
        data = json.loads(content)
        schema = data.pop("schema", None) if isinstance(data, dict) else None
        if schema != "factory.image/1":
            raise ImageError(f"{path} is no image manifest", hint="Images have a file HARDWARE_ID.manifest.json.")
        document = _Document.model_validate_json(json.dumps(data))
        files = tuple(FileEntry(entry.path, int(entry.mode, 8), entry.size, entry.sha256) for entry in document.files)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ImageError(f"{path} is damaged: {place}: {first['msg']}") from None
    except (ValueError, RecursionError) as error:
        raise ImageError(f"{path} is damaged: {error}") from error
    return Manifest(
        document.image,
        document.format,
        document.product,
        document.template,
        dict(document.identity),
        files,
        document.payload,
    )
