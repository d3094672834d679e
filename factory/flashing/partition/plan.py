"""What goes onto a partition and in which order, so that a cut at any moment leaves nothing that can be mounted. Pure.

First the beginning of the target, the copies of superblocks and its end are overwritten with zeros and synced: from
then on the old content is no file system any more. Then everything is written but the first block and the superblock
copies, and synced: the body. What is late comes when the body was read back and is right, the first block at its end:
until then there is no file system, and when there is one, all the rest is on the medium and was compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from factory.flashing.partition.allocated import ReadAt, has_copy
from factory.flashing.partition.source import PROBED, Range, Source, merged

BLOCK = 4096
SECTOR = 512
LARGE = 128 * 1024
"""The block size of dd for the inner part of long runs."""
WINDOW = 8 * 1024 * 1024
"""How much of an image is held in memory at a time."""
TAIL = 64 * 1024
"""Bytes at the end of the target where RAID, NILFS and GPT keep a copy of what they have at the beginning."""
MOST_RANGES = 2000

Kind = Literal["d", "z", "s", "x", "e"]


@dataclass(frozen=True, slots=True)
class Order:
    """One thing to do on the unit: `d` data follow, `z` write zeros, `s` sync, `x` erase flash memory, `e` sync and
    end. The place is `seek` blocks of `block` bytes, the length `count` blocks.
    """

    kind: Kind
    block: int = BLOCK
    seek: int = 0
    count: int = 0
    data: bytes | memoryview = b""

    @property
    def line(self) -> bytes:
        """The order as the unit's script reads it."""
        return f"{self.kind} {self.block} {self.seek} {self.count}\n".encode()


@dataclass(frozen=True, slots=True)
class Plan:
    """`body` is what is written first, as (offset, length) in bytes, in whole sectors, ascending; `late` what comes
    when the body was read back, the first block at its end; `blanked` what is overwritten with zeros before anything
    else. `grain` is the smallest run of zeros that is not sent; `erase` the size of an erase block of flash memory in
    bytes, 0 for what needs no erasing.
    """

    source: Source
    target: str
    size: int
    body: tuple[Range, ...]
    late: tuple[Range, ...]
    blanked: tuple[Range, ...]
    grain: int
    erase: int = 0

    @property
    def ranges(self) -> tuple[Range, ...]:
        """All that is written, in the order in which it is hashed."""
        return self.body + self.late

    @property
    def length(self) -> int:
        """Bytes that are written, zeros too, without those that only blank what was there before."""
        return sum(length for _, length in self.ranges)


