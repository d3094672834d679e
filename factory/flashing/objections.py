"""What speaks against flashing a unit: each a finding with its place and what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from factory.config import UnitSection
from factory.flashing.digests import Digest, known_programs
from factory.flashing.look import Kind, Seen
from factory.flashing.mounts import Mount, Persistence, Verdict, is_below, judge
from factory.flashing.notes import NEEDED, Notes
from factory.flashing.plan import PACKAGE_FILES, Destination, Flashable, Preflight
from factory.values import Finding, Severity, shown

_BLOCK = 4096
_MARGIN = 64 * 1024
_SYSTEM = frozenset(("bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "proc", "root", "sbin", "sys", "usr"))
SAVING_HINT = (
    'With persistence = "save-config" the unit\'s firmware has to save its registration and to restore it at boot: '
    "see docs/persistence.md."
)
_CLEAR_HINT = "The unit was registered before. Set clear = true in [unit] to stop connectd and empty the five folders."


def tool_findings(
    notes: Notes, destinations: Sequence[Destination], digest: Digest | None, image: Flashable
) -> Iterator[Finding]:
    """Programs that are missing for this image on this unit."""
    for name in notes.missing:
        yield objection("flash.tool", "unit.tools", f"the unit has no {name}", f"Flashing needs {', '.join(NEEDED)}.")
    if digest is not None:
        return
    replaced = [
        one.entry.path for one in destinations if one.entry.path in PACKAGE_FILES and one.before.kind == Kind.FILE
    ]
    if replaced:
        message = f"the unit has no hash program, so the original of {replaced[0]} cannot be recorded"
        yield objection("flash.tool", "unit.tools", message, f"It needs one of {known_programs()}.")
    if any(b"\0" in content for content in image.contents.values()):
        message = "the unit has no hash program, and without one only text can be compared"
        yield objection("flash.tool", "unit.tools", message, f"It needs one of {known_programs()}.")


def kind_findings(
    top: Seen, top_path: str, watched: Sequence[tuple[str, Seen]], destinations: Sequence[Destination]
) -> Iterator[Finding]:
    """Paths that are something else than they should be, or whose real place cannot be found out."""
    if top.kind not in (Kind.FOLDER, Kind.ABSENT):
        yield objection("flash.kind", top_path, "is no folder", "Is connectd_dir right?")
    seen_at: dict[str, str] = {}
    everything = [(one.entry.path, one.before, one.entry.is_folder) for one in destinations]
    names = {path for path, _, _ in everything}
    for path, seen, is_folder in [*everything, *((p, s, True) for p, s in watched if p not in names)]:
        wanted = Kind.FOLDER if is_folder else Kind.FILE
        if seen.real is None:
            hint = "A symlink that points nowhere, or readlink is missing on the unit."
            yield objection("flash.link", path, "its real place cannot be found out", hint)
        elif seen.kind not in (wanted, Kind.ABSENT):
            yield objection("flash.kind", path, f"is no {'folder' if is_folder else 'file'} on the unit")
        elif not seen.readable:
            yield objection("flash.rights", path, "cannot be read", 'Log in as root, or set become = "sudo".')
        elif seen_at.setdefault(seen.real, path) != path:
            yield objection("flash.link", path, f"is the same file as {seen_at[seen.real]}")
        elif _is_systems(seen.real, top, top_path):
            hint = "Whoever made this link would have the unit's own system overwritten. Take it away."
            yield objection("flash.link", path, f"is a link to {shown(seen.real)}, which belongs to the system", hint)


def _is_systems(real: str, top: Seen, top_path: str) -> bool:
    """True for what lies outside connectd_dir in a folder of the system's own; other links are the maker's choice."""
    folder = top.real or top_path
    if is_below(real, folder):
        return False
    # The root of a simulated unit is the folder that its relative connectd_dir starts in.
    root = "" if top_path.startswith("/") else folder.removesuffix(f"/{top_path}")
    place = real.removeprefix(root).lstrip("/")
    return place.partition("/")[0] in _SYSTEM and not is_below(f"/{place}", "/usr/local")


def mount_findings(
    notes: Notes,
    mounts: Sequence[Mount],
    section: UnitSection,
    watched: Sequence[tuple[str, Seen]],
    result: Preflight,
) -> Iterator[Finding]:
    """Destinations, watched folders and whatever is mounted below connectd_dir."""
    if not notes.mounts_read:
        hint = "Is mounts_file right?"
        yield objection("flash.mounts", section.mounts_file, "the table of mounts cannot be read", hint)
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
            yield objection("flash.mount-point", one.entry.path, message)


def saving_findings(notes: Notes, section: UnitSection) -> Iterator[Finding]:
    """A unit that shall save what was written, and has nothing that does."""
    if section.persistence != "save-config" or notes.saves == "yes":
        return
    what = "the unit has none" if notes.saves is None else "it does nothing: it is the package's own"
    yield objection("flash.save-config", "connectd_save_config", what, SAVING_HINT)


def _persistence_finding(place: str, verdict: Verdict, section: UnitSection) -> Finding | None:
    if section.persistence == "save-config" and not verdict.read_only:
        return None
    if verdict.persistence == Persistence.NO:
        message = f"would not keep what is written: it is {verdict.why}"
        hint = "Remount it read-write or make it persistent; the unit would forget its identity."
        return objection("flash.not-persistent", place, message, hint)
    if verdict.persistence == Persistence.UNKNOWN and section.persistence != "declared":
        message = f"nobody knows whether it keeps what is written: it is {verdict.why}"
        hint = 'If you know that it does, set persistence = "declared" in [unit].'
        return objection("flash.persistence-unknown", place, message, hint)
    return None


def space_findings(result: Preflight, image: Flashable) -> Iterator[Finding]:
    """Too little room for old and new content side by side."""
    if result.free is None:
        return
    # Old and new content lie side by side until the proof; each file and folder takes whole blocks.
    blocks = sum(-(-len(content) // _BLOCK) + 1 for content in image.contents.values())
    needed = blocks * _BLOCK + _MARGIN
    if result.free < needed:
        message = f"{result.free} bytes are free and {needed} are needed"
        yield objection("flash.space", result.folder, message, "Make room on the unit's file system.")


def running_findings(notes: Notes, section: UnitSection) -> tuple[Finding, ...]:
    """A connectd that runs; its first trace is named."""
    if not notes.running:
        return ()
    message = f"connectd runs ({shown(notes.running[0], 60)})"
    hint = "connectd_control could not stop it: restart the unit, or stop it by hand." if section.clear else _CLEAR_HINT
    return (objection("flash.running", "connectd", message, hint),)


def leftover_findings(watched: Sequence[tuple[str, Seen]]) -> Iterator[Finding]:
    """What lies in the five folders that must be empty."""
    for path, seen in watched:
        if seen.entries:
            message = f"is not empty: {', '.join(seen.entries)}"
            yield objection("flash.leftover", path, message, _CLEAR_HINT)


def objection(code: str, place: str, message: str, hint: str = "") -> Finding:
    """One finding that refuses the unit."""
    return Finding(code, Severity.ERROR, place, message, hint)
