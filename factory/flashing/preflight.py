"""May this unit be flashed? Everything that speaks against it, at once, before anything is touched."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from shlex import quote

from factory.config import UnitSection
from factory.flashing.clear import clear
from factory.flashing.digests import Digest, best_digest, known_programs
from factory.flashing.errors import PreflightRefused
from factory.flashing.look import Kind, Seen, look
from factory.flashing.mounts import Mount, Persistence, Verdict, is_below, judge, parse_mounts
from factory.flashing.pending import STAGING
from factory.flashing.plan import (
    CODE_FILE,
    EMPTY_FOLDERS,
    PACKAGE_FILES,
    Destination,
    Flashable,
    Preflight,
    require_flashable,
)
from factory.units.deadline import Deadline
from factory.units.protocol import Unit
from factory.values import Finding, Severity, shown

_NEEDED = ("cat", "ls", "mkdir", "mv", "rm", "rmdir", "chmod", "sync")
_DF_LINE = re.compile(r"\s\d+\s+-?\d+\s+(-?\d+)\s+(?:\d+%|-)\s")
_BLOCK = 4096
_MARGIN = 64 * 1024


def preflight(unit: Unit, image: Flashable, section: UnitSection, *, deadline: Deadline) -> Preflight:
    """Look at the unit and say where each file of the image goes.

    Changes nothing, unless `section.clear`: then a running connectd is stopped and what lies in the five folders is
    moved aside (`Preflight.cleared`, deleted by `finish`). Raises PreflightRefused with every reason, UsageError for
    an image that cannot be flashed, and what `Unit.run` raises.
    """
    require_flashable(image)
    if section.persistence == "save-config":
        finding = _finding(
            "flash.save-config",
            "unit.persistence",
            'persistence = "save-config" comes with a later version',
            'Use "direct", or "declared" if you know that the place keeps what is written.',
        )
        raise PreflightRefused(unit.route, (finding,))
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
        before=_notes_script(section, top),
        after=_mounts_script(section),
        deadline=deadline.within(section.timeouts.command),
    )
    notes = _Notes.parse(looked.notes)
    mounts = parse_mounts("\n".join(notes.mounts))
    first = len(empty) + 1
    destinations = tuple(
        Destination(entry, seen.real or "", judge(mounts, seen.real or ""), seen)
        for entry, seen in zip(entries, looked.seen[first:], strict=True)
    )
    result = Preflight(
        image.manifest.image, looked.seen[0].real or "", destinations, digest, notes.free, notes.interrupted
    )
    watched = tuple(zip(EMPTY_FOLDERS, looked.seen[1:first], strict=True))
    obstacles = (
        *_tool_findings(notes, destinations, digest, image),
        *_kind_findings(looked.seen[0], top, watched, destinations),
        *_mount_findings(notes, mounts, section, watched, result),
        *_space_findings(result, image),
    )
    return _Sight(result, looked.seen[0].real or top, watched, obstacles, _running(notes), tuple(_leftovers(watched)))


@dataclass(frozen=True, slots=True)
class _Notes:
    """The lines beside the list of files."""

    missing: tuple[str, ...]
    running: tuple[str, ...]
    interrupted: bool
    free: int | None
    mounts: tuple[str, ...]
    mounts_read: bool

    @classmethod
    def parse(cls, notes: Sequence[str]) -> _Notes:
        by_kind: dict[str, list[str]] = {}
        for note in notes:
            kind, _, rest = note.partition(" ")
            by_kind.setdefault(kind, []).append(rest)
        found = [match for line in by_kind.get("df", []) if (match := _DF_LINE.search(line))]
        return cls(
            missing=tuple(by_kind.get("missing", ())),
            running=tuple(by_kind.get("running", ())),
            interrupted="interrupted" in by_kind,
            free=int(found[-1].group(1)) * 1024 if found else None,
            mounts=tuple(by_kind.get("mount", ())),
            mounts_read="mounts-read" in by_kind,
        )


def _notes_script(section: UnitSection, top: str) -> str:
    """Missing programs, a running connectd, an interrupted flash, free space. Processes are seen by their names
    under /proc (which cuts them after 15 characters): that needs neither pidof nor ps, and stays inside a simulated
    unit's folder.
    """
    root = "" if section.simulated else "/"
    code = quote(f"{top}/{CODE_FILE}")
    return f"""
for t in {" ".join(_NEEDED)}; do command -v $t >/dev/null 2>&1 || printf 'n missing %s\\n' $t; done
for c in {root}proc/[0-9]*/comm; do
  [ -r "$c" ] && read -r c < "$c" || continue
  case $c in connectd|connectd.*|connectd_contro*) printf 'n running process %s\\n' "$c";; esac
