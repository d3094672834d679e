"""A lock that lies on the unit, so that two stations that know nothing of each other do not flash it at once.

It is a folder beside the staging folder, made by mkdir and named by the unit's boot: one that an earlier boot left
behind is no lock any more. The owner and the end of the lease are names of folders in it: no content can be lost. The
lease runs by the unit's own uptime, for the clocks of two stations may differ.
"""

from __future__ import annotations

import os
import re
import socket
from shlex import quote

from factory.config import UnitSection
from factory.flashing.errors import FlashError
from factory.flashing.pending import LOCK
from factory.units.deadline import Deadline
from factory.units.protocol import Unit
from factory.values import shown

LOCKED = 19
_ODD = re.compile(r"[^A-Za-z0-9_.@-]")


class OtherStation(FlashError):  # noqa: N818 - reads as what happened
    """Another station is flashing this unit; what it does there is not touched."""

    code = "flash.other-station"


def this_process() -> str:
    """A name for whoever has no better one."""
    return f"{socket.gethostname()}:{os.getpid()}"


def lock(unit: Unit, home: str, section: UnitSection, owner: str, *, deadline: Deadline) -> None:
    """Take the unit whose first staging folder is `home` for `owner`, who may have it already. It is given back by
    `finish` and by `restore`, and ends with a restart: take it again then.

    Raises OtherStation while another one has it: until its lease ends or the unit is restarted.
    """
    completed = unit.run(lock_script(home, section, owner), deadline=deadline.within(section.timeouts.command))
    if completed.status == LOCKED:
        raise other_station(unit, completed.stdout)
    completed.require(f"{unit.route}: locking the unit against other stations")


def other_station(unit: Unit, said: bytes) -> OtherStation:
    """The error for what a script said that ended with LOCKED."""
    words = said.decode("ascii", "backslashreplace").split()
    who = shown(words[words.index("locked") + 1]) if "locked" in words[:-1] else "another station"
    return OtherStation(
        f"{unit.route}: {who} is flashing this unit",
        hint="Is it connected to two stations? If that one is gone: restart the unit, or wait for its lease to end.",
    )


def still_ours(home: str, section: UnitSection, owner: str) -> str:
    """Shell text that ends with LOCKED when the lock is not `owner`'s: it slept longer than its lease."""
    folder = f"{_parent(home)}/{LOCK}.$b"
    says = f"for w in {folder}/by-*; do printf 'locked %s\\n' \"${{w##*/by-}}\"; done"
    return f"{_boot(section)}\n[ -d {folder}/by-{_name(owner)} ] || {{ {says}; exit {LOCKED}; }}"


def lock_script(home: str, section: UnitSection, owner: str) -> str:
    """Shell text that takes the lock, or ends with LOCKED and says 'locked OWNER'; it leaves stdin alone."""
    timeouts = section.timeouts
    lease = int(2 * timeouts.flash + timeouts.reboot + timeouts.login + 4 * timeouts.command)
    return _script(_parent(home), section, _name(owner), lease)


def release_script(home: str) -> str:
    """Shell text that takes every lock away: guard it."""
    return f"rm -rf {_parent(home)}/{LOCK}.*"


def _boot(section: UnitSection) -> str:
    path = f"{'' if section.simulated else '/'}proc/sys/kernel/random/boot_id"
    return f"b=none; if [ -r {path} ]; then read -r b < {path}; fi"


def _name(owner: str) -> str:
    return _ODD.sub("_", owner)[:100]


def _parent(home: str) -> str:
    return quote(home.rsplit("/", 1)[0] or "/")


def _script(parent: str, section: UnitSection, owner: str, lease: int) -> str:
    root = "" if section.simulated else "/"
    uptime = f"{root}proc/uptime"
    return f"""
umask 077
[ -d {parent} ] || (umask 022; mkdir -p {parent}) || exit 1
now=0; if [ -r {uptime} ]; then read -r now rest < {uptime}; fi; now=${{now%%.*}}
{_boot(section)}
l={parent}/{LOCK}.$b
for o in {parent}/{LOCK}.*; do [ "$o" = "$l" ] || [ ! -d "$o" ] || rm -rf "$o"; done
if ! mkdir "$l" 2>/dev/null; then
  [ -d "$l" ] || {{ mkdir "$l"; exit 1; }}
  end=0 who=
  for e in "$l"/until-*; do e=${{e##*/until-}}; case $e in *[!0-9]*) ;; *) [ "$e" -le "$end" ] || end=$e;; esac; done
  for w in "$l"/by-*; do who=${{w##*/by-}}; done
  if [ ! -d "$l/by-{owner}" ]; then
    if [ "$end" = 0 ] || [ "$now" -le "$end" ]; then printf 'locked %s\\n' "$who"; exit {LOCKED}; fi
    mv "$l" "$l.$$" && rm -rf "$l.$$"
    mkdir "$l" 2>/dev/null || {{ printf 'locked\\n'; exit {LOCKED}; }}
  fi
fi
mkdir -p "$l/by-{owner}" "$l/until-$((now + {lease}))"
"""
