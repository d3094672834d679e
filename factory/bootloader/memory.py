"""The unit's RAM: what there is, what is in it, and filling it."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

from factory.bootloader.line import BootloaderError, Limit, excerpt
from factory.bootloader.prompt import Bootloader

FILL = bytes.fromhex("a5c35a3c")
_START = re.compile(r"(?m)^-> start\s*=\s*0x([0-9a-fA-F]+)\s*\n-> size\s*=\s*0x([0-9a-fA-F]+)")
_OLD = re.compile(r"(?m)^memstart\s*=\s*0x([0-9a-fA-F]+)\s*\nmemsize\s*=\s*0x([0-9a-fA-F]+)")
_RELOCATED = re.compile(r"(?m)^relocaddr\s*=\s*0x([0-9a-fA-F]+)")
_STACK = re.compile(r"(?m)^(?:irq_sp|sp start)\s*=\s*0x([0-9a-fA-F]+)")
_RESERVED = re.compile(r"(?m)^\s*reserved\[\d+\]\s*\[0x([0-9a-fA-F]+)-0x([0-9a-fA-F]+)\]")
_CRC = re.compile(r"(?i)crc32 for ([0-9a-f]+) \.\.\. ([0-9a-f]+) ==> ([0-9a-f]{8})\b")
# Heap and stack lie below the relocated loader; a loader that names neither gets this much.
_BELOW_LOADER = 32 * 1024 * 1024
_BELOW_STACK = 1024 * 1024
_SECONDS_PER_MIB = 2.0  # a slow core without a cache
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Memory:
    """RAM banks as (start, end) and what the loader keeps for itself, in bytes; `top` is what the product says."""

    banks: tuple[tuple[int, int], ...]
    reserved: tuple[tuple[int, int], ...]

    def room_from(self, address: int) -> int:
        """How many bytes from `address` on are free; 0 when it is no free RAM."""
        ends = [end for start, end in self.banks if start <= address < end]
        if not ends or any(start <= address < end for start, end in self.reserved):
            return 0
        return min([*ends, *(start for start, _ in self.reserved if start > address)]) - address


def parse_memory(text: str) -> Memory | None:
    """Parse the output of `bdinfo`, old and new; None when it names no RAM."""
    pairs = [(int(start, 16), int(size, 16)) for start, size in [*_START.findall(text), *_OLD.findall(text)]]
    banks = tuple((start, start + size) for start, size in pairs if size)
    if not banks:
        return None
    reserved = [(int(start, 16), int(end, 16) + 1) for start, end in _RESERVED.findall(text)]
    relocated = _RELOCATED.search(text)
    if relocated is not None:
        reserved += [_below(int(relocated[1], 16), 0 if reserved else _BELOW_LOADER, banks)]
    reserved += [_below(int(stack, 16), _BELOW_STACK, banks) for stack in _STACK.findall(text) if int(stack, 16)]
    return Memory(banks, tuple(sorted(reserved)))


def _below(address: int, margin: int, banks: tuple[tuple[int, int], ...]) -> tuple[int, int]:
    end = max([high for low, high in banks if low <= address <= high], default=address + 1)
    return max(0, address - margin), end


def read_memory(loader: Bootloader, *, top: int | None, limit: Limit) -> Memory:
    """Ask `bdinfo` what RAM there is; `top`, where the product gives it, bounds it further.

    Raises BootloaderError `uboot.bdinfo` when the loader does not tell and the product neither.
    """
    answer = loader.run("bdinfo", limit=limit.within(20.0))
    found = parse_memory(answer.text)
    if found is None and top is None:
        raise BootloaderError(
            f"{loader.route}: bdinfo names no RAM: {excerpt(answer.text.encode())}",
            hint="Give [flash.uboot] ram_top: where the loader's own memory begins.",
            code="uboot.bdinfo",
        )
    if top is None:
        assert found is not None
        return found
    if found is None:
        return Memory(((0, top),), ())
    return Memory(tuple((low, min(high, top)) for low, high in found.banks if low < top), found.reserved)


def checksum(loader: Bootloader, address: int, size: int, *, limit: Limit) -> int:
    """CRC-32 over RAM, computed by the unit. Raises BootloaderError `uboot.crc32` for an answer about another range."""
    seconds = 20.0 + _SECONDS_PER_MIB * size / 2**20
    for _ in range(_TRIES):
        answer = loader.run(f"crc32 {address:x} {size:x}", limit=limit.within(seconds)).require("crc32 over RAM")
        found = _CRC.search(answer.text)
        if found is not None and int(found[1], 16) == address and int(found[2], 16) == address + size - 1:
            return int(found[3], 16)
    raise BootloaderError(
        f"{loader.route}: crc32 does not answer for {size} bytes at {address:#x}: {excerpt(answer.text.encode())}",
        code="uboot.crc32",
    )


def fill(loader: Bootloader, address: int, size: int, *, limit: Limit, pattern: bytes = FILL) -> None:
    """Fill RAM (a multiple of 4 bytes) with a pattern of 4 bytes and see it there: what is read to this place later
    cannot be what lay there before. Raises BootloaderError `uboot.fill`.
    """
    assert size % 4 == 0, size
    word = int.from_bytes(pattern, "little")
    seconds = 20.0 + _SECONDS_PER_MIB * size / 2**20
    command = f"mw.l {address:x} {word:x} {size // 4:x}"
    loader.run(command, limit=limit.within(seconds)).require("filling RAM")
    found = checksum(loader, address, size, limit=limit)
    # The pattern in the other order is what a big-endian unit has.
    if found not in (zlib.crc32(pattern * (size // 4)), zlib.crc32(pattern[::-1] * (size // 4))):
        raise BootloaderError(
            f"{loader.route}: RAM from {address:#x} does not keep what is written to it ({size} bytes)",
            hint="Is [flash.uboot] read_address RAM, and is the RAM sound?",
            code="uboot.fill",
        )
