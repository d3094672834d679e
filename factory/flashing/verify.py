"""Does the unit hold what the image holds? Content, modes, owners, empty folders."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from shlex import quote
from typing import BinaryIO

from factory.config import UnitSection
from factory.flashing.digests import Digest
from factory.flashing.errors import FlashError
from factory.flashing.look import Kind, Looked, Seen, look
from factory.flashing.plan import Flashable, Preflight
from factory.units.deadline import Deadline
from factory.units.protocol import Unit
from factory.values import FileEntry

# Reading through the shell's own variables needs no other program; content without NUL only, which preflight checked.
_COMPARE = 'a=$(cat; echo .); b=$(cat {path}; echo .); [ "$a" = "$b" ]'


def read_back(unit: Unit, image: Flashable, plan: Preflight, section: UnitSection, *, deadline: Deadline) -> str:
    """Read everything back from its final place and return the way it was read, for the receipt.

    'after drop_caches' is said only when the unit's kernel took the request; else 'cached': such a read may come from
    memory and proves the medium only after a reboot. Raises FlashError naming what differs.
    """
    drop = "sync"
    if not section.simulated:
        drop += "; if (echo 3 > /proc/sys/vm/drop_caches) 2>/dev/null; then printf 'n dropped\\n'; fi"
    # Whoever owns the code file is who we are on the unit, for we have just made it; root gives everything to root.
    paths = [destination.real for destination in plan.destinations]
    looked = look(
        unit,
        paths,
        digest=plan.digest,
        hashed=frozenset(paths),
        before=drop,
        deadline=deadline.within(section.timeouts.flash),
    )
    faults = list(differences(image, plan.digest, looked))
    faults += [
        f"{one.entry.path} belongs to {seen.uid}:{seen.gid}, not to root"
        for one, seen in zip(plan.destinations, looked.seen, strict=True)
        if looked.seen[plan.code].uid == 0 and (seen.uid, seen.gid) != (0, 0)
    ]
    if plan.digest is None and not faults:
        faults += compare_contents(unit, image, [(one.entry, one.real) for one in plan.destinations], deadline=deadline)
    if faults:
        raise FlashError(
            f"{unit.route}: what was written does not read back: {'; '.join(faults)}",
            hint="Check the unit's storage; the unit must not ship like this.",
            code="flash.read-back",
        )
    name = plan.digest.name if plan.digest else "comparison"
    return f"{name} after drop_caches" if "dropped" in looked.notes else f"{name}, cached"


def differences(image: Flashable, digest: Digest | None, looked: Looked) -> Iterator[str]:
    """What is not as in the image, one clause per fault; content only where there is a digest. `looked` holds the
    image's files and folders in the manifest's order.
    """
    for entry, seen in zip(image.manifest.files, looked.seen, strict=True):
        fault = _difference(entry, seen, image, digest)
        if fault:
            yield f"{entry.path} {fault}"


def compare_staged(unit: Unit, image: Flashable, plan: Preflight, *, deadline: Deadline) -> None:
    """Compare the staged files by sending them again, for units without a hash program. Raises FlashError."""
    staged = {index: f"{staging.path}/new/{index}" for staging in plan.stagings for index in staging.files}
    files = [(plan.destinations[index].entry, path) for index, path in staged.items()]
    faults = compare_contents(unit, image, files, deadline=deadline)
    if faults:
        raise FlashError(
            f"{unit.route}: {'; '.join(faults)} from what was sent",
            hint="Nothing was changed. Try again; if it stays, check cable and storage.",
            code="flash.damaged",
        )


def compare_contents(
    unit: Unit, image: Flashable, files: list[tuple[FileEntry, str]], *, deadline: Deadline
) -> list[str]:
    """Send each file's content once more and let the unit's shell compare it with the file at the path given.

    For units without a hash program: reading back over the line would bring the registration key into the answer.
    """
    faults = []
    for entry, path in files:
        if entry.is_folder:
            continue
        command = _COMPARE.format(path=quote(path))
        sent = unit.put(_source(image.contents[entry.path]), command, deadline=deadline)
        if sent.completed.status != 0:
            faults.append(f"{entry.path} differs")
    return faults


def _difference(entry: FileEntry, seen: Seen, image: Flashable, digest: Digest | None) -> str | None:
    if seen.kind == Kind.ABSENT:
        return "is gone"
    if seen.kind != (Kind.FOLDER if entry.is_folder else Kind.FILE):
        return f"is no {'folder' if entry.is_folder else 'file'}"
    if not seen.readable:
        return "cannot be read"
    if seen.entries:
        return f"is not empty: {', '.join(seen.entries)}"
    if not entry.is_folder and digest is not None and seen.digest != digest.of(image.contents[entry.path]):
        return "holds something else"
    if seen.mode != entry.mode:
        return f"has mode {seen.mode or 0:04o}, not {entry.mode:04o}"
    return None


def _source(content: bytes) -> Callable[[int], BinaryIO]:
    return lambda offset: io.BytesIO(content[offset:])
