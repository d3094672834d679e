"""How fast the way to the unit is, and what follows from it: compression, the smallest run of zeros worth an order of
its own, how long it will take.
"""

from __future__ import annotations

import io
import os
import time
from dataclasses import dataclass
from typing import Literal

from factory.config import PartitionFlash
from factory.flashing.partition.plan import BLOCK
from factory.flashing.partition.source import Source
from factory.flashing.partition.stream import sampled_share
from factory.flashing.partition.target import Target
from factory.units.deadline import Deadline
from factory.units.protocol import Unit

Compress = Literal["none", "gzip", "zstd"]
# What a slow board (one core of about 1 GHz) unpacks in a second, in bytes of the unpacked image.
_UNPACKED = {"zstd": 80e6, "gzip": 25e6}
_GAIN = 0.8
_FIRST, _MOST = 4 * 1024, 256 * 1024
_CLEAR, _LONG = 3, 0.05
_WORTH = 4 * 1024 * 1024
# One more dd costs about this long on a board; a run of zeros that takes less on the wire is sent.
_PROGRAM_SECONDS = 0.004
_LARGEST_GRAIN = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Pace:
    """`rate` is what the link carries in bytes per second; `share` how large the image is after compression; `seconds`
    what sending it will take.
    """

    rate: float
    compress: Compress
    share: float
    grain: int
    seconds: float


def measure(unit: Unit, *, deadline: Deadline) -> float:
    """Bytes per second that reach the unit: random ones into nothing, more and more until their time stands out from
    that of a round trip; the better of two, for a machine that was busy for a moment says nothing about the link.
    """
    empty = _timed(unit, 0, deadline)
    count = _FIRST if unit.route.startswith("serial:") else 8 * _FIRST
    took = _timed(unit, count, deadline)
    while took < max(_CLEAR * empty, _LONG) and count < _MOST:
        count *= 8
        took = _timed(unit, count, deadline)
    took = min(took, _timed(unit, count, deadline))
    return count / max(took - empty, took / 8)


def pace(unit: Unit, source: Source, target: Target, flash: PartitionFlash, *, deadline: Deadline) -> Pace:
    """Measure the link, and choose. Changes nothing on the unit; raises what `Unit.put` raises."""
    length = sum(size for _, size in source.ranges)
    rate = measure(unit, deadline=deadline)
    serial = unit.route.startswith("serial:")
    compress, share = choose(source, target.tools, flash.compress, rate, length, serial=serial)
    grain = grain_of(rate)
    held = _filled(source, grain)
    return Pace(rate, compress, share, grain, held * share / rate)


def choose(
    source: Source, tools: frozenset[str], wanted: str, rate: float, length: int, *, serial: bool
) -> tuple[Compress, float]:
    """The compression and the share that remains. A serial route compresses by itself what it carries."""
    if wanted in ("gzip", "zstd"):
        one: Compress = "gzip" if wanted == "gzip" else "zstd"
        return one, sampled_share(source, one)
    if serial:
        return "none", sampled_share(source, "gzip") if "gunzip" in tools else 1.0
    if wanted == "none" or length < _WORTH:
        return "none", 1.0
    best: tuple[Compress, float] = ("none", 1.0)
    least = length / rate * _GAIN
    kinds: tuple[tuple[Compress, str], ...] = (("zstd", "zstd"), ("gzip", "gunzip"))
    for kind, program in kinds:
        if program not in tools or length / _UNPACKED[kind] >= least:
            continue
        share = sampled_share(source, kind)
        seconds = max(length * share / rate, length / _UNPACKED[kind])
        if seconds < least:
            best, least = (kind, share), seconds
    return best


def grain_of(rate: float) -> int:
    """The smallest run of zeros that is not sent, in bytes."""
    bytes_at_once = int(rate * _PROGRAM_SECONDS)
    return min(max(bytes_at_once - bytes_at_once % BLOCK, BLOCK), _LARGEST_GRAIN)


def _filled(source: Source, grain: int) -> int:
    """Bytes of the source that are sent before compression: what is no long run of zeros."""
    found = 0
    step = max(grain, 64 * 1024)
    with source.looked() as read:
        for offset, length in source.ranges:
            if length > 64 * 1024 * 1024:
                found += length  # an estimate that errs on the safe side costs less than reading all of it
                continue
            for at in range(offset, offset + length, step):
                piece = read(at, min(step, offset + length - at))
                found += len(piece) if piece.count(0) < len(piece) else 0
    return found


def _timed(unit: Unit, count: int, deadline: Deadline) -> float:
    data = os.urandom(count)
    began = time.monotonic()
    sent = unit.put(lambda offset: io.BytesIO(data[offset:]), "cat >/dev/null", deadline=deadline)
    sent.completed.require("measuring the link")
    return max(time.monotonic() - began, 1e-6)
