"""What `factory flash` is given: images with their manifests, one out of a container, files of other makers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from factory.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory.images import Image


def one_image(paths: Sequence[Path], pack: Path | None, hardware_id: str | None) -> Image:
    """The one image for one unit, held against its manifest. Raises UsageError, FileError, ImageError."""
    from factory.images import open_pack, read_image

    if pack is not None:
        if paths or hardware_id is None:
            raise UsageError(
                "a container holds many images: which one?", hint="Give --pack CONTAINER --id HARDWARE_ID."
            )
        with open_pack(pack) as container:
            return container.read(hardware_id)
    if hardware_id is not None:
        raise UsageError("--id names an image within a container", hint="Give --pack CONTAINER as well.")
    if len(paths) != 1:
        hint = "Many images at once can go onto cards: --card NAME for each."
        raise UsageError(f"one unit gets one image, and {len(paths) or 'none'} were named", hint=hint)
    if not has_manifest(paths[0]):
        raise _nobodys(paths[0], "")
    return read_image(paths[0])


def card_images(
    paths: Sequence[Path], pack: Path | None, hardware_id: str | None, *, off_ledger: str | None
) -> list[Image | Path]:
    """The images for cards, in order: ours, and off the ledger files of others as they are."""
    from factory.images import read_image

    if pack is not None or hardware_id is not None:
        return [one_image(paths, pack, hardware_id)]
    for path in paths:
        if not has_manifest(path) and (off_ledger is None or not path.exists()):
            raise _nobodys(path, " A file of another maker goes onto a card with --off-ledger REASON.")
    return [read_image(path) if has_manifest(path) else path for path in paths]


def _nobodys(path: Path, more: str) -> UsageError:
    said = f"{path} has no manifest beside it, so nobody knows whose image it is"
    return UsageError(
        said if path.exists() else f"there is no image {path}",
        hint=f"Take an image that `factory run` or `factory image build` wrote, with its .manifest.json.{more}",
        code="flash.no-manifest",
    )


def has_manifest(path: Path) -> bool:
    """Whether the image is one of ours."""
    from factory.images.manifest import SUFFIX, manifest_path
    from factory.images.store import own_name

    return path.name.endswith(SUFFIX) or manifest_path(path.parent, own_name(path)).is_file()
