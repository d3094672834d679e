"""The disks of a QEMU unit: the root file system, and targets that look like erased flash."""

from __future__ import annotations

import struct
from pathlib import Path

from factory import files
from factory.rehearsal.qemu.host import output
from factory.rehearsal.qemu.plan import MEBI, SECTOR

ERASED = b"\xff"
_LINUX = 0x83


def make_root(disk: Path, tree: Path, size: int) -> None:
    """Make an ext4 file system of the tree, as a user may. Raises NotStartedError when it does not fit."""
    with files.replacing(disk, durable=False) as stream:
        stream.truncate(size)
    output(["mke2fs", "-q", "-F", "-t", "ext4", "-O", "^metadata_csum_seed,^orphan_file", "-E",
            "root_owner=0:0", "-m", "0", "-d", tree, disk])  # fmt: skip


def make_target(disk: Path, size: int) -> None:
    """Make a disk of 0xFF with an MBR that divides it into two halves after the first MiB."""
    first = MEBI // SECTOR
    half = (size // SECTOR - first) // 2
    table = struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", _LINUX, b"\xfe\xff\xff", first, half)
    table += struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", _LINUX, b"\xfe\xff\xff", first + half, half)
    make_erased(disk, size)
    with disk.open("r+b") as stream:
        stream.seek(440)
        stream.write(b"unit\0\0" + table + bytes(32) + b"\x55\xaa")


def make_erased(disk: Path, size: int) -> None:
    """Make a disk of 0xFF: a target on which a hole that was not written is seen."""
    with files.replacing(disk, durable=False) as stream:
        for _ in range(size // MEBI):
            stream.write(ERASED * MEBI)
        stream.write(ERASED * (size % MEBI))
