"""What preflight asks of a unit beside its files: programs, a running connectd, mounts, free space, an old debt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote

from factory.config import UnitSection
from factory.flashing.pending import STAGING
from factory.flashing.saving import program_of, saves_script

NEEDED = ("cat", "ls", "mkdir", "mv", "rm", "chmod", "sync")
"""Programs that a unit must have to be flashed; everything else is used if it is there."""
_DF_LINE = re.compile(r"\s\d+\s+-?\d+\s+(-?\d+)\s+(?:\d+%|-)\s")


@dataclass(frozen=True, slots=True)
class Notes:
    """The lines beside the list of files. `saves` is 'yes', 'no' for a program that does nothing, None for none."""

    missing: tuple[str, ...]
    running: tuple[str, ...]
    interrupted: bool
    free: int | None
    mounts: tuple[str, ...]
    mounts_read: bool
    boot: str | None
    saves: str | None

    @classmethod
    def parse(cls, notes: Sequence[str]) -> Notes:
        """Sort the notes of `look` by their first word."""
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
            boot=next(iter(by_kind.get("boot", ())), None),
            saves=next(iter(by_kind.get("saves", ())), None),
        )


def notes_script(section: UnitSection, place: str) -> str:
    """Missing programs, a running connectd, an interrupted flash and the free space at `place`, the file that is
    withheld. Processes are seen by their names under /proc (which cuts them after 15 characters): that needs neither
    pidof nor ps, and stays inside a simulated unit's folder.
    """
    root = "" if section.simulated else "/"
    saves = saves_script(program_of(section)) if section.persistence == "save-config" else ""
    return f"""
for t in {" ".join(NEEDED)}; do command -v $t >/dev/null 2>&1 || printf 'n missing %s\\n' $t; done
for c in {root}proc/[0-9]*/comm; do
  [ -r "$c" ] && read -r c < "$c" || continue
  case $c in connectd|connectd.*|connectd_contro*) printf 'n running process %s\\n' "$c";; esac
done 2>/dev/null
for c in {root}var/run/connectd/*.pid; do [ -e "$c" ] && printf 'n running pidfile %s\\n' "${{c##*/}}"; done
c=$(real {quote(place)}); c=${{c%/*}}
for s in "$c/{STAGING}" "$c/{STAGING}.undo"; do [ -f "$s/undo" ] && printf 'n interrupted\\n'; done
while [ -n "$c" ] && [ ! -d "$c" ]; do c=${{c%/*}}; done
df -Pk "${{c:-/}}" 2>/dev/null | while read -r l; do printf 'n df %s \\n' "$l"; done
b={root}proc/sys/kernel/random/boot_id; if [ -r $b ]; then read -r b < $b; printf 'n boot %s\\n' "$b"; fi
{saves}
"""


def mounts_script(section: UnitSection) -> str:
    """The table of mounts, line by line; 'mounts-read' says that there was one."""
    table = quote(section.mounts_file)
    lines = "while read -r l; do printf 'n mount %s\\n' \"$l\"; done"
    return f"if [ -r {table} ]; then printf 'n mounts-read\\n'; {lines} < {table}; fi"
