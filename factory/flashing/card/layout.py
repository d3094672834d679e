"""What goes where on one card, decided before anything is written: extents in ascending order, and what comes last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from factory.flashing.card.disk import CardRefused
from factory.flashing.card.medium import Medium
from factory.flashing.card.source import Source
from factory.flashing.card.table import Partition, Table, read_table

ZONE = 1024 * 1024
"""Boot sector, partition table and the boot loaders that systems on chip look for lie in the first MiB; the backup of
a GPT lies in the last sectors of the disk."""
FIRST = 4096
"""What is written last of all: an MBR, and the header of a GPT."""


@dataclass(frozen=True, slots=True)
class Extent:
    """`length` bytes of a source from place `at` on, to `offset` on the card; None: all that there is."""

    offset: int
    length: int | None
    source: Source
    at: int


@dataclass(frozen=True, slots=True)
class Layout:
    """All that is written onto one card. `zones` are the (start, end) that are zeros while the rest is written; the
    first begins with what makes the card, or the partition, one. `total` is in bytes, None where only unpacking
    tells; `needs` is how long the unpacked image of the system must be for its own partition table.
    """

    extents: tuple[Extent, ...]
    zones: tuple[tuple[int, int], ...]
    total: int | None
    needs: int = 0

    def room(self, offset: int, most: int) -> int:
        """How many of `most` bytes from `offset` on lie on the same side of every zone's edge."""
        edges = (edge for zone in self.zones for edge in zone if edge > offset)
        return min(most, *(edge - offset for edge in edges), most)

    def zone_of(self, offset: int) -> int | None:
        """The number of the zone that a place lies in."""
        return next((index for index, (start, end) in enumerate(self.zones) if start <= offset < end), None)


def lay_out(medium: Medium, system: Source | None, unit: Source | None, number: int | None) -> Layout:
    """Place the system's image and the unit's own; `number` is the partition that takes the unit's, None where it
    takes the card whole. Raises CardRefused (`card.small`, `card.table`, `card.no-partition`,
    `card.partition-small`, `card.sector`) and what reading a source raises.
    """
    for source in (system, unit):
        if source is not None and source.size is not None and source.size > medium.size:
            raise _small(medium, f"{source.name} has {source.size} bytes")
    table = _table(medium, system, number)
    base = 0
    extents = list(_whole(system, 0)) if system is not None else []
    zones = _card_zones(medium)
    if unit is not None:
        if number is not None:
            partition = _partition(medium, table, number, unit, system.name if system else medium.name)
            base = partition.start
            if system is None:
                zones = ((base, min(base + ZONE, partition.end)),)
        extents = [*_without(extents, base, base + (unit.size or 0)), *_whole(unit, base)]
        extents.sort(key=lambda extent: extent.offset)
    _require_aligned(medium, extents)
    lengths = [extent.length for extent in extents]
    total = None if None in lengths else sum(length or 0 for length in lengths)
    return Layout(tuple(extents), zones, total, table.end if table and system else 0)


def _table(medium: Medium, system: Source | None, number: int | None) -> Table | None:
    if system is not None:
        with system.looked_into() as read:
            table = read_table(read, medium.sector, system.name)
        if table and system.size is not None and table.end > system.size:
            message = f"{system.name} is cut: it has {system.size} bytes, and its partitions end at {table.end}"
            raise CardRefused(message, hint="Copy or build the image again.", code="card.source")
        if table and table.end > medium.size:
            raise _small(medium, f"the partitions of {system.name} end at {table.end}")
        return table
    return read_table(medium.read_bytes, medium.sector, medium.name) if number is not None else None


def _partition(medium: Medium, table: Table | None, number: int, unit: Source, place: str) -> Partition:
    found = {one.number: one for one in table.partitions if not one.container} if table else {}
    partition = found.get(number)
    if partition is None:
        there = f"it has {', '.join(map(str, sorted(found)))}" if found else "it has no partition table"
        message = f"{place} has no partition {number} for the unit's image: {there}"
        raise CardRefused(message, hint="Set partition in [flash.card].", code="card.no-partition")
    if unit.size is None or unit.size > partition.length:
        message = f"{unit.name} has {unit.size} bytes, partition {number} of {place} has {partition.length}"
        raise CardRefused(message, hint="Build a smaller image: [image] size.", code="card.partition-small")
    if partition.end > medium.size:
        raise _small(medium, f"partition {number} ends at {partition.end}")
    return partition


def _card_zones(medium: Medium) -> tuple[tuple[int, int], ...]:
    size = medium.size - medium.size % medium.sector
    head = min(ZONE, size)
    tail = max(head, (size - ZONE) - (size - ZONE) % FIRST)
    return ((0, head), (tail, size)) if tail < size else ((0, head),)


def _whole(source: Source, base: int) -> Iterator[Extent]:
    """Everything of a source that has to be written; ranges that touch are one."""
    if source.ranges is None:
        yield Extent(base, source.size, source, 0)
        return
    run: Extent | None = None
    for one in source.ranges:
        if run is not None and run.at + (run.length or 0) == one.offset:
            run = replace(run, length=(run.length or 0) + one.length)
            continue
        if run is not None:
            yield run
        run = Extent(base + one.offset, one.length, source, one.offset)
    if run is not None:
        yield run


def _without(extents: list[Extent], start: int, end: int) -> Iterator[Extent]:
    """What lies outside [start, end)."""
    for one in extents:
        stop = None if one.length is None else one.offset + one.length
        if one.offset < start:
            left = start if stop is None else min(stop, start)
            yield replace(one, length=left - one.offset)
        if stop is None or stop > end:
            begin = max(one.offset, end)
            yield Extent(begin, None if stop is None else stop - begin, one.source, one.at + begin - one.offset)


def _require_aligned(medium: Medium, extents: list[Extent]) -> None:
    before = 0
    for one in extents:
        if one.offset != before and one.offset % medium.sector:
            message = f"{medium.name} has sectors of {medium.sector} bytes, and {one.source.name} needs smaller ones"
            raise CardRefused(message, hint="Take a card with sectors of 512 bytes.", code="card.sector")
        before = one.offset + (one.length or 0)


def _small(medium: Medium, what: str) -> CardRefused:
    return CardRefused(f"{medium.name} has {medium.size} bytes: {what}", hint="Take a larger card.", code="card.small")
