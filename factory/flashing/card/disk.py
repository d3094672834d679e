"""The disk behind a card reader's path: which device it is now, what it is, and who uses it.

Nothing is opened here. Everything is asked from the kernel at the moment of use, by device number: names such as
/dev/sdb are given in the order of plugging and mean another disk tomorrow.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from factory.config import CardReader
from factory.errors import Exit
from factory.flashing.errors import FlashError

SECTOR = 512
"""The unit of /sys/class/block/*/size, whatever sectors the disk has."""


class CardRefused(FlashError):  # noqa: N818 - reads as what happened
    """What lies in the reader, or the image for it, is not fit for this; nothing was written."""

    code = "card.refused"
    exit_code = Exit.FAILED


@dataclass(frozen=True, slots=True)
class Host:
    """Where this computer tells about its disks; tests have their own."""

    sys: Path = Path("/sys")
    proc: Path = Path("/proc")


@dataclass(frozen=True, slots=True)
class Disk:
    """A whole disk: its link, the device behind it now, the device number, size in bytes, and the kernel's number of
    this very medium, which changes when another is inserted (None where the kernel is older than that number).
    """

    link: str
    device: str
    number: int
    size: int
    sequence: str | None


def find_disk(reader: CardReader, host: Host) -> Disk:
    """Resolve the reader's link and refuse all that is not a free card. Raises CardRefused."""
    link = Path(reader.path)
    if not link.is_symlink():
        if link.exists():
            raise _refused(reader, "path", "is no link", "Name the reader by its link in /dev/disk/by-path.")
        raise _refused(reader, "absent", "there is no such device", "Is the reader plugged in? Is this its USB port?")
    try:
        device = link.resolve(strict=True)
        status = device.stat()
    except OSError as error:
        raise _refused(reader, "absent", "the device is gone", "Plug the reader in again.") from error
    if not stat.S_ISBLK(status.st_mode):
        raise _refused(reader, "not-device", f"{device} is no block device", "A card reader or USB disk is wanted.")
    folder = _folder(host, status.st_rdev)
    if folder is None:
        raise _refused(reader, "absent", f"the system does not know {device} any more", "Plug the reader in again.")
    if (folder / "partition").exists():
        raise _refused(reader, "not-disk", f"{device} is a partition", "Name the whole disk: the link without -partN.")
    size = int(_text(folder / "size") or 0) * SECTOR
    disk = Disk(reader.path, str(device), status.st_rdev, size, _text(folder / "diskseq"))
    _require_card(reader, disk, folder)
    _require_unused(reader, disk, folder, host)
    return disk


def gone(disk: Disk, host: Host) -> bool:
    """True when the device is gone, has no medium any more, or has another."""
    folder = _folder(host, disk.number)
    if folder is None or not int(_text(folder / "size") or 0):
        return True
    return disk.sequence != _text(folder / "diskseq")


def _require_card(reader: CardReader, disk: Disk, folder: Path) -> None:
    if disk.size == 0:
        raise _refused(reader, "empty", "there is no card in the reader", "Insert a card.")
    if disk.size > reader.max_size:
        what = f"{disk.device} has {disk.size} bytes, at most {reader.max_size} are taken for a card"
        raise _refused(reader, "too-large", what, "Is it a disk? If it is a card, set max_size of this [[card]].")
    if not reader.fixed and not _is_removable(folder):
        what = f"{disk.device} is neither removable nor on USB nor an SD card"
        raise _refused(reader, "fixed", what, "If it is a card all the same, set fixed = true for this [[card]].")
    if _text(folder / "ro") == "1":
        raise _refused(reader, "read-only", f"{disk.device} is read-only", "Look at the card's write-protect switch.")


def _is_removable(folder: Path) -> bool:
    real = folder.resolve()
    if "virtual" in real.parts:  # loop, device mapper, RAID, RAM
        return False
    if real.name.startswith("mmcblk"):  # an eMMC is soldered in and says MMC
        return _text(folder / "device" / "type") == "SD"
    return _text(folder / "removable") == "1" or any(part.startswith("usb") for part in real.parts)


def _require_unused(reader: CardReader, disk: Disk, folder: Path, host: Host) -> None:
    parts = [entry for entry in folder.resolve().iterdir() if (entry / "partition").exists()]
    numbers = {disk.number} | {_number(_text(part / "dev") or "0:0") for part in parts}
    points = sorted({point for number, point in _mounts(host) if number in numbers})
    if _of_root(host, {_text(folder / "dev") or ""}) or "/" in points:
        raise _refused(reader, "system-disk", f"{disk.device} is the disk this station runs from", _OTHER)
    if points:
        what = f"{disk.device} is mounted on {', '.join(points)}"
        raise _refused(reader, "mounted", what, "Unmount it, and turn automatic mounting off at this station.")
    if any(number in numbers for number in _swaps(host)):
        raise _refused(reader, "system-disk", f"{disk.device} is in use for swap", _OTHER)
    holders = sorted(holder.name for one in (folder, *parts) for holder in _listed(one / "holders"))
    if holders:
        raise _refused(reader, "busy", f"{disk.device} belongs to {', '.join(holders)}", _OTHER)


def _mounts(host: Host) -> Iterator[tuple[int, str]]:
    """Device number and place of every mount; by its source too: some file systems have numbers of their own."""
    for line in (host.proc / "self" / "mountinfo").read_text("utf-8", "surrogateescape").splitlines():
        left, _, right = line.partition(" - ")
        fields, source = left.split(" "), right.split(" ")[1:2]
        point = fields[4].encode("ascii", "backslashreplace").decode("ascii")
        yield _number(fields[2]), point
        if source and source[0].startswith("/"):
            number = _device(_unescaped(source[0]))
            if number is not None:
                yield number, point


def _swaps(host: Host) -> Iterator[int]:
    path = host.proc / "swaps"
    lines = path.read_text("utf-8", "surrogateescape").splitlines()[1:] if path.exists() else []
    for line in lines:
        number = _device(_unescaped(line.split()[0]))
        if number is not None:
            yield number


def _of_root(host: Host, disks: set[str]) -> bool:
    """True when the file system of / lies on one of these disks, through however many layers."""
    wanted = {_number(text) for text in disks}
    todo, seen = [folder for folder in [_folder(host, Path("/").stat().st_dev)] if folder is not None], set[str]()
    while todo:
        folder = todo.pop().resolve()
        if str(folder) in seen:
            continue
        seen.add(str(folder))
        if _number(_text(folder / "dev") or "0:0") in wanted:
            return True
        if (folder / "partition").exists():
            todo.append(folder.parent)
        todo += _listed(folder / "slaves")
    return False


def _folder(host: Host, number: int) -> Path | None:
    folder = host.sys / "dev" / "block" / f"{os.major(number)}:{os.minor(number)}"
    return folder if folder.exists() else None


def _listed(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _text(path: Path) -> str | None:
    """A line of sysfs, None where this kernel or device has no such file."""
    try:
        return path.read_text("ascii").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:  # the device went away between the look at its folder and the reading
        return None


def _number(text: str) -> int:
    major, _, minor = text.partition(":")
    return os.makedev(int(major), int(minor))


def _device(path: str) -> int | None:
    """The number of a block device, None for whatever else a path is or is no more."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_rdev if stat.S_ISBLK(status.st_mode) else None


def _unescaped(text: str) -> str:
    return text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")


def _refused(reader: CardReader, what: str, message: str, hint: str) -> CardRefused:
    return CardRefused(f"card {reader.name} ({reader.path}): {message}", hint=hint, code=f"card.{what}")


_OTHER = "Name another place: this disk is not a card for units."
