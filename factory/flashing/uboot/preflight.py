"""What is refused before a byte goes to the unit: what does not fit, takes too long, or is for another unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from factory.bootloader import Bootloader, BootloaderError, read_environment
from factory.bootloader.blocks import BLOCK, Device, read, select
from factory.bootloader.load import seconds_for
from factory.bootloader.memory import read_memory
from factory.config import UbootFlash
from factory.errors import UsageError
from factory.flashing.errors import PreflightRefused
from factory.images import Image
from factory.images.ext4.sparse import Sparse
from factory.units.deadline import Deadline
from factory.values import Facts, Finding, Manifest, Severity

LONGEST_SECONDS = 600.0
_ALIGN = 1024 * 1024
_CHUNK = 4 * 1024 * 1024
_SMALLEST_CHUNK = 64 * 1024
_RAW = frozenset({"ext4", "squashfs"})


@dataclass(frozen=True, slots=True)
class UbootPlan:
    """What will be written where. Addresses and sizes are bytes; `count` blocks of 512 from block `start` on."""

    device: Device
    start: int
    count: int
    load_address: int
    read_address: int
    chunk: int
    seconds: float

    @property
    def medium(self) -> str:
        """As the receipt calls it."""
        return f"{self.device} blocks {self.start}+{self.count}"


def payload_of_image(image: Image) -> bytes:
    """The bytes that go onto the partition. Raises UsageError for an image that is no file system."""
    if image.manifest.format not in _RAW:
        raise UsageError(
            f"an image of the format {image.manifest.format} is no file system, which is what a partition takes",
            hint='Build it with [image] format = "ext4" or "squashfs".',
            code="flash.uboot.format",
        )
    body = image.packed()
    return body.whole() if isinstance(body, Sparse) else body


def preflight_from_bootloader(
    loader: Bootloader,
    payload: bytes,
    section: UbootFlash,
    *,
    baud: int,
    deadline: Deadline,
    manifest: Manifest | None = None,
    facts: Facts | None = None,
) -> UbootPlan:
    """May this image go onto this unit? Writes nothing to the unit's medium.

    `facts` are what `read_bootloader_facts` said; they are held against the manifest's identity. Raises
    PreflightRefused with every reason, UsageError where [flash.uboot] lacks what only the product knows.
    """
    if section.start_block is None or section.blocks is None:
        raise UsageError(
            "[flash.uboot] does not say which partition takes the image",
            hint="Give start_block and blocks, as `mmc part` at the boot loader's prompt tells them.",
            code="flash.uboot.partition",
        )
    count = -(-len(payload) // BLOCK)
    findings = [*_identity(section, manifest, facts), *_size(payload, section.blocks), *_time(payload, baud)]
    load_address = _load_address(loader, section, deadline)
    default = -(-(load_address + count * BLOCK) // _ALIGN) * _ALIGN
    read_address = default if section.read_address is None else section.read_address
    chunk = _memory(loader, section, load_address, read_address, count * BLOCK, findings, deadline)
    device = Device(section.interface, section.device, section.hwpart)
    if not findings:
        findings += _device(loader, device, section.start_block + section.blocks - 1, read_address, deadline)
    if findings:
        raise PreflightRefused(loader.route, tuple(findings))
    seconds = seconds_for(len(payload), baud)
    return UbootPlan(device, section.start_block, count, load_address, read_address, chunk, seconds)


def _finding(code: str, place: str, message: str, hint: str) -> Finding:
    return Finding(f"flash.uboot.{code}", Severity.ERROR, place, message, hint)


def _size(payload: bytes, blocks: int) -> list[Finding]:
    if 0 < len(payload) <= blocks * BLOCK:
        return []
    message = f"the image has {len(payload)} bytes, the partition {blocks * BLOCK}"
    return [_finding("too-large", "flash.uboot.blocks", message, "Nothing outside of the partition is ever written.")]


def _time(payload: bytes, baud: int) -> list[Finding]:
    seconds = seconds_for(len(payload), baud)
    if seconds <= LONGEST_SECONDS:
        return []
    message = f"{len(payload)} bytes take about {seconds / 60:.0f} minutes at {baud} baud, more than 10"
    return [_finding("too-slow", "flash.uboot", message, "Use a smaller image, a higher baud rate, or a card.")]


def _identity(section: UbootFlash, manifest: Manifest | None, facts: Facts | None) -> list[Finding]:
    if manifest is None or facts is None or not section.environment:
        return []
    macs = manifest.identity.get("macs")
    wanted: dict[str, str] = (
        {f"mac.{name}": str(mac) for name, mac in macs.items()} if isinstance(macs, Mapping) else {}
    )
    if manifest.identity.get("serial"):
        wanted["serial"] = str(manifest.identity["serial"])
    found = {f"mac.{name}": mac.colons for name, mac in facts.interfaces.items()}
    if facts.serial is not None:
        found["serial"] = facts.serial
    both = wanted.keys() & found.keys()
    if not both:
        message = "the boot loader does not say which unit this is"
        hint = "Set it first (factory uboot set), or say with environment = {} that this loader names no unit."
        return [_finding("unknown-unit", "flash.uboot.environment", message, hint)]
    return [
        _finding("other-unit", name, f"the unit has {found[name]}, the image is for {wanted[name]}", "Change the unit.")
        for name in sorted(both)
        if wanted[name] != found[name]
    ]


def _load_address(loader: Bootloader, section: UbootFlash, deadline: Deadline) -> int:
    if section.load_address is not None:
        return section.load_address
    text = read_environment(loader, limit=deadline).values.get("loadaddr", "")
    try:
        return int(text, 16)
    except ValueError:
        raise UsageError(
            f"{loader.route}: where may images be loaded? The loader's variable loadaddr does not say ({text[:40]!r})",
            hint="Give [flash.uboot] load_address.",
            code="flash.uboot.load-address",
        ) from None


def _memory(
    loader: Bootloader,
    section: UbootFlash,
    load_at: int,
    read_at: int,
    size: int,
    findings: list[Finding],
    deadline: Deadline,
) -> int:
    """Add what does not fit into RAM to `findings`; how many bytes are read back at a time."""
    memory = read_memory(loader, top=section.ram_top, limit=deadline)
    room = memory.room_from(load_at)
    if size > room:
        message = f"the image needs {size} bytes of RAM from {load_at:#x}, there are {room}"
        findings.append(_finding("ram", "flash.uboot.load_address", message, "Is load_address right? See bdinfo."))
    back = memory.room_from(read_at)
    if load_at < read_at + _SMALLEST_CHUNK and read_at < load_at + size:
        message = f"read_address {read_at:#x} lies in the image, which is loaded to {load_at:#x}"
        findings.append(_finding("overlap", "flash.uboot.read_address", message, "Choose another place in RAM."))
    elif back < min(size, _SMALLEST_CHUNK):
        message = f"there are {back} bytes of RAM from {read_at:#x} to read the medium back to"
        findings.append(_finding("ram", "flash.uboot.read_address", message, "Choose another place in RAM."))
    before_image = load_at - read_at if read_at < load_at else back
    return min(back, before_image, _CHUNK) // BLOCK * BLOCK


def _device(loader: Bootloader, device: Device, last: int, address: int, deadline: Deadline) -> list[Finding]:
    try:
        select(loader, device, limit=deadline)
        read(loader, device, address, last, 1, limit=deadline)
    except BootloaderError as error:
        return [_finding("device", "flash.uboot.device", error.message, error.hint)]
    return []
