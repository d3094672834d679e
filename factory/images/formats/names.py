"""Names of the formats, and how their files end."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """What [image] format may say."""

    FOLDER = "dir"
    TAR = "tar"
    TAR_GZ = "tar.gz"
    TAR_ZST = "tar.zst"
    CPIO = "cpio"
    SQUASHFS = "squashfs"
    EXT4 = "ext4"


FORMATS = tuple(one.value for one in Format)
SUFFIXES = {one.value: "" if one is Format.FOLDER else f".{one.value}" for one in Format}
LARGEST = 64 * 1024 * 1024
"""Bytes that an image may unpack to: a small file may claim to hold gigabytes."""
