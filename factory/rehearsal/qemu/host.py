"""The programs of this computer from which a QEMU unit is made, and what to install where one is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from factory.errors import NotStartedError

PACKAGES = {
    "qemu-system-x86_64": "qemu-system-x86",
    "busybox": "busybox-static",
    "dropbear": "dropbear-bin",
    "dropbearkey": "dropbear-bin",
    "mke2fs": "e2fsprogs",
    "dash": "dash",
    "ldd": "libc-bin",
    "dpkg-deb": "dpkg",
    "apt-get": "apt",
    "apt-cache": "apt",
    "flashcp": "mtd-utils",
    "zstd": "zstd",
}
_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"


def program(name: str) -> Path:
    """The path of a program, also of one in the system folders. Raises NotStartedError rehearsal.qemu-program."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_PATH}")
    if found is None:
        raise NotStartedError(
            f"a QEMU unit needs {name}, which this computer does not have",
            hint=f"Install it, on Debian: apt-get install {PACKAGES.get(name, name)}",
            code="rehearsal.qemu-program",
        )
    return Path(found)


def output(argv: Sequence[str | Path], *, given: bytes = b"", seconds: float = 120.0, cwd: Path | None = None) -> bytes:
    """Run a program to its end and return its stdout. Raises NotStartedError with what it said."""
    words = [str(program(str(argv[0]))), *map(str, argv[1:])]
    try:
        done = subprocess.run(words, input=given, capture_output=True, timeout=seconds, check=False, cwd=cwd)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotStartedError(f"{argv[0]} failed: {error}", code="rehearsal.qemu-program") from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()[-3:]
        raise NotStartedError(
            f"{' '.join(words[:2])} ended with {done.returncode}: {' '.join(said)}", code="rehearsal.qemu-program"
        )
    return done.stdout


def libraries(binary: Path) -> tuple[Path, ...]:
    """The shared libraries that a program loads, loader included; none for a static one. Raises NotStartedError."""
    done = subprocess.run([program("ldd"), binary], capture_output=True, check=False, timeout=30)
    words = done.stdout.decode("utf-8", "replace").split()
    if "not found" in done.stdout.decode("utf-8", "replace"):
        raise NotStartedError(f"{binary} lacks a library on this computer", code="rehearsal.qemu-program")
    return tuple(sorted({Path(word) for word in words if word.startswith("/") and not word.endswith(":")}))
