"""Raw flash memory on the unit: what the kernel tells about it, and what shares it. Pure.

Only memory without pages and bad blocks is written to (NOR, and RAM that behaves like it): a byte that was erased can
be written by itself, and zeros can be written over anything. NAND needs UBI. Source: the Linux kernel's MTD
documentation and its sysfs-class-mtd.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MTD_BLOCK = 31
"""The major number of mtdblock devices, whose minor is the number of the MTD."""
ERASERS = ("flash_erase", "flash_eraseall", "flashcp")
"""Programs that can erase, the best first."""
ERASE_SECONDS = 0.5
"""What an erase block of 64 KiB of NOR takes about."""
_WRITEABLE = 0x400
_BYTEWISE = ("nor", "ram")
_CHILD = re.compile(r".*/mtd([0-9]+)")


@dataclass(frozen=True, slots=True)
class Mtd:
    """One MTD. `erase` is the size of its erase blocks in bytes, `page` the smallest write; `shares` are the numbers of
    other MTDs that lie on the same memory, wholly or in part; `holders` are UBI devices on it or on one of those.
    """

    index: int
    type: str
    erase: int
    page: int
    writeable: bool
    shares: tuple[int, ...]
    holders: tuple[str, ...]

    @property
    def bytewise(self) -> bool:
        """Whether any byte can be written by itself once it was erased."""
        return self.type in _BYTEWISE and self.page == 1


@dataclass(frozen=True, slots=True)
class _Chip:
    index: int
    parent: str
    offset: int | None
    size: int


def parse_mtd(told: Mapping[str, Sequence[str]]) -> Mtd | None:
    """What the look at a character device told; None where it is no MTD. Raises ValueError or KeyError for nonsense."""
    if "mtd" not in told:
        return None
    index, erase = int(told["mtd"][0]), int(told["erasesize"][0])
    if erase <= 0 or erase % 512:
        raise ValueError(f"an erase block of {erase} bytes")
    shares = _sharing(index, [_chip(text) for text in told.get("chip", ())])
    holders = [text.split(" ", 1) for text in told.get("ubi", ())]
    return Mtd(
        index=index,
        type=told["type"][0],
        erase=erase,
        page=int(told["writesize"][0]),
        writeable=bool(int(told["flags"][0], 16) & _WRITEABLE),
        shares=shares,
        holders=tuple(name.rpartition("/")[2] for number, name in holders if int(number) in (index, *shares)),
    )


def _chip(text: str) -> _Chip:
    index, parent, offset, size = text.split(" ")
    return _Chip(int(index), parent, None if offset == "-" else int(offset), int(size))


def _sharing(index: int, chips: Sequence[_Chip]) -> tuple[int, ...]:
    """The others that overlap with this one: partitions name a place in what they are a part of."""
    known = {one.index: one for one in chips}
    if index not in known:
        raise ValueError(f"mtd{index} is not among the MTDs")

    def place(one: _Chip, depth: int = 0) -> tuple[str, int]:
        above = _CHILD.fullmatch(one.parent)
        if above and int(above[1]) in known and depth < len(known):
            name, start = place(known[int(above[1])], depth + 1)
            return name, start + (one.offset or 0)
        return (f"{one.parent}/mtd{one.index}", 0) if one.offset is None else (one.parent, one.offset)

    name, start = place(known[index])
    end = start + known[index].size
    found = ((one, *place(one)) for one in chips if one.index != index)
    return tuple(one.index for one, other, at in found if other == name and at < end and start < at + one.size)


def erase_function(tools: frozenset[str]) -> str:
    """The shell function x, which erases N blocks of B bytes of the MTD $T from its beginning; '' without a program.

    flashcp can only copy from the beginning on, the head first; it is given ones, which is what erased memory holds.
    """
    program = next((one for one in ERASERS if one in tools), "")
    if program == "flash_erase":
        return 'x() { m=$(flash_erase -q "$T" 0 "$2" 2>&1) || die "$m"; }\n'
    if program == "flash_eraseall":
        return 'x() { m=$(flash_eraseall -q "$T" 2>&1) || die "$m"; }\n'
    if program == "flashcp":
        return """x() {
  F=/tmp/.factory-ones.$$; trap 'rm -f "$F"' EXIT
  m=$(tr '\\000' '\\377' </dev/zero 2>/dev/null | dd of="$F" bs=512 count=$(($1 / 512 * $2)) 2>&1) || die "$m"
  [ "$(wc -c <"$F")" -eq $(($1 * $2)) ] || die "no ones for flashcp"
  m=$(flashcp "$F" "$T" 2>&1) || die "$m"
  rm -f "$F"
}
"""
    return ""
