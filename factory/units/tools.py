"""What a unit has: probed once per connection, on every route in the same way."""

from __future__ import annotations

from factory.units.deadline import Deadline
from factory.units.protocol import Completed, Tools, Unit, UnitError

_WORDS = """
awk base64 cat chmod chown cksum cmp connectd_control cp cut date dd df dmesg find fsync grep gunzip gzip head hexdump
id ifconfig ip kill ln ls md5sum mkdir mktemp mount mountpoint mv nohup od pidof ps readlink realpath reboot rm rmdir
sed setsid sh sha256sum sleep sort stat stty sudo sync systemctl tail tar test timeout touch tr umount uname wc xargs
zstd
"""
KNOWN = tuple(_WORDS.split())


def probe_tools(unit: Unit, deadline: Deadline) -> Tools:
    """Ask the unit which of KNOWN it has, as the user that commands run as. Raises UnitError unit.tools, and as run."""
    command = f"for t in {' '.join(KNOWN)}; do command -v $t >/dev/null 2>&1 && echo $t; done; echo ."
    answer = unit.run(command, deadline=deadline).require(f"{unit.route}: looking for tools")
    names = answer.text().split()
    if not names or names[-1] != "." or not set(names[:-1]) <= set(KNOWN):
        raise UnitError(f"{unit.route}: strange answer to the question for its tools", code="unit.tools")
    return Tools(frozenset(names[:-1]))


def become_root(completed: Completed, route: str) -> Completed:
    """Return the answer, unless it is sudo's own refusal: then raise UnitError unit.sudo."""
    if completed.status != 0 and completed.stderr.startswith(b"sudo: ") and not completed.stdout:
        said = completed.stderr[:200].decode("ascii", "backslashreplace").strip()
        raise UnitError(
            f"{route}: sudo refuses: {said}",
            hint="Let the login user run sudo without a password (NOPASSWD), or log in as root.",
            code="unit.sudo",
        )
    return completed
