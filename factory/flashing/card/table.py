"""Partition tables: GPT with both its sums, MBR with its logical partitions. Read only, everything bounds-checked.

Sources: UEFI Specification 2.10, section 5; the MBR as Linux and sfdisk read it.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from factory.flashing.card.disk import CardRefused

Read = Callable[[int, int], bytes]
"""Bytes at a place, fewer where the medium ends."""

_GPT = struct.Struct("<8sIIIIQQQQ16sQIII")
_ENTRY = struct.Struct("<16s16sQQ")
_MBR_ENTRY = struct.Struct("<B3xB3xII")
_PROTECTIVE, _EXTENDED = 0xEE, frozenset((0x05, 0x0F, 0x85))
_MOST_ENTRIES, _MOST_LOGICAL = 1024, 128
SECTOR = 512
"""An MBR's own size, whatever sectors the disk has."""
_HINT = "The image, or its copy, is damaged, or it is no disk image. Look at it with `sfdisk --list`."


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition; `start` and `length` in bytes. `container` is an extended one, which only holds others."""

    number: int
    start: int
    length: int
    container: bool = False

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.start + self.length


@dataclass(frozen=True, slots=True)
class Table:
    """A partition table: `gpt` or `mbr`, its partitions by number."""

    kind: str
    partitions: tuple[Partition, ...]

    @property
    def end(self) -> int:
        """The first byte behind the last partition, 0 without any."""
        return max((one.end for one in self.partitions), default=0)


def read_table(read: Read, sector: int, place: str) -> Table | None:
    """The table of a disk or disk image with sectors of `sector` bytes, None where there is none.

    Only the primary GPT counts, and only under its protective MBR, as the UEFI specification wants it; an old one
    under a plain MBR is not looked at. Raises CardRefused (`card.table`) for a table that is damaged or impossible.
    """
    first = read(0, SECTOR)
    if len(first) < SECTOR or first[510:512] != b"\x55\xaa":
        return None
    entries = [_MBR_ENTRY.unpack_from(first, 446 + 16 * number) for number in range(4)]
    if any(status not in (0x00, 0x80) for status, *_ in entries):  # the boot sector of a file system
        return None
    if any(kind == _PROTECTIVE for _, kind, _, _ in entries):
        return _checked(Table("gpt", _gpt(read, sector, place)), place)
    found = [
        Partition(number, start * sector, count * sector, kind in _EXTENDED)
        for number, (_, kind, start, count) in enumerate(entries, 1)
        if kind and count
    ]
    extended = [one for one in found if one.container]
    if len(extended) > 1:
        raise _damaged(place, "it has more than one extended partition")
    if extended:
        found += _logical(read, sector, extended[0], place)
    return _checked(Table("mbr", tuple(found)), place) if found else None


def _gpt(read: Read, sector: int, place: str) -> tuple[Partition, ...]:
    block = read(sector, sector)
    if len(block) < sector or block[:8] != b"EFI PART":
        other = next((size for size in (512, 4096) if size != sector and read(size, 8) == b"EFI PART"), None)
        if other:
            raise _damaged(place, f"its table is for sectors of {other} bytes, and the card has sectors of {sector}")
        raise _damaged(place, "it has a protective MBR and no GPT")
    _, _, size, crc, _, own, _, low, high, _, at, count, width, entries_crc = _GPT.unpack_from(block)
    if not _GPT.size <= size <= sector or _crc(block[:16] + bytes(4) + block[20:size]) != crc:
        raise _damaged(place, "the checksum of its GPT is wrong")
    if own != 1 or count > _MOST_ENTRIES or not 128 <= width <= 4096 or width % 8 or at < 2 or low > high + 1:
        raise _damaged(place, "its GPT holds impossible values")
    listed = read(at * sector, count * width)
    if len(listed) < count * width or _crc(listed) != entries_crc:
        raise _damaged(place, "the checksum of its GPT's entries is wrong")
    found = []
    for number in range(count):
        kind, _, first, last = _ENTRY.unpack_from(listed, number * width)
        if kind == bytes(16):
            continue
        if not low <= first <= last <= high:
            raise _damaged(place, f"its partition {number + 1} lies outside the GPT's own bounds")
        found.append(Partition(number + 1, first * sector, (last + 1 - first) * sector))
    return tuple(found)


def _logical(read: Read, sector: int, extended: Partition, place: str) -> list[Partition]:
    """The chain of extended boot records: each has one partition and the place of the next."""
    found: list[Partition] = []
    at, seen = extended.start, set[int]()
    while True:
        if at in seen or len(found) >= _MOST_LOGICAL:
            raise _damaged(place, "its logical partitions have no end")
        seen.add(at)
        record = read(at, SECTOR)
        if len(record) < SECTOR or record[510:512] != b"\x55\xaa":
            if at == extended.start:  # an extended partition that nothing was put into
                return found
            raise _damaged(place, "the chain of its logical partitions is broken, or the image is cut")
        following = None
        for number in range(4):
            _, kind, start, count = _MBR_ENTRY.unpack_from(record, 446 + 16 * number)
            if not kind or not count:
                continue
            if kind in _EXTENDED:
                following = following if following is not None else extended.start + start * sector
            else:
                found.append(Partition(5 + len(found), at + start * sector, count * sector))
        if following is None:
            break
        if not extended.start < following < extended.end:
            raise _damaged(place, "its logical partitions lead out of the extended one")
        at = following
    for one in found:
        if not (extended.start < one.start and one.end <= extended.end):
            raise _damaged(place, f"its logical partition {one.number} lies outside the extended one")
    return found


def _checked(table: Table, place: str) -> Table:
    ordered = sorted(table.partitions, key=lambda one: one.start)
    plain = [one for one in ordered if not one.container]
    outer = [one for one in ordered if one.number < 5 or table.kind == "gpt"]
    for row in (plain, outer):
        for left, right in itertools.pairwise(row):
            if right.start < left.end:
                raise _damaged(place, f"its partitions {left.number} and {right.number} overlap")
    if any(one.start == 0 for one in table.partitions):
        raise _damaged(place, "one of its partitions begins where the table lies")
    return table


def _crc(data: bytes) -> int:
    return zlib.crc32(data)


def _damaged(place: str, what: str) -> CardRefused:
    return CardRefused(f"{place}: {what}", hint=_HINT, code="card.table")