def make_plan(source: Source, target: str, target_size: int, *, grain: int, erase: int = 0) -> Plan:
    """Plan the writing of `source` onto a target of `target_size` bytes, which holds it."""
    align = BLOCK if -(-source.size // BLOCK) * BLOCK <= target_size else SECTOR
    gap = max(grain, BLOCK)
    ranges = merged(source.ranges, gap, align)
    while len(ranges) > MOST_RANGES:
        gap *= 2
        ranges = merged(source.ranges, gap, align)
    places = {copy - copy % BLOCK for copy in source.copies} | {start for start, _ in ranges[:1]}
    body, late = _parted(ranges, sorted(places))
    blanked = blanked_ranges(target_size)
    if erase:
        # Zeros can be written over anything in flash memory: the first block is gone before the erasing begins, which
        # does the rest up to the image's end.
        erased = -(-source.size // erase) * erase
        blanked = ((0, BLOCK), *(one for one in blanked if one[0] >= erased))
    return Plan(source, target, target_size, body, late, blanked, grain, erase)


def _parted(ranges: Sequence[Range], places: Sequence[int]) -> tuple[tuple[Range, ...], tuple[Range, ...]]:
    """The ranges without the blocks at `places`, and these blocks, the first one last."""
    body, late = [], []
    for start, length in ranges:
        at, end = start, start + length
        for place in places:
            if at <= place < end:
                if at < place:
                    body.append((at, place - at))
                stop = min(place + BLOCK - place % BLOCK, end)
                late.append((place, stop - place))
                at = stop
        if at < end:
            body.append((at, end - at))
    return tuple(body), (*late[1:], *late[:1])


def blanked_ranges(size: int) -> tuple[Range, ...]:
    """What of a target is overwritten with zeros so that no program takes it for a file system: the first block by
    itself, then the beginning, the places of ext superblocks, the end.
    """
    places = [0, *(at for at in sorted(set(_ext_copies(size))) if at >= PROBED)]
    found = [(at, BLOCK) for at in places]
    found.append((0, min(PROBED, size)))
    found.append((max(size - TAIL, 0) // SECTOR * SECTOR, min(TAIL, size)))
    return tuple((at, min(length, size - at) // SECTOR * SECTOR) for at, length in found if at + SECTOR <= size)


def _ext_copies(size: int) -> Iterator[int]:
    """Where an ext file system of 1, 2 or 4 KiB blocks would keep copies of its superblock."""
    for block in (1024, 2048, 4096):
        first, per_group = int(block == 1024), 8 * block
        for group in range(1, size // (per_group * block) + 1):
            if has_copy(group):
                at = (first + group * per_group) * block
                yield at - at % BLOCK


def body_orders(plan: Plan, read: ReadAt, digest: hashlib._Hash, late: dict[int, bytes]) -> Iterator[Order]:
    """Everything up to the body's last sync, in the order in which it is done. Once the end order has come `digest` has
    taken the bytes of the body, ascending, and `late` holds those of the late blocks by their places.
    """
    for offset, length in plan.blanked:
        yield from cut("z", offset, length)
        if offset == 0 and length <= BLOCK:
            yield Order("s")
    yield Order("s")
    if plan.erase:
        yield Order("x", plan.erase, 0, -(-plan.source.size // plan.erase))
    held = dict(plan.late)
    for start, length in sorted(plan.ranges):
        if start in held:
            late[start] = _exactly(start, length, plan.source.size, read)
            continue
        for offset, piece in _windows(start, length, plan.source.size, read):
            digest.update(piece)
            yield from _runs(offset, piece, plan.grain)
    yield Order("e")


def late_orders(plan: Plan, late: Mapping[int, bytes]) -> Iterator[Order]:
    """What comes when the body was compared: superblock copies, and at last the first block."""
    for place, length in plan.late:
        yield from cut("d", place, length, memoryview(late[place]))
    yield Order("e")


def cut(kind: Kind, offset: int, length: int, data: memoryview | None = None) -> Iterator[Order]:
    """Orders for one run, by the largest blocks that its place allows."""
    at, end = offset, offset + length
    while at < end:
        block, stop = _step(at, end)
        part = data[at - offset : stop - offset] if data is not None else b""
        yield Order(kind, block, at // block, (stop - at) // block, part)
        at = stop


def _step(at: int, end: int) -> tuple[int, int]:
    """The block size for a run that starts at `at`, and where the run of such blocks ends."""
    for block in (LARGE, BLOCK, SECTOR):
        if at % block == 0 and end - at >= block and (block != LARGE or end - at >= 4 * LARGE):
            return block, end - end % block
        if block != SECTOR and end - at >= 4 * block and block == LARGE and at % BLOCK == 0:
            return BLOCK, at - at % LARGE + LARGE
    raise ValueError(f"{at} to {end} are no whole sectors")


def _windows(start: int, length: int, size: int, read: ReadAt) -> Iterator[tuple[int, memoryview]]:
    """A range piece by piece."""
    at, end = start, start + length
    while at < end:
        stop = min(end, at - at % WINDOW + WINDOW)
        yield at, memoryview(_exactly(at, stop - at, size, read))
        at = stop


def _exactly(at: int, length: int, size: int, read: ReadAt) -> bytes:
    """Bytes of the image; past its end come zeros, up to whole sectors. Raises ValueError where the image became
    shorter while it was read.
    """
    wanted = max(min(at + length, size) - at, 0)
    data = read(at, wanted)
    if len(data) != wanted:
        raise ValueError("the image became shorter")
    return data.ljust(length, b"\0")


def _runs(offset: int, piece: memoryview, grain: int) -> Iterator[Order]:
    """Orders for one piece: runs of zeros of at least `grain` bytes are not sent."""
    step = max(grain - grain % BLOCK, BLOCK)
    zeros = memoryview(bytes(step))
    start = at = 0
    while at < len(piece):
        stop = min(at + step - (offset + at) % step, len(piece))
        if stop - at == step and piece[at:stop] == zeros:
            if start < at:
                yield from cut("d", offset + start, at - start, piece[start:at])
            begin = at
            while stop - at == step and piece[at:stop] == zeros:
                at, stop = stop, min(stop + step, len(piece))
            yield from cut("z", offset + begin, at - begin)
            start = at
        else:
            at = stop
    if start < len(piece):
        yield from cut("d", offset + start, len(piece) - start, piece[start:])
