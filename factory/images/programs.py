"""Programs of the system that make or read file systems: found, run with a bound, and named when missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence

from factory.errors import UsageError
from factory.images.errors import ImageError

_PACKAGES = {
    "mke2fs": "e2fsprogs",
    "debugfs": "e2fsprogs",
    "mksquashfs": "squashfs-tools",
    "unsquashfs": "squashfs-tools",
}
_SECONDS = 60
_SAID = 400


def program(name: str) -> str:
    """The path of a program, looked for in the system folders too. Raises UsageError (`image.program`)."""
    folders = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"
    path = shutil.which(name, path=folders)
    if path is None:
        raise UsageError(
            f"the program {name} is not installed", hint=f"Install the package {_PACKAGES[name]}.", code="image.program"
        )
    return path


def run(argv: Sequence[str], *, stdin: bytes = b"", environment: Mapping[str, str] | None = None) -> str:
    """Run it in the C locale and return what it said on both streams. Raises ImageError when it fails or hangs."""
    settled = {**os.environ, "LC_ALL": "C", **(environment or {})}
    settled.pop("SOURCE_DATE_EPOCH", None)  # mksquashfs refuses it beside a time of ours
    try:
        done = subprocess.run(
            argv, input=stdin, capture_output=True, env=settled, timeout=_SECONDS, check=False
        )  # an argv list of our own
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ImageError(f"{argv[0]} could not be run: {error}", code="image.program") from error
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    if done.returncode:
        raise ImageError(f"{argv[0]} failed ({done.returncode}): {said.strip()[-_SAID:]}", code="image.program")
    return said
