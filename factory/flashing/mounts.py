"""Will a file at this place still be there after a power cut? Judged from the unit's table of mounts. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from factory.units.protocol import UnitError

_PERSISTENT = frozenset(
    (
        *("bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "jffs2", "jfs", "nilfs2", "ntfs", "ntfs3"),
        *("reiserfs", "ubifs", "vfat", "xfs", "yaffs", "yaffs2", "zfs"),
    )
)
_IN_MEMORY = frozenset(("devtmpfs", "ramfs", "rootfs", "tmpfs"))
_READ_ONLY = frozenset(("cramfs", "erofs", "iso9660", "romfs", "squashfs", "udf"))
_OVERLAYS = frozenset(("overlay", "overlayfs"))
_MEMORY_DEVICE = re.compile(r"/dev/(?:ram|zram)[0-9]*")
_OCTAL = re.compile(r"\\([0-7]{3})")


class Persistence(StrEnum):
    """Whether what is written at a place survives a power cut."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of the table of mounts, names decoded."""

    device: str
    point: str
    kind: str
    options: tuple[str, ...]

    def option(self, name: str) -> str | None:
        """The value of `name=value` among the options, or None."""
        start = f"{name}="
        return next((option.removeprefix(start) for option in self.options if option.startswith(start)), None)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement on one place: `why` is a clause that names the file system; `point` is where it is mounted,
    None where the table has no mount for the place; `read_only` is why nothing can be written there at all.
    """

    persistence: Persistence
    why: str
    point: str | None
    read_only: bool = False


def parse_mounts(text: str) -> tuple[Mount, ...]:
    """Parse a table in the form of /proc/mounts (blanks inside names are octal escapes there).

    Raises UnitError for a line that has fewer than four fields.
    """
    mounts = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split()
        if len(fields) < 4:
            raise UnitError(f"line {number} of the unit's table of mounts has {len(fields)} fields, 4 needed")
        device, point, kind, options = (_OCTAL.sub(_character, field) for field in fields[:4])
        mounts.append(Mount(device, point.rstrip("/") or "/", kind, tuple(options.split(","))))
    return tuple(mounts)


def mount_of(mounts: Sequence[Mount], path: str) -> Mount | None:
    """The mount that holds an absolute path without symlinks: the longest mount point above it, the last one in
    the table where several are mounted over each other.
    """
    best: Mount | None = None
    for mount in mounts:
        if is_below(path, mount.point) and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def is_below(path: str, folder: str) -> bool:
    """True when `path` is `folder` or lies below it; both absolute."""
    return folder == "/" or path == folder or path.startswith(folder + "/")


def judge(mounts: Sequence[Mount], path: str) -> Verdict:
    """Judge one absolute path without symlinks.

    No: in memory, read-only, or an overlay whose upper layer is. Unknown: a type of file system that says nothing
    about persistence (network, fuse, loop devices, an upper layer that cannot be seen).
    """
    mount = mount_of(mounts, path)
    if mount is None:
        return Verdict(Persistence.UNKNOWN, "on no mount that the unit's table names", None)
    persistence, why = _judge_mount(mounts, mount, depth=0)
    return Verdict(persistence, why, mount.point, _is_read_only(mount))


def _is_read_only(mount: Mount) -> bool:
    bare = mount.kind in _OVERLAYS and mount.option("upperdir") is None
    return mount.kind in _READ_ONLY or "ro" in mount.options or bare


def _judge_mount(mounts: Sequence[Mount], mount: Mount, depth: int) -> tuple[Persistence, str]:
    name = f"on {mount.kind}, mounted at {mount.point}"
    if mount.kind in _IN_MEMORY or _MEMORY_DEVICE.fullmatch(mount.device):
        return Persistence.NO, f"{name}, which lives in memory"
    if mount.kind in _READ_ONLY or "ro" in mount.options:
        return Persistence.NO, f"{name}, which is read-only"
    if mount.kind in _OVERLAYS:
        return _judge_overlay(mounts, mount, name, depth)
    if mount.kind not in _PERSISTENT:
        return Persistence.UNKNOWN, f"{name}, which may or may not keep it"
    if mount.device.startswith("/dev/loop"):
        return Persistence.UNKNOWN, f"{name} over a loop device, whose file may lie anywhere"
    return Persistence.YES, name


def _judge_overlay(mounts: Sequence[Mount], mount: Mount, name: str, depth: int) -> tuple[Persistence, str]:
    upper = mount.option("upperdir")
    if upper is None:
        return Persistence.NO, f"{name}, which has no upper layer and is read-only"
    below = mount_of(mounts, upper) if upper.startswith("/") else None
    # An upper layer that seems to lie on an overlay itself was mounted before the root was changed: its path means
    # something else now.
    if below is None or below.kind in _OVERLAYS or depth > 0:
        return Persistence.UNKNOWN, f"{name}, whose upper layer {upper} cannot be seen from here"
    persistence, why = _judge_mount(mounts, below, depth + 1)
    return persistence, f"{name}, whose upper layer {upper} is {why}"


def _character(match: re.Match[str]) -> str:
    return chr(int(match.group(1), 8))
