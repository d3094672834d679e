"""Looking at files and folders on the unit: what is there, where it really lies, whose it is, what it holds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from shlex import quote

from factory.flashing.digests import Digest
from factory.units.deadline import Deadline
from factory.units.protocol import Unit, UnitError
from factory.values import shown

_MODE = re.compile(r"[-dlbcps]([-r][-w][-xsS][-r][-w][-xsS][-r][-w][-xtT])[.+@]?")
_DIGEST = re.compile(r"[0-9a-f]{32,128}")
ENTRIES_SHOWN = 8

# `real` needs readlink only for a file that is a symlink. Its variables live in subshells where it calls itself.
REAL = r"""
real() {
  if [ -d "$1" ]; then (CDPATH= cd -P "$1" 2>/dev/null && pwd -P); return; fi
  if [ -h "$1" ]; then readlink -f "$1" 2>/dev/null; return; fi
  case $1 in */*) up=${1%/*} last=${1##*/};; *) up=. last=$1;; esac
  up=$(real "${up:-/}") && [ -n "$up" ] && printf '%s\n' "${up%/}/$last"
}
"""
_SEE = r"""
see() {
  i=$1 f=$2 want=$3
  if [ -d "$f" ]; then k=d; elif [ -f "$f" ]; then k=f; elif [ -e "$f" ]; then k=o; else k=a; fi
  printf 'p %s %s %s\n' "$i" "$k" "WHERE"
  [ $k != a ] || return 0
  set -f; set -- $(ls -lnLd "$f"); set +f
  printf 's %s %s %s %s\n' "$i" "$1" "$3" "$4"
  [ -r "$f" ] || { printf 'u %s\n' "$i"; return 0; }
  if [ $k = f ] && [ "$want" = h ]; then set -- $(SUM < "$f"); printf 'h %s %s\n' "$i" "$1"; fi
  [ $k = d ] || return 0
  n=0
  for e in "$f"/* "$f"/.[!.]* "$f"/..?*; do
    [ -e "$e" ] || [ -h "$e" ] || continue
    e=${e##*/}; case $e in *[!A-Za-z0-9._-]*) e='?';; esac
    printf 'e %s %s\n' "$i" "$e"; n=$((n+1)); [ $n -lt LIMIT ] || break
  done
}
"""


class Kind(StrEnum):
    """What stands at a path, symlinks followed."""

    FILE = "f"
    FOLDER = "d"
    OTHER = "o"
    ABSENT = "a"


@dataclass(frozen=True, slots=True)
class Seen:
    """What one path is on the unit. `real` is the absolute path without symlinks, None where it cannot be found
    out; `mode` are permission bits; `digest` is there where it was asked for; `entries` are a folder's first few
    names ('?' for a name with odd characters).
    """

    kind: Kind
    real: str | None
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    readable: bool = True
    digest: str | None = None
    entries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Looked:
    """All paths that were looked at, in order, and the other lines that the script printed."""

    seen: tuple[Seen, ...]
    notes: tuple[str, ...]


def look(
    unit: Unit,
    paths: Sequence[str],
    *,
    digest: Digest | None = None,
    hashed: frozenset[str] = frozenset(),
    resolve: bool = False,
    before: str = "",
    after: str = "",
    deadline: Deadline,
) -> Looked:
    """Look at all paths in one round trip; files in `hashed` are hashed with `digest`, and `resolve` finds out where
    each path really lies.

    `before` and `after` are shell text that prints lines starting with 'n '; they come back as notes without it.
    Raises UnitError for an answer that is no such list, and what `Unit.run` raises.
    """
    program = digest.program if digest else "false"
    see = _SEE.replace("SUM", program).replace("LIMIT", str(ENTRIES_SHOWN))
    see = see.replace("WHERE", '$(real "$f")' if resolve else "-")
    script = ["LC_ALL=C; export LC_ALL", REAL if resolve else "", see, before]
    for index, path in enumerate(paths):
        script.append(f"see {index} {quote(path)} {'h' if digest and path in hashed else '-'}")
    script += [after, "printf 'end\\n'"]
    completed = unit.run("\n".join(part.strip("\n") for part in script if part), deadline=deadline)
    lines = completed.require("looking at the files").text().splitlines()
    if not lines or lines[-1] != "end":
        raise UnitError(f"{unit.route}: the list of files came back incomplete", code="flash.look")
    return _parse(unit.route, lines[:-1], len(paths))


def _parse(route: str, lines: Sequence[str], count: int) -> Looked:
    seen: dict[int, Seen] = {}
    notes = []
    for line in lines:
        kind, _, rest = line.partition(" ")
        if kind == "n":
            notes.append(rest)
            continue
        index_text, _, rest = rest.partition(" ")
        try:
            index = int(index_text)
            seen[index] = _take(kind, rest, seen.get(index))
        except (ValueError, AttributeError, KeyError) as error:
            raise UnitError(f"{route}: not a line of a list of files: {shown(line)}", code="flash.look") from error
    if sorted(seen) != list(range(count)):
        raise UnitError(f"{route}: {len(seen)} of {count} files came back", code="flash.look")
    return Looked(tuple(seen[index] for index in range(count)), tuple(notes))


def _take(kind: str, rest: str, known: Seen | None) -> Seen:
    """One line's news about a path. Raises ValueError for what is no such line."""
    if kind == "p":
        what, _, real = rest.partition(" ")
        return Seen(Kind(what), "/" + real.strip("/") if real.startswith("/") else None)
    if known is None:
        raise ValueError("nothing known of this path yet")
    if kind == "s":
        mode, uid, gid = rest.split(" ")
        return replace(known, mode=_mode(mode), uid=int(uid), gid=int(gid))
    if kind == "u":
        return replace(known, readable=False)
    if kind == "h" and _DIGEST.fullmatch(rest):
        return replace(known, digest=rest)
    if kind == "e":
        return replace(known, entries=(*known.entries, rest))
    raise ValueError("unknown kind of line")


def _mode(text: str) -> int:
    """Permission bits of what `ls -l` prints: 'drwx------' is 0o700. Raises ValueError."""
    match = _MODE.fullmatch(text)
    if not match:
        raise ValueError(f"not a mode: {text}")
    special_bits, permissions = 0, 0
    for special, triple in zip((0o4000, 0o2000, 0o1000), _triples(match.group(1)), strict=True):
        bits = (triple[0] != "-", triple[1] != "-", triple[2] in "xst")
        permissions = permissions << 3 | bits[0] << 2 | bits[1] << 1 | bits[2]
        if triple[2] in "sStT":
            special_bits |= special
    return special_bits | permissions


def _triples(text: str) -> Iterator[str]:
    return (text[start : start + 3] for start in (0, 3, 6))
