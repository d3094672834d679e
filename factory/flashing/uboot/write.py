"""Writing a loaded image and reading it back. What makes a file system one goes away first and comes back last."""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import Callable
from typing import Literal

from factory.bootloader import Bootloader, BootloaderError, load
from factory.bootloader.blocks import BLOCK, read, write
from factory.bootloader.memory import checksum, fill
from factory.errors import FactoryError
from factory.flashing.errors import FlashError
from factory.flashing.uboot.preflight import UbootPlan
from factory.units.deadline import Deadline
from factory.units.protocol import Progress
from factory.values import Receipt

Holds = Literal["before", "nothing", "unknown"]
# The superblock of ext4, that of squashfs, a boot sector: all lie in the first 4 KiB.
HEAD = 8
READ_BACK = "crc32 by the boot loader over a read from the medium to RAM that was filled before"
_HOLDS = {
    "before": "what was on the medium before is untouched",
    "nothing": "the partition holds no file system now, and so no identity",
    "unknown": "what the partition holds is not known: flash the unit again before it goes anywhere",
}


class LoaderFlashError(FlashError):
    """A flash from the boot loader failed; `holds` is what the unit's partition holds now, `written` how many bytes
    of the medium had been written.
    """

    def __init__(self, error: FactoryError, holds: Holds, written: int) -> None:
        super().__init__(
            f"{error.message}; {_HOLDS[holds]}", hint=error.hint, code=error.code, exit_code=error.exit_code
        )
        self.holds = holds
        self.written = written


def flash_from_bootloader(
    loader: Bootloader,
    payload: bytes,
    plan: UbootPlan,
    *,
    image: str,
    deadline: Deadline,
    intent: Callable[[], None] | None = None,
    progress: Progress | None = None,
) -> Receipt:
    """Load the image, write it, and read it back. `image` is what the receipt calls it; `intent` is called when
    nothing was sent yet, and what it raises is raised.

    Raises LoaderFlashError, whose `holds` is "before", "nothing" or "unknown".
    """
    started = time.monotonic()
    if intent is not None:
        intent()
    writer = _Writer(loader, payload.ljust(plan.count * BLOCK, b"\0"), plan, deadline)
    try:
        sent = load(loader, writer.data, plan.load_address, limit=deadline, progress=progress)
        writer.write()
        found = writer.verify()
    except FactoryError as error:
        raise LoaderFlashError(error, writer.holds, writer.written) from error
    return Receipt(
        image=image,
        method="uboot",
        route=loader.route,
        files={"partition": hashlib.sha256(payload).hexdigest()},
        bytes_written=plan.count * BLOCK,
        read_back=READ_BACK,
        seconds=time.monotonic() - started,
        retries=sent.retries,
        medium=plan.medium,
        ranges=((plan.start * BLOCK, plan.count * BLOCK),),
        written=f"crc32:{zlib.crc32(writer.data):08x}",
        found=f"crc32:{found:08x}",
    )


class _Writer:
    """One image and one plan; `holds` is true at every moment."""

    def __init__(self, loader: Bootloader, data: bytes, plan: UbootPlan, deadline: Deadline) -> None:
        self.loader, self.data, self.plan, self.deadline = loader, data, plan, deadline
        self.holds: Holds = "before"
        self.written = 0
        self._head = min(HEAD, plan.count)

    def write(self) -> None:
        """Take the head away, write everything behind it, then the head."""
        self._wipe()
        if self.plan.count > self._head:
            self._put(self._head, self.plan.count - self._head)
        self.holds = "unknown"
        self._put(0, self._head)

    def verify(self) -> int:
        """Read the medium back to a place that was filled, piece by piece; the CRC-32 of the whole. What differs is
        taken away again. Raises BootloaderError `uboot.mismatch`.
        """
        for at in range(0, len(self.data), self.plan.chunk):
            piece = self.data[at : at + self.plan.chunk]
            fill(self.loader, self.plan.read_address, len(piece), limit=self.deadline)
            self._read(at // BLOCK, len(piece) // BLOCK)
            found = checksum(self.loader, self.plan.read_address, len(piece), limit=self.deadline)
            if found != zlib.crc32(piece):
                error = BootloaderError(
                    f"{self.loader.route}: read back from {self.plan.device}, the blocks from "
                    f"{self.plan.start + at // BLOCK} on are not those that were written (CRC-32 {found:08x}, sent "
                    f"{zlib.crc32(piece):08x})",
                    hint="The medium is worn, or it is another one than it says. Do not ship this unit.",
                    code="uboot.mismatch",
                )
                self._wipe()
                raise error
        # Every piece was the one that was sent, and so is the whole.
        return zlib.crc32(self.data)

    def _wipe(self) -> None:
        """Write zeros over the head and see them on the medium."""
        size = self._head * BLOCK
        fill(self.loader, self.plan.read_address, size, limit=self.deadline, pattern=bytes(4))
        self.holds = "unknown"
        write(self.loader, self.plan.device, self.plan.read_address, self.plan.start, self._head, limit=self.deadline)
        fill(self.loader, self.plan.read_address, size, limit=self.deadline)
        self._read(0, self._head)
        found = checksum(self.loader, self.plan.read_address, size, limit=self.deadline)
        if found != zlib.crc32(bytes(size)):
            raise BootloaderError(
                f"{self.loader.route}: {self.plan.device} does not keep what is written to it",
                hint="Is it write-protected or worn?",
                code="uboot.mismatch",
            )
        self.holds = "nothing"

    def _put(self, first: int, count: int) -> None:
        address = self.plan.load_address + first * BLOCK
        write(self.loader, self.plan.device, address, self.plan.start + first, count, limit=self.deadline)
        self.written += count * BLOCK

    def _read(self, first: int, count: int) -> None:
        read(self.loader, self.plan.device, self.plan.read_address, self.plan.start + first, count, limit=self.deadline)
