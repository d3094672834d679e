"""What speaks against writing to a device: each a finding with its place and what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from factory.config import PartitionFlash, UnitSection
from factory.flashing.objections import objection
from factory.flashing.partition.mtd import ERASERS, Mtd
from factory.flashing.partition.source import Source
from factory.flashing.partition.target import Target, is_target
from factory.values import Finding, shown

PLACE = "flash.partition.target"
_SECTOR = 512
_DISK_HINT = "A partition of that disk is written to only where [flash.partition] target names exactly that partition."


def path_finding(path: str, section: UnitSection) -> Finding | None:
    """What is wrong with the path alone, before the unit is asked."""
    if is_target(path, simulated=section.simulated):
        return None
    hint = "Name a device, as in /dev/mmcblk0p3; below the unit's folder for a simulated unit."
    return objection("flash.not-a-device", PLACE, f"{shown(path)} names no device", hint)


def target_findings(target: Target, source: Source, section: UnitSection, flash: PartitionFlash) -> Iterator[Finding]:
    """Everything that speaks against writing `source` to this device."""
    wrong = _kind_finding(target, section)
    if wrong is not None:
        yield wrong
        return
    yield from _room_findings(target, source)
    yield from _use_findings(target, section, flash)
    yield from _tool_findings(target)


def _kind_finding(target: Target, section: UnitSection) -> Finding | None:
    code, name = "flash.not-a-device", shown(target.path)
    if target.kind == "absent":
        return objection(code, PLACE, f"{name} does not exist on the unit", "Is the target right for this board?")
    if section.simulated and target.kind == "file":
        return None
    if target.mtd is not None:
        return _flash_memory_finding(target, target.mtd)
    if target.kind == "character":
        hint = "Name a block device, or flash memory as in /dev/mtd5."
        return objection(code, PLACE, f"{name} is a character device that holds nothing", hint)
    if target.kind != "block":
        return objection(code, PLACE, f"{name} is no device", "Writing there would fill the unit's memory or root.")
    if not target.number or not target.disk:
        hint = "Mount /sys on the unit: without it nobody can tell what else uses the device."
        return objection("flash.unknown-device", PLACE, f"the kernel tells nothing about {name}", hint)
    if target.number.startswith("31:"):
        hint = (
            f"An mtdblock device rewrites whole erase blocks and knows no bad ones. Name /dev/mtd{target.number[3:]}."
        )
        return objection(code, PLACE, f"{name} is raw flash memory behind a block device", hint)
    return None


def _flash_memory_finding(target: Target, mtd: Mtd) -> Finding | None:
    name = shown(target.path)
    if not mtd.bytewise:
        message = f"{name} is {shown(mtd.type)} memory that is written in pages of {mtd.page} bytes"
        hint = "It may have bad blocks. Put UBI with a file system on it, and use method files there."
        return objection("flash.memory", PLACE, message, hint)
    if not target.tools & set(ERASERS):
        message = "the unit has no program that erases flash memory"
        return objection("flash.tool", "unit.tools", message, f"It needs one of {', '.join(ERASERS)}.")
    return None


def _room_findings(target: Target, source: Source) -> Iterator[Finding]:
    name, needed = shown(target.path), -(-source.size // _SECTOR) * _SECTOR
    if target.read_only:
        yield objection("flash.read-only", PLACE, f"{name} is read-only", "A write-protect switch, or a locked eMMC.")
    if target.size is None or target.size == 0:
        yield objection(
            "flash.unknown-device", PLACE, f"the size of {name} is not told", "Is there a card in the reader?"
        )
    elif target.size < needed:
        message = f"{name} has {target.size} bytes, and the image needs {needed}"
        yield objection(
            "flash.too-small", PLACE, message, "Make a smaller image ([image] size), or the partition larger."
        )


def _use_findings(target: Target, section: UnitSection, flash: PartitionFlash) -> Iterator[Finding]:
    name = shown(target.path)
    if target.uses is None:
        message = "the unit does not tell what it has mounted"
        yield objection("flash.mounts", PLACE, message, "Mount /proc on the unit ([unit] mounts_file when simulated).")
        return
    if target.own_uses:
        what = ", ".join(_used(one) for one in target.own_uses[:3])
        yield objection("flash.mounted", PLACE, f"{name} is in use: {what}", "Unmount it on the unit before flashing.")
    if target.holders:
        held = ", ".join(map(shown, target.holders[:3]))
        yield objection(
            "flash.held", PLACE, f"{name} is below other devices: {held}", "Take them down on the unit first."
        )
    # Flash memory shows in `own_uses` whatever shares memory with it, so the disk matters only where it was not named.
    if section.simulated or not target.disk_uses or (target.is_partition and target.path == flash.target):
        return
    what = ", ".join(_used(one) for one in target.disk_uses[:3])
    yield objection("flash.system-disk", PLACE, f"{name} is on a disk that the unit runs from ({what})", _DISK_HINT)


def _tool_findings(target: Target) -> Iterator[Finding]:
    if "dd" not in target.tools:
        yield objection(
            "flash.tool", "unit.tools", "the unit has no dd", "A partition cannot be written to without it."
        )


def _used(what: str) -> str:
    return what if what == "swap" else f"mounted at {shown(what)}"
