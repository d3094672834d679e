"""The device on the unit that an image is to go to: what it is, and what else uses it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Literal

from factory.config import UnitSection
from factory.flashing.mounts import parse_mounts
from factory.flashing.partition.mtd import MTD_BLOCK, Mtd, parse_mtd
from factory.units.deadline import Deadline
from factory.units.protocol import Unit, UnitError
from factory.values import shown

_TOOLS = (
    "dd blockdev sync zstd gunzip sha256sum sha512sum sha1sum md5sum umount mount flash_erase flash_eraseall flashcp"
)
_PATH = re.compile(r"/dev/[A-Za-z0-9_.:@/+-]{1,200}")
_NUMBER = re.compile(r"[0-9]{1,7}:[0-9]{1,7}")
_ESCAPED = re.compile(r"\\([0-7]{3})")
# Devices are told by their numbers, since names lie; `number` prints those of a node, /sys/dev/block has the rest.
_SCRIPT = r"""LC_ALL=C; export LC_ALL; T=TARGET
number() { [ -b "$1" ] || return 1; set -f; set -- $(ls -lnLd "$1" 2>/dev/null); set +f; echo "${5%,}:$6"; }
whole() { if [ -e "/sys/dev/block/$1/partition" ]; then cat "/sys/dev/block/$1/../dev"; else echo "$1"; fi; }
below() {
  printf 'use %s %s %s\n' "$1" "$(whole "$1")" "$2"
  for s in "/sys/dev/block/$1/slaves"/*/dev; do [ -r "$s" ] && below "$(cat "$s")" "$2"; done
}
for t in TOOLS; do command -v $t >/dev/null 2>&1 && printf 'tool %s\n' $t; done
[ "$(printf ab | dd bs=2 count=1 iflag=fullblock 2>/dev/null)" = ab ] && printf 'tool fullblock\n'
if [ -b "$T" ]; then k=block; elif [ -c "$T" ]; then k=character; elif [ -f "$T" ]; then k=file
elif [ -e "$T" ]; then k=other; else k=absent; fi
printf 'kind %s\n' $k
if [ $k = file ]; then set -f; set -- $(ls -lnLd "$T"); set +f; printf 'size %s\n' "$5"; [ -w "$T" ] || echo ro 1; fi
"""
_DEVICE = r"""
if [ $k = block ] && n=$(number "$T"); then
  printf 'number %s\n' "$n"; D=/sys/dev/block/$n
  [ -r "$D/size" ] && { read -r s <"$D/size"; printf 'sectors %s\n' "$s"; read -r s <"$D/ro"; printf 'ro %s\n' "$s"; }
  [ -r "$D/stat" ] && printf 'stat\n'
  [ -e "$D/partition" ] && printf 'partition\n'
  printf 'disk %s\n' "$(whole "$n")"
  for p in "$D"/*/partition; do [ -e "$p" ] && printf 'part %s\n' "$(cat "${p%/*}/dev")"; done
  for h in "$D"/holders/* "$D"/*/holders/*; do [ -e "$h" ] && printf 'holder %s\n' "${h##*/}"; done
  for l in /sys/block/loop*/loop/backing_file; do
    [ -r "$l" ] && read -r f <"$l" && [ "$(number "$f")" = "$n" ] && printf 'holder %s\n' "${l#/sys/block/}"
  done
fi
if [ $k = character ]; then
  set -f; set -- $(ls -lnLd "$T" 2>/dev/null); set +f; i=$((${6:-0} / 2)); D=/sys/class/mtd/mtd$i
  if [ "${5%,}" = 90 ] && [ -r "$D/type" ]; then
    printf 'mtd %s\n' "$i"; [ $((${6:-0} % 2)) = 0 ] || printf 'ro 1\n'
    for a in type size erasesize writesize flags; do printf '%s %s\n' "$a" "$(cat "$D/$a")"; done
    for d in /sys/class/mtd/mtd*; do
      case $d in *ro) continue;; esac
      o=-; [ -r "$d/offset" ] && o=$(cat "$d/offset")
      printf 'chip %s %s %s %s\n' "${d##*/mtd}" "$(cd -P "$d/.." && pwd)" "$o" "$(cat "$d/size")"
    done
    for u in /sys/class/ubi/ubi*/mtd_num; do [ -r "$u" ] && printf 'ubi %s %s\n' "$(cat "$u")" "${u%/mtd_num}"; done
  fi
