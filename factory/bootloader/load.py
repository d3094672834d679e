"""An image into the unit's RAM: sent by YMODEM, its size and its CRC-32 told by the unit."""

from __future__ import annotations

import re
import zlib

from factory.bootloader import ymodem
from factory.bootloader.line import BootloaderError, Limit
from factory.bootloader.memory import checksum
from factory.bootloader.prompt import Bootloader

_READY = re.compile(rb"(?i)ready for binary \(ymodem\)[^\n]*\n")
_REFUSED = re.compile(rb"(?i)unknown command|usage:")
_TOTAL = re.compile(r"(?i)total size\s*=\s*0x[0-9a-f]+ = (\d+) bytes")
_READY_SECONDS = 15.0
# Block, its frame, and an answer; the rest is turnaround, which is why a longer line takes longer.
_OVERHEAD = (1024 + 5 + 1) / 1024
_TURNAROUND = 0.002


def seconds_for(size: int, baud: int) -> float:
    """How long loading `size` bytes takes at `baud`, in seconds; ten bits are a byte."""
    return size * _OVERHEAD * 10 / baud + size / 1024 * _TURNAROUND


def load(
    loader: Bootloader, data: bytes, address: int, *, limit: Limit, progress: ymodem.Progress | None = None
) -> ymodem.Transfer:
    """Load `data` to `address`. Returns only when the unit tells the right size and the right CRC-32.

    Raises BootloaderError: `uboot.ymodem`, `uboot.load` for a wrong size, `uboot.damaged` for a wrong checksum.
    """
    started = loader.start(f"loady {address:x}", limit=limit)
    _await_ready(loader, limit)
    loader.line.hide(f"<{len(data)} bytes by YMODEM to {address:#x}>")
    try:
        sent = ymodem.send(loader.line, data, name="image.bin", limit=limit, progress=progress)
    finally:
        loader.line.hide(None)
    loader.give_back(sent.behind)
    answer = loader.finish(started, limit=limit.within(_READY_SECONDS))
    told = _TOTAL.search(answer.text)
    if told is None or int(told[1]) != len(data):
        raise BootloaderError(
            f"{loader.route}: {len(data)} bytes were sent, the unit got {told[1] if told else 'an unknown number'}",
            hint="Start again; if it stays so, check the cable.",
            code="uboot.load",
        )
    found = checksum(loader, address, len(data), limit=limit)
    if found != zlib.crc32(data):
        raise BootloaderError(
            f"{loader.route}: in the unit's RAM are other bytes than were sent "
            f"(CRC-32 {found:08x}, sent {zlib.crc32(data):08x})",
            hint="Does [flash.uboot] load_address lie in memory that the loader uses itself?",
            code="uboot.damaged",
        )
    return sent


def _await_ready(loader: Bootloader, limit: Limit) -> None:
    step = limit.within(_READY_SECONDS)
    heard = b""
    while (found := _READY.search(heard)) is None:
        step.check(f"waiting for loady on {loader.route}")
        heard += loader.take(0.2)
        if _REFUSED.search(heard):
            raise BootloaderError(
                f"{loader.route}: this boot loader has no loady",
                hint="It needs CONFIG_CMD_LOADB.",
                code="uboot.refused",
            )
    # The first C may have come already; the receiver repeats it, so nothing is kept.
    del found
