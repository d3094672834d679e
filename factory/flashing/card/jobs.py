"""From a product's [flash.card] and the images that were named to the jobs for the cards."""

from __future__ import annotations

from pathlib import Path

from factory.config import CardReader
from factory.config.flash_card import CardFlash
from factory.errors import UsageError
from factory.flashing.card.source import Mapped, Source, image_file, in_memory
from factory.flashing.card.work import CardJob
from factory.images import Image
from factory.images.ext4 import Sparse

_PACKINGS = (".gz", ".xz", ".zst")


def card_job(card: CardReader, image: Image | Path | None, section: CardFlash | None, system: Source | None) -> CardJob:
    """What goes onto one card: `system` from `system_image`, and the unit's own image, which is one of ours, any image
    file, or None. Raises UsageError (`card.usage`) for what does not go together, and what opening the image raises.
    """
    partition = section.partition if section else None
    if image is None and system is None:
        raise _usage("there is nothing to write", "Name an image, or os_image in [flash.card].")
    if image is None and partition is not None:
        raise _usage(f"partition {partition} of a card takes the unit's own image", "Name one image for each --card.")
    if image is not None and system is not None and partition is None:
        hint = "Set partition in [flash.card], or leave the image out."
        raise _usage("os_image takes the whole card and leaves no place for the unit's own image", hint)
    if isinstance(image, Image):
        return CardJob(card, system, _unit_source(image), image.manifest, partition)
    return CardJob(card, system, _measured(_file(image, None)) if image else None, None, partition)


def system_image(section: CardFlash | None, folder: Path) -> Source | None:
    """The image of the system that [flash.card] names, relative to the product file's `folder`, with its block map
    where there is one. Raises FileError, CardRefused, and what is wrong with a block map.
    """
    if section is None or section.os_image is None:
        return None
    return _file(folder / section.os_image, folder / section.bmap if section.bmap else None)


def _file(path: Path, named: Path | None) -> Source:
    found = named or _beside(path)
    if found is None:
        return image_file(path)
    size, ranges = _block_map(found)
    return image_file(path, ranges, size)


def _beside(path: Path) -> Path | None:
    """The block map beside an image: x.img.gz has x.img.gz.bmap, x.img.bmap or x.bmap."""
    plain = path.with_suffix("") if path.suffix in _PACKINGS else path
    names = [path.with_name(f"{path.name}.bmap"), path.with_name(f"{plain.name}.bmap"), plain.with_suffix(".bmap")]
    return next((name for name in names if name.is_file()), None)


def _unit_source(image: Image) -> Source:
    packed, name = image.packed(), f"the image of {image.manifest.identity.get('hardware_id')}"
    if isinstance(packed, Sparse):
        return in_memory(name, packed.size, packed.ranges)
    if image.body is None:
        message = f"{name} is an archive ({image.manifest.format}), and a card takes a file system"
        raise _usage(message, 'Build it with [image] format = "ext4" or "squashfs".')
    return in_memory(name, len(packed), ((0, packed),))


def _measured(source: Source) -> Source:
    """A unit's image with its size, for which a packed one is unpacked once."""
    if source.size is not None:
        return source
    with source.opened() as reader:
        size = reader.finish()
    return Source(source.name, size, source.ranges, source.opened)


def _usage(message: str, hint: str) -> UsageError:
    return UsageError(message, hint=hint, code="card.usage")


def _block_map(path: Path) -> tuple[int, tuple[Mapped, ...]]:
    from factory.images.bmap import read_bmap

    bmap = read_bmap(path)
    return bmap.image_size, tuple(Mapped(one.offset, one.length, one.sha256) for one in bmap.ranges)
