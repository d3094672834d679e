"""Clearing a unit that was registered before: connectd stopped, the five folders emptied, a copy kept."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

from factory.config import UnitSection
from factory.flashing.pending import CLEARED
from factory.units.deadline import Deadline
from factory.units.protocol import Unit, UnitError


def clear(unit: Unit, section: UnitSection, folder: str, names: Sequence[str], *, deadline: Deadline) -> str:
    """Stop connectd by its own control program, move what lies in the folders `names` of `folder` (resolved) to a
    new numbered folder of `folder`/.factory-cleared, and return that folder's path.

    No process is killed: what the control program cannot stop is found by the next look and refused. Raises
    UnitError when a move fails, and what `Unit.run` raises.
    """
    completed = unit.run(_script(section, folder, names), deadline=deadline.within(section.timeouts.flash))
    copy = completed.require("clearing what an earlier registration left").text().strip()
    if not copy.startswith("/"):
        raise UnitError(f"{unit.route}: clearing did not say where the copy lies", code="flash.clear")
    return copy


def _script(section: UnitSection, folder: str, names: Sequence[str]) -> str:
    root = "" if section.simulated else "/"
    return f"""
umask 077
if command -v connectd_control >/dev/null 2>&1; then connectd_control stop all </dev/null >/dev/null 2>&1; fi
for f in {root}var/run/connectd/*.pid; do
  [ -f "$f" ] || continue
  read -r pid < "$f"
  [ -d {root}proc/"${{pid:-none}}" ] || rm -f "$f"
done
set -e
cd {quote(folder)}
n=1
while [ -e {CLEARED}/$n ]; do n=$((n+1)); done
for d in {" ".join(names)}; do
  mkdir -p {CLEARED}/$n/$d
  for e in $d/* $d/.[!.]* $d/..?*; do
    if [ -e "$e" ] || [ -h "$e" ]; then mv "$e" {CLEARED}/$n/$d/; fi
  done
done 2>&1
mkdir -p {CLEARED}/$n
sync
printf '%s\\n' "$PWD/{CLEARED}/$n"
"""
