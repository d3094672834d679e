"""An image whose top stands for another directory than the one that it is flashed below."""

from __future__ import annotations

from dataclasses import replace

from factory.errors import UsageError
from factory.images.image import Image
from factory.values import FileEntry


def seen_from(image: Image, root: str | None, folder: str) -> Image:
    """The image as it looks from the unit's `folder`: its paths start there. `root` is what its top stands for, None
    for that folder itself. It stays the same image, by its hash; folders above `folder` are the unit's own.

    Raises UsageError (`image.root`) for an image that does not lie below the folder whole.
    """
    top, below = parts(root if root is not None else folder), parts(folder)
    if top == below:
        return image
    if below[: len(top)] != top:
        raise UsageError(
            f"the image's top stands for {root}, and its files are flashed one by one below {folder}",
            hint="[image] root is [unit] connectd_dir or a directory above it.",
            code="image.root",
        )
    prefix = "/".join(below[len(top) :]) + "/"
    entries: list[FileEntry] = []
    for entry in image.manifest.files:
        if entry.path.startswith(prefix):
            entries.append(replace(entry, path=entry.path.removeprefix(prefix)))
        elif not (entry.is_folder and prefix.startswith(f"{entry.path}/")):
            raise UsageError(
                f"{entry.path} lies outside {folder}, below which files are flashed one by one",
                hint="Make it a product of its own, or flash the image as a whole partition.",
                code="image.root",
            )
    contents = {path.removeprefix(prefix): content for path, content in image.contents.items()}
    return replace(image, manifest=replace(image.manifest, files=tuple(entries)), contents=contents)


def parts(path: str) -> list[str]:
    """The names in a path, without what stands for no folder."""
    return [part for part in path.split("/") if part not in ("", ".")]
