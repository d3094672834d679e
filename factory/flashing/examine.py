"""May this unit be flashed? Everything that speaks against it, at once, before anything is touched."""

from __future__ import annotations

from dataclasses import dataclass, replace

from factory.config import UnitSection
from factory.flashing.clear import clear
from factory.flashing.digests import best_digest
from factory.flashing.errors import PreflightRefused
from factory.flashing.look import Seen, look
from factory.flashing.mounts import judge, parse_mounts
from factory.flashing.notes import Notes, mounts_script, notes_script
from factory.flashing.objections import (
    kind_findings,
    leftover_findings,
    mount_findings,
    running_findings,
    saving_findings,
    space_findings,
    tool_findings,
)
from factory.flashing.plan import (
    EMPTY_FOLDERS,
    PACKAGE_FILES,
    Destination,
    Flashable,
    Preflight,
    require_flashable,
    withheld,
)
from factory.flashing.saving import saving_of
from factory.units.deadline import Deadline
from factory.units.protocol import Unit
from factory.values import Finding


def preflight(unit: Unit, image: Flashable, section: UnitSection, *, deadline: Deadline) -> Preflight:
    """Look at the unit and say where each file of the image goes.

    Changes nothing, unless `section.clear`: then a running connectd is stopped and what lies in the five folders is
    moved aside (`Preflight.cleared`, deleted by `finish`). Raises PreflightRefused with every reason, UsageError for
    an image that cannot be flashed, and what `Unit.run` raises.
    """
    require_flashable(image)
    sight = _sight(unit, image, section, deadline)
    cleared = None
    if section.clear and (sight.running or sight.leftovers) and not sight.obstacles:
        folders = [path for path, seen in sight.empty if seen.entries]
        cleared = clear(unit, section, sight.folder, folders, deadline=deadline)
        sight = _sight(unit, image, section, deadline)
    findings = (*sight.obstacles, *sight.running, *sight.leftovers)
    if findings:
        raise PreflightRefused(unit.route, findings)
    return replace(sight.result, cleared=cleared)


@dataclass(frozen=True, slots=True)
class _Sight:
    """What one look found: the result if all is well, and what speaks against it, by kind."""

    result: Preflight
    folder: str
    empty: tuple[tuple[str, Seen], ...]
    obstacles: tuple[Finding, ...]
    running: tuple[Finding, ...]
    leftovers: tuple[Finding, ...]


def _sight(unit: Unit, image: Flashable, section: UnitSection, deadline: Deadline) -> _Sight:
    top = section.connectd_dir.rstrip("/") or "/"
    entries = image.manifest.files
    empty = [f"{top}/{name}" for name in EMPTY_FOLDERS]
    paths = [top, *empty, *(f"{top}/{entry.path}" for entry in entries)]
    digest = best_digest(unit.tools)
    looked = look(
        unit,
        paths,
        digest=digest,
        hashed=frozenset(f"{top}/{name}" for name in PACKAGE_FILES),
        resolve=True,
        before=notes_script(section, f"{top}/{withheld(entries)}"),
        after=mounts_script(section),
        deadline=deadline.within(section.timeouts.command),
    )
    notes = Notes.parse(looked.notes)
    mounts = parse_mounts("\n".join(notes.mounts))
    first = len(empty) + 1
    destinations = tuple(
        Destination(entry, seen.real or "", judge(mounts, seen.real or ""), seen)
        for entry, seen in zip(entries, looked.seen[first:], strict=True)
    )
    result = Preflight(
        image.manifest.image, looked.seen[0].real or "", destinations, digest, notes.free, notes.interrupted,
        boot=notes.boot,
    )  # fmt: skip
    if all(one.real for one in destinations):
        result = replace(result, saving=saving_of(result, image, section))
    watched = tuple(zip(EMPTY_FOLDERS, looked.seen[1:first], strict=True))
    obstacles = (
        *tool_findings(notes, destinations, digest, image),
        *kind_findings(looked.seen[0], top, watched, destinations),
        *mount_findings(notes, mounts, section, watched, result),
        *space_findings(result, image),
        *saving_findings(notes, section),
    )
    running, leftovers = running_findings(notes, section), tuple(leftover_findings(watched))
    return _Sight(result, looked.seen[0].real or top, watched, obstacles, running, leftovers)
