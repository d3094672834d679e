"""Block maps: which blocks of an image file hold anything, and the SHA-256 of each run of them.

Format 1.x and 2.0 as bmap-tools writes it (bmap-tools, "bmap file format"). Only what the map names has to be written;
a hole that no map names is zeros that have to be written too.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from factory.images.errors import ImageError
from factory.values import shown

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

LARGEST = 32 * 1024 * 1024
"""Bytes that a block map may have: a map of a terabyte that changes with every block is smaller."""
_VERSION = re.compile(r"(1|2)\.[0-9]{1,3}")
_NUMBER = re.compile(r"[0-9]{1,18}")
_RANGE = re.compile(r"([0-9]{1,18})(?:\s*-\s*([0-9]{1,18}))?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HINT = "Make the block map again from the image: bmaptool create IMAGE > IMAGE.bmap"


@dataclass(frozen=True, slots=True)
class BmapRange:
    """One run of blocks: its place and length in bytes, and the SHA-256 of its bytes where the map has one."""

    offset: int
    length: int
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Bmap:
    """A block map. `image_size` and `block_size` are in bytes; `ranges` ascend, do not touch, and end within the
    image.
    """

    version: str
    image_size: int
    block_size: int
    ranges: tuple[BmapRange, ...]

    @property
    def mapped(self) -> int:
        """How many bytes the map names."""
        return sum(one.length for one in self.ranges)


def bmap_beside(image: Path) -> Path | None:
    """The block map that lies beside an image file: IMAGE.bmap, or with .bmap for the last suffix."""
    for path in (image.with_name(f"{image.name}.bmap"), image.with_suffix(".bmap")):
        if path.is_file() and path != image:
            return path
    return None


def read_bmap(path: Path) -> Bmap:
    """Read and check a block map. Raises ImageError (`bmap.*`), also where the file cannot be read."""
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except OSError as error:
        raise ImageError(f"the block map {path} cannot be read: {error.strerror}", code="bmap.read") from error
    return parse_bmap(data, str(path))


def parse_bmap(data: bytes, place: str = "the block map") -> Bmap:
    """Parse a block map and check its own checksum. Raises ImageError (`bmap.*`) that names `place`."""
    if len(data) > LARGEST:
        raise ImageError(f"{place} is larger than {LARGEST} bytes", code="bmap.size")
    root = _root(data, place)
    version = root.get("version", "")
    if root.tag != "bmap" or not _VERSION.fullmatch(version):
        raise _wrong(place, f"is no block map of version 1 or 2 ({shown(root.tag)} {shown(version)})", "bmap.version")
    algorithm = _text(root, "ChecksumType", place, optional=True)
    if algorithm not in (None, "sha256") or root.find("BmapFileSHA1") is not None:
        raise _wrong(place, f"has checksums of another kind than sha256: {shown(algorithm or 'sha1')}", "bmap.checksum")
    if algorithm is not None or version.startswith("2"):
        _check_own(data, _text(root, "BmapFileChecksum", place) or "", place)
    size, block = _number(root, "ImageSize", place), _number(root, "BlockSize", place)
    if block < 512 or block & block - 1 or block > 1 << 26 or size < 1:
        raise _wrong(place, f"has an image of {size} bytes in blocks of {block}", "bmap.form")
    count = _number(root, "BlocksCount", place)
    if count != -(-size // block):
        raise _wrong(place, f"counts {count} blocks of {block} bytes for {size} bytes", "bmap.form")
    ranges = tuple(_ranges(root, size, block, place, hashed=algorithm is not None))
    if not ranges:
        raise _wrong(place, "names no block, so nothing would be written", "bmap.form")
    mapped = _text(root, "MappedBlocksCount", place, optional=True)
    named = sum(-(-one.length // block) for one in ranges)
    if mapped is not None and mapped != str(named):
        raise _wrong(place, f"says that {shown(mapped)} blocks are mapped, and names {named}", "bmap.form")
    return Bmap(version, size, block, ranges)


def _root(data: bytes, place: str) -> Element:
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise _wrong(place, f"is no sound XML: {shown(str(error))}", "bmap.xml") from error
    return root


def _ranges(root: Element, size: int, block: int, place: str, *, hashed: bool) -> Iterator[BmapRange]:
    block_map = root.find("BlockMap")
    if block_map is None:
        raise _wrong(place, "has no BlockMap", "bmap.form")
    end = 0
    for element in block_map:
        match = _RANGE.fullmatch((element.text or "").strip())
        if element.tag != "Range" or match is None:
            raise _wrong(place, f"has an odd range: {shown((element.text or element.tag).strip())}", "bmap.form")
        first, last = int(match[1]), int(match[2] or match[1])
        if first < end or last < first or last * block >= size:
            raise _wrong(place, f"has the range {first}-{last} out of order or outside the image", "bmap.form")
        end = last + 1
        digest = element.get("chksum") if hashed else None
        if hashed and not _SHA256.fullmatch(digest or ""):
            raise _wrong(place, f"has no SHA-256 for the range {first}-{last}", "bmap.form")
        yield BmapRange(first * block, min(end * block, size) - first * block, digest)


def _check_own(data: bytes, said: str, place: str) -> None:
    """The map's own checksum is that of the file with the checksum's digits as zeros."""
    if not _SHA256.fullmatch(said) or data.count(said.encode()) != 1:
        raise _wrong(place, "has no checksum of its own", "bmap.checksum")
    if hashlib.sha256(data.replace(said.encode(), b"0" * 64)).hexdigest() != said:
        raise _wrong(place, "was changed or damaged: its own checksum is another", "bmap.checksum")


def _text(root: Element, name: str, place: str, *, optional: bool = False) -> str | None:
    found = root.findall(name)
    if optional and not found:
        return None
    if len(found) != 1:
        raise _wrong(place, f"has {len(found)} times {name}", "bmap.form")
    return (found[0].text or "").strip()


def _number(root: Element, name: str, place: str) -> int:
    text = _text(root, name, place) or ""
    if not _NUMBER.fullmatch(text):
        raise _wrong(place, f"has no number for {name}: {shown(text)}", "bmap.form")
    return int(text)


def _wrong(place: str, what: str, code: str) -> ImageError:
    return ImageError(f"{place} {what}", hint=_HINT, code=code)
