"""A simulated unit with a file for its partition, filled with 0xFF, and an image of a real builder's kind."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from factory.config import PartitionFlash, TimeoutsSection, UnitSection
from factory.flashing.partition import PartitionPreflight, flash_partition, preflight_partition
from factory.images import Image
from factory.images.ext4 import make_base
from factory.images.ext4.base import shape_of
from factory.units.deadline import Deadline
from factory.units.protocol import Unit
from factory.values import Facts, FileEntry, Manifest, Receipt
from tests.flashing.rig import FIRST_BOOT, IDENTITY, NEW
from tests.programs import require
from tests.units.local import LocalUnit

TARGET = "dev/partition"
MIB = 1024 * 1024


def ext4_image(size: int = 4 * MIB, extra: dict[str, bytes] | None = None) -> Image:
    """An image as a builder makes it, by e2fsprogs."""
    for name in ("mke2fs", "debugfs"):
        require(name)
    contents = {**NEW, **(extra or {})}
    modes = {"registration_key.txt": 0o600}
    entries = [
        FileEntry(path, modes.get(path, 0o644), len(content), hashlib.sha256(content).hexdigest())
        for path, content in contents.items()
    ]
    entries = sorted([*entries, FileEntry("services", 0o700)], key=lambda entry: entry.path)
    files = [entry.path for entry in entries if not entry.is_folder]
    body = make_base("test", size, entries, shape_of(files, contents)).patched(contents)
    manifest = Manifest("1" * 64, "ext4", "test", "0" * 64, {}, tuple(entries), body.payload)
    return Image(manifest, contents, b"", body)


def raw_image(body: bytes) -> Image:
    """Bytes of a file system that is not ours."""
    return Image(Manifest("2" * 64, "squashfs", "test", "0" * 64, {}, ()), {}, b"", body)


@dataclass
class PartitionRig:
    """One unit: a folder in which a shell runs, and a file that stands for the device."""

    root: Path
    size: int = 6 * MIB
    flash: PartitionFlash = field(default_factory=lambda: PartitionFlash(target=TARGET))
    section: UnitSection = field(
        default_factory=lambda: UnitSection(
            connectd_dir="etc/connectd",
            interfaces_dir="sys/class/net",
            mounts_file="proc/mounts",
            simulated=True,
            timeouts=TimeoutsSection(command=20.0, flash=60.0, reboot=10.0),
        )
    )

    def __post_init__(self) -> None:
        for name in ("dev", "proc/sys/kernel/random", "etc/connectd"):
            (self.root / name).mkdir(parents=True)
        self.device = self.root / TARGET
        self.fill()
        self.set_mounts("/dev/mmcblk0p2 / ext4 rw 0 0")
        self.set_boot(FIRST_BOOT)

    def fill(self, old: bytes = b"") -> None:
        """Old content and then 0xFF."""
        self.device.write_bytes(old + b"\xff" * (self.size - len(old)))

    def set_mounts(self, *lines: str) -> None:
        (self.root / "proc/mounts").write_text("".join(f"{line}\n" for line in lines))

    def set_boot(self, boot_id: str) -> None:
        (self.root / "proc/sys/kernel/random/boot_id").write_text(f"{boot_id}\n")

    def unit(self, **env: str) -> LocalUnit:
        return LocalUnit(self.root, env=env or None)

    def facts(self) -> Facts:
        boot = (self.root / "proc/sys/kernel/random/boot_id").read_text().strip()
        return Facts(interfaces=IDENTITY.macs, serial="board-1", boot_id=boot, routes=("local:unit",))

    def reread(self, unit: Unit, deadline: Deadline) -> Facts:
        return self.facts()

    def checked(self, unit: Unit, image: Image) -> PartitionPreflight:
        return preflight_partition(unit, image, self.section, self.flash, deadline=Deadline(60))

    def write(self, unit: Unit, image: Image, checked: PartitionPreflight | None = None) -> Receipt:
        return flash_partition(
            unit, self.section, checked=checked or self.checked(unit, image), facts=self.facts(),
            deadline=Deadline(60), reread=self.reread,
        )  # fmt: skip

    def content(self, length: int) -> bytes:
        return self.device.read_bytes()[:length]


def is_clean(path: Path) -> bool:
    """What e2fsck says about a file system."""
    return subprocess.run([require("e2fsck"), "-fn", path], capture_output=True, check=False).returncode == 0


def is_mountable(data: bytes) -> bool:
    """Whether any file system that these tests know would be found there."""
    return data[1080:1082] == b"\x53\xef" or data[:4] == b"hsqs"


def read_files(path: Path, image: Image) -> dict[str, bytes]:
    """The files as debugfs sees them."""
    return {
        entry.path: subprocess.run(
            [require("debugfs"), "-R", f"cat {entry.path}", path], capture_output=True, check=True
        ).stdout
        for entry in image.manifest.files
        if not entry.is_folder
    }
