"""One question that brings all facts in one answer: over serial every round trip costs, over SSH every channel.

The answer is cut into parts by a random boundary that nothing on the unit can know, each with its own exit status, so
that what one part says (line feeds, escapes, ten megabytes) cannot pass for another.
"""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from factory.units.protocol import Tools, UnitError

if TYPE_CHECKING:
    from factory.config import UnitSection

PART_LIMIT = 4096  # bytes that one fact may have
MISSING = 250  # our own exit status for 'there is no such file'

FILES = {
    "serial.tree": "/proc/device-tree/serial-number",
    "serial.dmi": "/sys/class/dmi/id/board_serial",
    "model.tree": "/proc/device-tree/model",
    "model.dmi": "/sys/class/dmi/id/product_name",
    "boot_id": "/proc/sys/kernel/random/boot_id",
    "kernel": "/proc/sys/kernel/osrelease",
}


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the answer: what was printed, and the exit status of what printed it."""

    status: int
    content: bytes

    @property
    def missing(self) -> bool:
        """True when the unit has no such file."""
        return self.status == MISSING


def _reader(name: str) -> str:
    return "O" if name.startswith(("serial.", "model.")) else "F"


def build(section: UnitSection, tools: Tools, boundary: str) -> str:
    """The shell text that prints every part. Paths of a simulated unit start at its working directory."""
    root = "" if section.simulated else "/"
    cut = f"head -c {PART_LIMIT + 64}" if "head" in tools else "cat"
    edge = f'"{boundary[:8]}""{boundary[8:]}"'
    lines = [
        # P NAME COMMAND...: a boundary, the command's output, a boundary with its exit status; bounded.
        f'E() {{ "$@"; printf "%s=%s" {edge} "$?"; }}',
        f'P() {{ printf "%s %s\\n" {edge} "$1"; shift; E "$@" | {{ {cut}; echo; }}; }}',
        f'F() {{ if [ -e "$1" ] || [ -L "$1" ]; then cat "$1"; else return {MISSING}; fi; }}',
        # A board's serial or model that this user may not read (DMI's is root's) is as good as none.
        f'O() {{ if [ -r "$1" ]; then cat "$1"; else return {MISSING}; fi; }}',
        f'I() {{ [ -e "$1" ] || return {MISSING}; {_CPUINFO}; }}',
        'C() { sh -c "$1" </dev/null; }',
        'R() { [ -r "$1" ] && [ -x "$1" ]; }',
        "" if section.simulated else _NOT_HERE,
        f"D={shlex.quote(section.interfaces_dir)}",
        'if [ -d "$D" ]; then P interfaces R "$D"',
        'for i in "$D"/*; do n=${i##*/}; [ -d "$i" ] && [ -e "$i/address" ] || continue',
        'P "if.address.$n" F "$i/address"; P "if.type.$n" F "$i/type"; done',
        "else P if.br ip -br link; P if.ip ip link; P if.config ifconfig -a; fi",
    ]
    lines += [f"P {name} {_reader(name)} {shlex.quote(root + path[1:])}" for name, path in FILES.items()]
    lines.append(f"P cpuinfo I {shlex.quote(root + 'proc/cpuinfo')}")
    lines.append("P uname uname -r")
    lines += [f"P {shlex.quote('fact.' + name)} C {shlex.quote(text)}" for name, text in section.facts.items()]
    if "connectd_control" in tools:
        lines.append("P connectd connectd_control show")
    lines.append("P end echo whole")
    return "\n".join(lines)


# A simulated unit's absolute paths are the host's own: neither may the host's addresses be taken for the unit's, nor
# may what follows the facts be written there.
_NOT_HERE = '[ -z "${SIMULATED_UNIT:-}" ] || { P simulated echo yes; P end echo whole; exit 0; }'
# Only two lines of /proc/cpuinfo matter, and with many cores the file is long.
_CPUINFO = 'while read -r l; do case $l in Serial*|Model*) printf "%s\\n" "$l";; esac; done <"$1"'


def boundary() -> str:
    """A fresh boundary: 20 hex digits."""
    return secrets.token_hex(10)


def parse(answer: bytes, mark: str, route: str) -> Mapping[str, Part]:
    """Cut the answer into its parts by name. Raises UnitError unit.facts naming a part that is too large or cut off."""
    edge = mark.encode()
    parts: dict[str, Part] = {}
    for chunk in answer.split(edge + b" ")[1:]:
        head, feed, rest = chunk.partition(b"\n")
        name = head.decode("ascii", "backslashreplace")
        content, found, tail = rest.rpartition(edge + b"=")
        status = re.fullmatch(rb"(\d{1,3})\n+", tail)
        if not found or not feed or status is None:
            size = "more than" if len(rest) > PART_LIMIT else "only"
            raise UnitError(
                f"{route}: {describe(name)} is {size} {min(len(rest), PART_LIMIT)} bytes long, and its end is missing",
                hint=f"A fact has at most {PART_LIMIT} bytes.",
                code="unit.facts",
            )
        if name in parts:
            raise UnitError(f"{route}: the unit names {describe(name)} twice", code="unit.facts")
        parts[name] = Part(int(status[1]), content)
    if "end" not in parts:
        raise UnitError(f"{route}: the answer with the facts is cut off", code="unit.facts")
    return parts


def describe(name: str) -> str:
    """The name of a part as a person knows it."""
    kind, _, rest = name.partition(".")
    if name.startswith("if.address."):
        return f"the MAC of interface {name.removeprefix('if.address.')}"
    if name.startswith("if.type."):
        return f"the type of interface {name.removeprefix('if.type.')}"
    if kind == "fact":
        return f"fact {rest}"
    if kind == "if":
        return {"br": "ip -br link", "ip": "ip link"}.get(rest, "ifconfig -a")
    return FILES.get(name, {"connectd": "connectd_control show", "uname": "uname -r"}.get(name, name))
