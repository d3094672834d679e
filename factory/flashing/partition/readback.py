"""Reading ranges back from the medium: hashed on the unit, and called verified only when it was no cached read."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import BinaryIO

from factory.config import UnitSection
from factory.flashing.digests import Digest, best_digest
from factory.flashing.partition.plan import BLOCK, SECTOR
from factory.flashing.partition.source import Range
from factory.flashing.partition.target import Target
from factory.units.deadline import Deadline
from factory.units.protocol import Tools, Unit, UnitError

NOT_YET = "not yet: after the reboot"
AFTER_REBOOT = "after the reboot"
_LARGE = 1024 * 1024
# Each way that a read can be made to reach the medium: what is done before, and how dd is called.
_WAYS = (
    ("direct read", "", "iflag=direct"),
    ("flushed buffers", 'blockdev --flushbufs "$T" || exit 5', ""),
    ("dropped caches", "sync; echo 3 >/proc/sys/vm/drop_caches || exit 5", ""),
)
_SCRIPT = """exec 2>/dev/null; LC_ALL=C; export LC_ALL; T={target}
[ {test} "$T" ] || exit 4
read_sectors() {{ {stat}; }}
{before}
{{ read_sectors
{{
  while read -r b s n; do dd if="$T" bs="$b" skip="$s" count="$n" {flag} || exit 1; done
  echo whole >&3
}} | {program}
read_sectors; }} 3>&1
"""


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What was read: its hash, and the way that reached the medium (None when it may have come from the cache)."""

    found: str
    way: str | None


def digest_for(target: Target) -> Digest:
    """The hash that the unit can work out. Raises UnitError where it has none, which the preflight refuses."""
    digest = best_digest(Tools(target.tools))
    if digest is None:
        raise UnitError("the unit has no hash program", code="flash.tool")
    return digest


def read_ranges(
    unit: Unit, target: Target, ranges: Sequence[Range], section: UnitSection, *, fresh: bool, deadline: Deadline
) -> ReadBack:
    """Hash the ranges of a device on the unit, by the first way that reaches the medium.

    `fresh` says that the unit has been restarted since the ranges were written, so that any read reaches it. Raises
    UnitError when nothing could be read, and what `Unit.put` raises.
    """
    for way, before, flag in _WAYS:
        if section.simulated and before:
            break  # the caches are the host's
        script = _script(target, section, before, flag)
        hashed, sectors = _run(unit, script, ranges, deadline)
        if hashed is None:
            continue
        if way == "direct read":
            return ReadBack(hashed, way)
        needed = sum(length for _, length in ranges) // SECTOR
        if sectors is not None and sectors >= needed:
            return ReadBack(hashed, f"{way}, proved by the kernel's count of what was read")
        if fresh:
            return ReadBack(hashed, AFTER_REBOOT)
    hashed, _ = _run(unit, _script(target, section, "", ""), ranges, deadline)
    if hashed is None:
        raise UnitError(
            f"{unit.route}: {target.path} could not be read back",
            hint="Check the unit's storage; the unit must not ship like this.",
            code="flash.read-back",
        )
    return ReadBack(hashed, AFTER_REBOOT if fresh else None)


def _script(target: Target, section: UnitSection, before: str, flag: str) -> str:
    stat = "echo sectors -"
    if target.counted and not section.simulated:
        stat = f"read -r _ _ n _ </sys/dev/block/{target.number}/stat && echo sectors $n"
    program, test = digest_for(target).program, "-f" if section.simulated else "-b"
    return _SCRIPT.format(target=quote(target.path), test=test, stat=stat, before=before, flag=flag, program=program)


def _run(unit: Unit, script: str, ranges: Sequence[Range], deadline: Deadline) -> tuple[str | None, int | None]:
    """The hash, None where this way does not work here, and how many sectors the medium was read for meanwhile."""
    sent = unit.put(_source(_list(ranges)), script, deadline=deadline)
    hashed, whole, counts = None, False, []
    for line in sent.completed.stdout.decode("ascii", "replace").splitlines():
        words = line.split()
        if words == ["whole"]:
            whole = True
        elif words[:1] == ["sectors"]:
            counts += [int(word) for word in words[1:] if word.isdigit()]
        elif len(words) == 2 and words[1] == "-":
            hashed = words[0]
    if not whole or sent.completed.status != 0:
        hashed = None
    return hashed, counts[1] - counts[0] if len(counts) == 2 else None


def _list(ranges: Sequence[Range]) -> bytes:
    """The ranges as dd takes them, a line for each run of blocks."""
    lines = []
    for offset, length in ranges:
        at, end = offset, offset + length
        while at < end:
            block = next(one for one in (_LARGE, BLOCK, SECTOR) if at % one == 0 and end - at >= one)
            stop = end - end % block
            if block != _LARGE and end - at >= 2 * _LARGE:
                stop = min(stop, at - at % _LARGE + _LARGE)
            lines.append(f"{block} {at // block} {(stop - at) // block}\n")
            at = stop
    return "".join(lines).encode()


def _source(data: bytes) -> Callable[[int], BinaryIO]:
    return lambda offset: io.BytesIO(data[offset:])


def hash_ranges(ranges: Sequence[Range], size: int, read: Callable[[int, int], bytes], algorithm: str) -> str:
    """The hash of the same ranges of an image of `size` bytes, with zeros past its end."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    for offset, length in ranges:
        for at in range(offset, offset + length, 8 * _LARGE):
            stop = min(at + 8 * _LARGE, offset + length)
            digest.update(read(at, max(min(stop, size) - at, 0)).ljust(stop - at, b"\0"))
    return digest.hexdigest()
