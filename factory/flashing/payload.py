"""Getting the bytes into the staging folders: one streamed tar per mount, or file by file where there is no tar."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from shlex import quote
from typing import BinaryIO

from factory.config import UnitSection
from factory.flashing.errors import FlashError
from factory.flashing.moves import INTERRUPTED, stage_script, undo_script
from factory.flashing.plan import Flashable, Preflight
from factory.flashing.station_lock import LOCKED, other_station
from factory.units.deadline import Deadline
from factory.units.protocol import Completed, Progress, Sent, Unit

WORTH_COMPRESSING = 1024 * 1024
_PAYS_BELOW = 0.7
_END = bytes(2 * tarfile.BLOCKSIZE)


@dataclass(frozen=True, slots=True)
class Staged:
    """What went over the wire: payload bytes and blocks that were sent again."""

    payload: int
    retries: int


def stage(
    unit: Unit,
    image: Flashable,
    plan: Preflight,
    section: UnitSection,
    *,
    locking: str,
    deadline: Deadline,
    progress: Progress | None = None,
) -> Staged:
    """Put every file of the image, and the undo script, into the staging folders. `locking` is shell text that comes
    before the first byte and may end the script.

    Raises OtherStation; FlashError when the unit could not take it (disk full, read-only, an earlier flash that was
    cut); and what `Unit.put` raises.
    """
    within = deadline.within(section.timeouts.flash)
    payload = retries = 0
    for number in range(len(plan.stagings)):
        for content, command in _payloads(unit, image, plan, number, locking):
            sent = unit.put(_source(content), command, deadline=within, progress=_shifted(progress, payload))
            _require(unit, plan, number, sent)
            payload += sent.payload
            retries += sent.retries
    return Staged(payload, retries)


def _payloads(unit: Unit, image: Flashable, plan: Preflight, number: int, locking: str) -> Iterator[tuple[bytes, str]]:
    """What is sent for one staging folder, and the command that takes it."""
    members = {f"new/{i}": image.contents[plan.destinations[i].entry.path] for i in plan.stagings[number].files}
    if number == 0:
        members["undo.new"] = undo_script(plan).encode()
    if "tar" in unit.tools:
        content, receive = _compressed(unit, _tar(members))
        yield content, stage_script(plan, number, receive, locking)
        return
    first, *others = members.items()
    yield first[1], stage_script(plan, number, f"cat > {first[0]}", locking)
    for name, content in others:
        target = quote(f"{plan.stagings[number].path}/{name}")
        yield content, f"exec 2>&1; umask 077; cat > {target}"


def _compressed(unit: Unit, content: bytes) -> tuple[bytes, str]:
    """The tar as it is sent, and what takes it. A serial line compresses by itself what it carries; over SSH it pays
    for large images that become smaller. zstd unpacks some three times as fast as gzip, where the unit has both.
    """
    if len(content) < WORTH_COMPRESSING or unit.route.startswith("serial:"):
        return content, "tar -xf -"
    if "zstd" in unit.tools:
        smaller, unpack = _zstd(content), "zstd -dc"
    elif "gzip" in unit.tools:
        smaller, unpack = gzip.compress(content, compresslevel=1, mtime=0), "gzip -dc"
    else:
        return content, "tar -xf -"
    if len(smaller) >= _PAYS_BELOW * len(content):
        return content, "tar -xf -"
    return smaller, f"{unpack} | tar -xf -"


def _zstd(content: bytes) -> bytes:
    from factory.flashing.partition.zstandard import compressor

    packer = compressor()
    packed: bytes = packer.compress(content) + packer.flush()
    return packed


def _tar(members: dict[str, bytes]) -> bytes:
    """A tar of the members, without the padding to a whole tape record: it would only cost time on a serial line."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o600
            archive.addfile(member, io.BytesIO(content))
        end = stream.tell()
    return stream.getvalue()[:end] + _END


def _source(content: bytes) -> Callable[[int], BinaryIO]:
    def source(offset: int) -> BinaryIO:
        return io.BytesIO(content[offset:])

    return source


def _shifted(progress: Progress | None, before: int) -> Progress | None:
    return (lambda sent: progress(before + sent)) if progress else None


def _require(unit: Unit, plan: Preflight, number: int, sent: Sent) -> None:
    completed = sent.completed
    if completed.status == 0:
        return
    path = plan.stagings[number].path
    if completed.status == LOCKED:
        raise other_station(unit, completed.stdout)
    if completed.status == INTERRUPTED:
        raise FlashError(
            f"{unit.route}: an earlier flash was cut on this unit, and its old content still waits in {path}",
            hint="Start the attempt again: the old content is put back first.",
            code="flash.interrupted",
        )
    raise refused(unit, f"the new files could not be stored in {path}", completed)


def refused(unit: Unit, what: str, completed: Completed) -> FlashError:
    """The error for a command that the unit could not carry out, with the unit's own words and what to do."""
    said = (completed.stdout + completed.stderr)[-300:].decode("ascii", "backslashreplace").strip()
    lower = said.lower()
    if any(words in lower for words in ("no space left", "disk quota", "file too large")):
        code, hint = "flash.disk-full", "The unit's file system is full: make room there."
    elif "read-only" in lower:
        code, hint = "flash.read-only", "The unit's file system is read-only: remount it read-write."
    elif "denied" in lower or "not permitted" in lower:
        code, hint = "flash.rights", 'Log in as root, or set become = "sudo".'
    else:
        code, hint = "flash.command", "See the transcript."
    said = " ".join(said.split()) or "no output"
    return FlashError(f"{unit.route}: {what}: status {completed.status}, {said}", hint=hint, code=code)
