"""[flash.partition]: an image streamed into a block device or MTD on the unit."""

from __future__ import annotations

from typing import Literal

from factory.config.fields import Name, Section


class PartitionFlash(Section):
    """[flash.partition]: `target` is the device on the unit, as in /dev/mmcblk0p3 or /dev/mtd5. Naming a partition of
    the disk that the unit runs from here is what allows to write to it. `unseen` lets a unit pass where the device was
    read back and nothing on the unit showed that it reads it: one that mounts it later, or runs another system.
    """

    target: Name
    compress: Literal["auto", "none", "gzip", "zstd"] = "auto"
    unseen: bool = False