fi
if [ -r /proc/self/mountinfo ]; then
  printf 'mounts\n'
  while read -r l; do
    printf 'mount %s\n' "$l"
    set -f; set -- $l; set +f; m=$3 p=$5
    case $m in
    31:*) printf 'use %s %s %s\n' "$m" "$m" "$p";;
    *) [ -e "/sys/dev/block/$m" ] && below "$m" "$p";;
    esac
    while [ $# -gt 0 ] && [ "$1" != - ]; do shift; done
    case $3 in /dev/*) n=$(number "$3") && [ "$n" != "$m" ] && below "$n" "$p";; esac
  done </proc/self/mountinfo
fi
if [ -r /proc/swaps ]; then
  while read -r f l; do n=$(number "$f") && below "$n" swap; done </proc/swaps
fi
"""


@dataclass(frozen=True, slots=True)
class Use:
    """A device that the unit uses: its number, that of its whole disk, and for what (a mount point, or swap)."""

    number: str
    disk: str
    what: str


@dataclass(frozen=True, slots=True)
class Target:
    """A device on the unit as it was found. `size` is in bytes, None where it is not told; `number` is MAJOR:MINOR,
    `disk` that of the whole disk, `parts` those of its partitions; `holders` are devices on top of it; `counted` says
    that the kernel counts what is read from it; `uses` are all devices that the unit uses, None where it does not say.
    Flash memory (`mtd`) has the `number` of its block device and as `parts` those of all that share memory with it.
    """

    path: str
    kind: Literal["block", "mtd", "character", "file", "other", "absent"]
    size: int | None
    read_only: bool
    tools: frozenset[str]
    number: str = ""
    disk: str = ""
    is_partition: bool = False
    parts: tuple[str, ...] = ()
    holders: tuple[str, ...] = ()
    counted: bool = False
    uses: tuple[Use, ...] | None = None
    mtd: Mtd | None = None

    @property
    def test(self) -> str:
        """What the shell's test says yes to while the device is there."""
        return {"file": "-f", "mtd": "-c"}.get(self.kind, "-b")

    @property
    def own_uses(self) -> tuple[str, ...]:
        """What the device itself, one of its partitions, or the whole disk below it is used for."""
        mine = {self.number, *self.parts, *((self.disk,) if self.is_partition else ())}
        return tuple(dict.fromkeys(use.what for use in self.uses or () if use.number in mine))

    @property
    def disk_uses(self) -> tuple[str, ...]:
        """What anything on the same disk is used for; all flash memory counts as one disk."""
        found = self.uses or ()
        if self.kind == "mtd":
            return tuple(dict.fromkeys(use.what for use in found if use.number.startswith(f"{MTD_BLOCK}:")))
        return tuple(dict.fromkeys(use.what for use in found if use.disk == self.disk))

    @property
    def mount_points(self) -> tuple[str, ...]:
        """Where it is mounted itself."""
        return tuple(
            dict.fromkeys(one.what for one in self.uses or () if one.number == self.number and one.what != "swap")
        )

    def as_json(self) -> dict[str, object]:
        """The device as canonical JSON values."""
        return {"path": self.path, "kind": self.kind, "size": self.size, "number": self.number}


def is_target(path: str, *, simulated: bool) -> bool:
    """Whether a path may name a target: below /dev, or below the folder of a simulated unit."""
    names = path.split("/")
    if ".." in names or "." in names:
        return False
    return not path.startswith("/") and path != "" if simulated else bool(_PATH.fullmatch(path))


def inspect_target(unit: Unit, path: str, section: UnitSection, *, deadline: Deadline) -> Target:
    """Look at a device and at what uses it. Changes nothing.

    Raises UnitError for an answer that is no such list, and what `Unit.run` raises.
    """
    script = _SCRIPT.replace("TARGET", quote(path)).replace("TOOLS", _TOOLS)
    if section.simulated:
        table = quote(section.mounts_file)
        script += f"\nif [ -r {table} ]; then printf 'mounts\\n'; while read -r l; do printf 'mount %s\\n' \"$l\"; done"
        script += f" <{table}; fi"
    else:
        script += _DEVICE
    done = unit.run(f"{script}\nprintf 'end\\n'", deadline=deadline.within(section.timeouts.command))
    lines = done.require(f"looking at {path}").text().splitlines()
    if not lines or lines[-1] != "end":
        raise UnitError(f"{unit.route}: what is told about {path} came back incomplete", code="flash.look")
    try:
        return _target(path, lines[:-1], section)
    except (ValueError, KeyError) as error:
        raise UnitError(f"{unit.route}: odd answer about {path}: {shown(str(error))}", code="flash.look") from error


def _target(path: str, lines: Sequence[str], section: UnitSection) -> Target:
    told: dict[str, list[str]] = {}
    for line in lines:
        name, _, rest = line.partition(" ")
        told.setdefault(name, []).append(rest.strip())
    kind, mtd = told["kind"][0], parse_mtd(told)
    if mtd is not None:
        return _flash_memory(path, told, mtd, section)
    if kind not in ("block", "character", "file", "other", "absent"):
        raise ValueError(f"kind {kind}")
    number = _one(told, "number")
    for text in (*told.get("number", ()), *told.get("disk", ()), *told.get("part", ())):
        if not _NUMBER.fullmatch(text):
            raise ValueError(f"device number {text}")
    size = (
        int(_one(told, "sectors")) * 512 if "sectors" in told else int(_one(told, "size")) if "size" in told else None
    )
    return Target(
        path=path,
        kind=kind,  # type: ignore[arg-type]
        size=size,
        read_only=_one(told, "ro", "0") != "0",
        tools=frozenset(told.get("tool", ())),
        number=number,
        disk=_one(told, "disk"),
        is_partition="partition" in told,
        parts=tuple(told.get("part", ())),
        holders=tuple(told.get("holder", ())),
        counted="stat" in told,
        uses=_uses(told, path, section) if "mounts" in told else None,
    )


def _flash_memory(path: str, told: Mapping[str, list[str]], mtd: Mtd, section: UnitSection) -> Target:
    number = f"{MTD_BLOCK}:{mtd.index}"
    return Target(
        path=path,
        kind="mtd",
        size=int(_one(told, "size")),
        read_only="ro" in told or not mtd.writeable,
        tools=frozenset(told.get("tool", ())),
        number=number,
        disk=number,
        is_partition=True,
        parts=tuple(f"{MTD_BLOCK}:{one}" for one in mtd.shares),
        holders=mtd.holders,
        uses=_uses(told, path, section) if "mounts" in told else None,
        mtd=mtd,
    )


def _uses(told: Mapping[str, list[str]], path: str, section: UnitSection) -> tuple[Use, ...]:
    if section.simulated:
        return tuple(
            Use("", "", one.point) for one in parse_mounts("\n".join(told.get("mount", ()))) if one.device == path
        )
    found = []
    for text in told.get("use", ()):
        number, disk, what = text.split(" ", 2)
        if not _NUMBER.fullmatch(number) or not _NUMBER.fullmatch(disk):
            raise ValueError(f"use {text}")
        found.append(Use(number, disk, _ESCAPED.sub(lambda match: chr(int(match[1], 8)), what)))
    return tuple(found)


def _one(told: Mapping[str, list[str]], name: str, default: str = "") -> str:
    return told.get(name, [default])[0]
