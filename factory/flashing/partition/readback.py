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
_FETCHED = Digest("", "sha256")
"""The unit has no hash program: what it reads comes back, and is hashed here."""
FETCH = 512 * 1024
"""How much comes back at a time: a reply is held in memory on both sides."""
_LARGE = 1024 * 1024
# Each way that a read can be made to reach the medium: what is done before, and how dd is called.
_WAYS = (
    ("direct read", "", "iflag=direct"),
    ("flushed buffers", 'blockdev --flushbufs "$T" || exit 5', ""),
    ("dropped caches", "sync; echo 3 >/proc/sys/vm/drop_caches || exit 5", ""),
)
_PLAIN = ("", "", "")
_FLASH_MEMORY = (("read of the flash memory, which has no cache", "", ""),)
_SCRIPT = """exec 2>/dev/null 4>&1; LC_ALL=C; export LC_ALL; T={target}
[ {test} "$T" ] || exit 4
sectors() {{ {stat}; }}
{before}
a=$(sectors)
w=$({{ {{
  while read -r b s n; do dd if="$T" bs="$b" skip="$s" count="$n" {flag} || exit 1; done
  echo whole >&3
}} | {program} >&4; }} 3>&1)
printf '\nend %s %s %s\n' "${{w:-cut}}" "$a" "$(sectors)"
"""


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What was read: its hash, and the way that reached the medium (None when it may have come from the cache)."""

    found: str
    way: str | None


def digest_for(target: Target) -> Digest:
    """The hash of what is read back: by the best program of the unit, or here where it has none."""
    return best_digest(Tools(target.tools)) or _FETCHED


def comes_back(target: Target) -> bool:
    """Whether all that is read has to travel back, since the unit cannot hash it."""
    return digest_for(target) is _FETCHED


def read_ranges(
    unit: Unit, target: Target, ranges: Sequence[Range], section: UnitSection, *, fresh: bool, deadline: Deadline
) -> ReadBack:
    """Hash the ranges of a device, in their order, by the first way that reaches the medium.

    `fresh` says that the unit has been restarted since the ranges were written, so that any read reaches it. Raises
    UnitError when nothing could be read, and what `Unit.put` raises.
    """
    needed = sum(length for _, length in ranges) // SECTOR
    for way, before, flag in _FLASH_MEMORY if target.kind == "mtd" else _WAYS:
        if section.simulated and before:
            break  # the caches are the host's
        hashed, sectors = _read(unit, target, ranges, section, (way, before, flag), deadline)
        if hashed is None:
            continue
        if not before:
            return ReadBack(hashed, way)
        if sectors is not None and sectors >= needed:
            return ReadBack(hashed, f"{way}, proved by the kernel's count of what was read")
        if fresh:
            return ReadBack(hashed, AFTER_REBOOT)
    hashed, _ = _read(unit, target, ranges, section, _PLAIN, deadline)
    if hashed is None:
        raise UnitError(
            f"{unit.route}: {target.path} could not be read back",
            hint="Check the unit's storage; the unit must not ship like this.",
            code="flash.read-back",
        )
    return ReadBack(hashed, AFTER_REBOOT if fresh else None)


def _read(
    unit: Unit, target: Target, ranges: Sequence[Range], section: UnitSection, way: tuple[str, str, str],
    deadline: Deadline,
) -> tuple[str | None, int | None]:  # fmt: skip
    """The hash, None where this way does not work here, and how many sectors the medium was read for meanwhile."""
    stat = "echo -"
    if target.counted and not section.simulated:
        stat = f"read -r _ _ n _ </sys/dev/block/{target.number}/stat && echo $n"
    digest = digest_for(target)
    _, before, flag = way
    script = _SCRIPT.format(
        target=quote(target.path),
        test=target.test,
        stat=stat,
        before=before,
        flag=flag,
        program=digest.program or "cat",
    )
    if digest.program:
        said, sectors = _run(unit, script, ranges, deadline)
        words = said.split() if said is not None else []
        return (words[0].decode("ascii", "replace"), sectors) if words[1:] == [b"-"] else (None, sectors)
    return _fetch(unit, script, ranges, digest, deadline)


def _fetch(
    unit: Unit, script: str, ranges: Sequence[Range], digest: Digest, deadline: Deadline
) -> tuple[str | None, int | None]:
    """As `_read`, with what is read coming back piece by piece."""
    hashed, total = hashlib.new(digest.algorithm, usedforsecurity=False), 0
    counted = True
    for start, whole in ranges:
        for at in range(start, start + whole, FETCH):
            length = min(FETCH, start + whole - at)
            said, sectors = _run(unit, script, [(at, length)], deadline)
            if said is None or len(said) != length:
                return None, None
            hashed.update(said)
            # Reading ahead counts for the next piece: only a piece that was read for itself says anything.
            counted = counted and sectors is not None and sectors >= length // SECTOR
            total += sectors or 0
    return hashed.hexdigest(), total if counted else None


def _run(unit: Unit, script: str, ranges: Sequence[Range], deadline: Deadline) -> tuple[bytes | None, int | None]:
    """What the program said, None where not all was read, and how many sectors the medium was read for meanwhile."""
    sent = unit.put(_source(_list(ranges)), script, deadline=deadline)
    said, _, end = sent.completed.stdout.rpartition(b"\nend ")
    words = end.split()
    if sent.completed.status != 0 or words[:1] != [b"whole"]:
        return None, None
    counts = [int(word) for word in words[1:3] if word.isdigit()]
    return said, counts[1] - counts[0] if len(counts) == 2 else None


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