done 2>/dev/null
for c in {root}var/run/connectd/*.pid; do [ -e "$c" ] && printf 'n running pidfile %s\\n' "${{c##*/}}"; done
c=$(real {code}); c=${{c%/*}}
for s in "$c/{STAGING}" "$c/{STAGING}.undo"; do [ -f "$s/undo" ] && printf 'n interrupted\\n'; done
while [ -n "$c" ] && [ ! -d "$c" ]; do c=${{c%/*}}; done
df -Pk "${{c:-/}}" 2>/dev/null | while read -r l; do printf 'n df %s \\n' "$l"; done
"""


def _mounts_script(section: UnitSection) -> str:
    table = quote(section.mounts_file)
    lines = "while read -r l; do printf 'n mount %s\\n' \"$l\"; done"
    return f"if [ -r {table} ]; then printf 'n mounts-read\\n'; {lines} < {table}; fi"


def _tool_findings(
    notes: _Notes, destinations: Sequence[Destination], digest: Digest | None, image: Flashable
) -> Iterator[Finding]:
    for name in notes.missing:
        yield _finding("flash.tool", "unit.tools", f"the unit has no {name}", f"Flashing needs {', '.join(_NEEDED)}.")
    if digest is not None:
        return
    replaced = [
        one.entry.path for one in destinations if one.entry.path in PACKAGE_FILES and one.before.kind == Kind.FILE
    ]
    if replaced:
        message = f"the unit has no hash program, so the original of {replaced[0]} cannot be recorded"
        yield _finding("flash.tool", "unit.tools", message, f"It needs one of {known_programs()}.")
    if any(b"\0" in content for content in image.contents.values()):
        message = "the unit has no hash program, and without one only text can be compared"
        yield _finding("flash.tool", "unit.tools", message, f"It needs one of {known_programs()}.")


def _kind_findings(
    top: Seen, top_path: str, watched: Sequence[tuple[str, Seen]], destinations: Sequence[Destination]
) -> Iterator[Finding]:
    if top.kind not in (Kind.FOLDER, Kind.ABSENT):
        yield _finding("flash.kind", top_path, "is no folder", "Is connectd_dir right?")
    seen_at: dict[str, str] = {}
    everything = [(one.entry.path, one.before, one.entry.is_folder) for one in destinations]
    names = {path for path, _, _ in everything}
    for path, seen, is_folder in [*everything, *((p, s, True) for p, s in watched if p not in names)]:
        wanted = Kind.FOLDER if is_folder else Kind.FILE
        if seen.real is None:
            hint = "A symlink that points nowhere, or readlink is missing on the unit."
            yield _finding("flash.link", path, "its real place cannot be found out", hint)
        elif seen.kind not in (wanted, Kind.ABSENT):
            yield _finding("flash.kind", path, f"is no {'folder' if is_folder else 'file'} on the unit")
        elif not seen.readable:
            yield _finding("flash.rights", path, "cannot be read", 'Log in as root, or set become = "sudo".')
        elif seen_at.setdefault(seen.real, path) != path:
            yield _finding("flash.link", path, f"is the same file as {seen_at[seen.real]}")


def _mount_findings(
    notes: _Notes,
    mounts: Sequence[Mount],
    section: UnitSection,
    watched: Sequence[tuple[str, Seen]],
    result: Preflight,
) -> Iterator[Finding]:
    """Destinations, watched folders and whatever is mounted below connectd_dir."""
    if not notes.mounts_read:
        hint = "Is mounts_file right?"
        yield _finding("flash.mounts", section.mounts_file, "the table of mounts cannot be read", hint)
        return
    places: dict[str, Verdict] = {section.connectd_dir: judge(mounts, result.folder)}
    places |= {path: judge(mounts, seen.real) for path, seen in watched if seen.real}
    places |= {one.entry.path: one.verdict for one in result.destinations if one.real}
    below = [mount.point for mount in mounts if result.folder and is_below(mount.point, result.folder)]
    places |= {point: judge(mounts, point) for point in below if point != result.folder}
    told: set[str] = set()
    for place, verdict in places.items():
        finding = _persistence_finding(place, verdict, section)
        if finding and verdict.why not in told:
            told.add(verdict.why)
            yield finding
    for one in result.destinations:
        if not one.entry.is_folder and one.real and one.verdict.point == one.real:
            message = "is a mount point of its own, and a mounted file cannot be replaced"
            yield _finding("flash.mount-point", one.entry.path, message)


def _persistence_finding(place: str, verdict: Verdict, section: UnitSection) -> Finding | None:
    if verdict.persistence == Persistence.NO:
        message = f"would not keep what is written: it is {verdict.why}"
        hint = "Remount it read-write or make it persistent; the unit would forget its identity."
        return _finding("flash.not-persistent", place, message, hint)
    if verdict.persistence == Persistence.UNKNOWN and section.persistence != "declared":
        message = f"nobody knows whether it keeps what is written: it is {verdict.why}"
        hint = 'If you know that it does, set persistence = "declared" in [unit].'
        return _finding("flash.persistence-unknown", place, message, hint)
    return None


def _space_findings(result: Preflight, image: Flashable) -> Iterator[Finding]:
    if result.free is None:
        return
    # Old and new content lie side by side until the proof; each file and folder takes whole blocks.
    blocks = sum(-(-len(content) // _BLOCK) + 1 for content in image.contents.values())
    needed = blocks * _BLOCK + _MARGIN
    if result.free < needed:
        message = f"{result.free} bytes are free and {needed} are needed"
        yield _finding("flash.space", result.folder, message, "Make room on the unit's file system.")


def _running(notes: _Notes) -> tuple[Finding, ...]:
    if not notes.running:
        return ()
    message = f"connectd runs ({shown(notes.running[0], 60)})"
    return (_finding("flash.running", "connectd", message, _CLEAR_HINT),)


def _leftovers(watched: Sequence[tuple[str, Seen]]) -> Iterator[Finding]:
    for path, seen in watched:
        if seen.entries:
            message = f"is not empty: {', '.join(seen.entries)}"
            yield _finding("flash.leftover", path, message, _CLEAR_HINT)


_CLEAR_HINT = "The unit was registered before. Set clear = true in [unit] to stop connectd and empty the five folders."


def _finding(code: str, place: str, message: str, hint: str = "") -> Finding:
    return Finding(code, Severity.ERROR, place, message, hint)
