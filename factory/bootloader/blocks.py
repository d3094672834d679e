"""Block devices behind the loader: chosen, written and read in blocks of 512 bytes, counts in hex."""

from __future__ import annotations

import re
from dataclasses import dataclass

from factory.bootloader.line import BootloaderError, Limit, excerpt
from factory.bootloader.prompt import Answer, Bootloader

BLOCK = 512
_CURRENT = re.compile(r"is (?:now )?current device")
_DONE = re.compile(r"(?i)(\d+) blocks (?:written|write|read): (OK|ERROR)")
# How the loader looks for its devices, before one of them can be chosen.
_FIND = {"virtio": "virtio scan", "usb": "usb start", "scsi": "scsi scan", "nvme": "nvme scan"}
_SECONDS_PER_MIB = 4.0  # a slow card
_STEP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Device:
    """A block device by U-Boot's names: `interface` is its command, `part` the hardware partition of an eMMC."""

    interface: str
    number: int
    part: int | None = None

    def __str__(self) -> str:
        part = "" if self.part is None else f" hwpart {self.part}"
        return f"{self.interface} {self.number}{part}"


def select(loader: Bootloader, device: Device, *, limit: Limit) -> None:
    """Make the device the current one. Raises BootloaderError `uboot.device`."""
    if device.interface in _FIND:
        loader.run(_FIND[device.interface], limit=limit.within(_STEP_SECONDS)).require(f"looking for {device}")
    part = "" if device.part is None else f" {device.part}"
    answer = loader.run(f"{device.interface} dev {device.number}{part}", limit=limit.within(_STEP_SECONDS))
    if not answer.ok or not _CURRENT.search(answer.text):
        raise _failed(
            loader, answer, f"{device} cannot be chosen",
            "Check [flash.uboot] interface, device and hwpart; is a card in?", "uboot.device",
        )  # fmt: skip


def write(loader: Bootloader, device: Device, address: int, start: int, count: int, *, limit: Limit) -> None:
    """Write `count` blocks from RAM to block `start`. Raises BootloaderError `uboot.write`: what is there then is
    not known.
    """
    _transfer(loader, device, "write", address, start, count, limit)


def read(loader: Bootloader, device: Device, address: int, start: int, count: int, *, limit: Limit) -> None:
    """Read `count` blocks from block `start` into RAM. Raises BootloaderError `uboot.read`."""
    _transfer(loader, device, "read", address, start, count, limit)


def _transfer(
    loader: Bootloader, device: Device, verb: str, address: int, start: int, count: int, limit: Limit
) -> None:
    seconds = _STEP_SECONDS + _SECONDS_PER_MIB * count * BLOCK / 2**20
    answer = loader.run(f"{device.interface} {verb} {address:x} {start:x} {count:x}", limit=limit.within(seconds))
    done = _DONE.search(answer.text)
    if not answer.ok or done is None or int(done[1]) != count or done[2].upper() != "OK":
        what = f"{device}: {verb} of {count} blocks at block {start} failed"
        raise _failed(loader, answer, what, "Is the card locked, worn or pulled?", f"uboot.{verb}")


def _failed(loader: Bootloader, answer: Answer, what: str, hint: str, code: str) -> BootloaderError:
    said = excerpt(answer.text.encode())
    return BootloaderError(f"{loader.route}: {what}: {said}", hint=hint, code=code)
