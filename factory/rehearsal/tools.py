"""The programs of this computer that a simulated unit may use, and the shell that runs there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from factory.errors import NotStartedError

# What a small Linux has; whatever could reach beyond the unit's folder is a shim instead (see shims.py).
LINKED = (  # noqa: SIM905 - sixty quoted words would hide the list
    "awk base64 basename cat chmod cmp cp cut date dd diff dirname du env expr false find grep gunzip gzip head ln ls "
    "md5sum mkdir mktemp mv od printf pwd readlink rm rmdir sed seq sha256sum sleep sort stat stty tail tar tee test "
    "timeout touch tr true tty uniq wc xargs zcat"
).split()
REQUIRED = frozenset("cat chmod cp cut grep head ln ls mkdir mv readlink rm sed tail tar tr wc".split())  # noqa: SIM905
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
_SHELLS = ("/bin/sh", "/bin/dash", "/usr/bin/dash", "/bin/bash", "/usr/bin/bash")


def find_shell() -> Path:
    """Return the shell for simulated units: /bin/sh if that is dash or bash, else dash or bash by its own name.

    busybox is passed over: its shell runs its own applets whatever PATH says, so a unit could reach the host.
    Raises NotStartedError when there is none.
    """
    for name in _SHELLS:
        candidate = Path(name)
        if os.access(candidate, os.X_OK) and candidate.resolve().name in {"dash", "bash"}:
            return candidate
    raise NotStartedError(
        "simulated units need dash or bash, and this computer has neither (busybox's shell ignores PATH)",
        hint="Install dash.",
        code="rehearsal.shell",
    )


def find_tools(left_out: frozenset[str] = frozenset()) -> dict[str, Path]:
    """Return the programs to link into a unit, by name; what this computer lacks, the unit lacks too.

    Raises NotStartedError when one is missing that every unit has.
    """
    found = {name: shutil.which(name, path=SYSTEM_PATH) for name in LINKED}
    missing = sorted(name for name in REQUIRED if found[name] is None)
    if missing:
        raise NotStartedError(
            f"simulated units need {', '.join(missing)}, which this computer does not have",
            hint="Install coreutils, sed, grep and tar.",
            code="rehearsal.tools",
        )
    return {name: Path(path) for name, path in found.items() if path is not None and name not in left_out}
