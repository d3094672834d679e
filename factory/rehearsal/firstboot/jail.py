"""A place for a foreign package's scripts: what they write by fixed paths stays in it.

With a mount namespace the unit's root lies at /unit of a chroot whose programs are this machine's, read-only. Where
none is allowed, the fixed paths in a copy of the scripts are changed to private ones (remote.it reference, section 5:
which paths CONNECTD_BASEDIR does not move).
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from factory.errors import NotStartedError
from factory.files import write_text

_HOST = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32")
_DEVICES = ("null", "zero", "random", "urandom")
_ETC = ("hosts", "nsswitch.conf", "passwd", "group", "ld.so.cache", "alternatives")
_FIXED = re.compile(
    r"(?<![\w.}/])(?<![\w}][\"'])(/(?:tmp|var/run|var/log|var/www|etc/connectd|usr/bin/connectd_\w+)(?![\w-]))"
)
_STUBS = {
    "sudo": (
        'while case "$1" in -u|-g|-p) shift 2;; -*) shift;; *) false;; esac; do :; done\n[ $# -eq 0 ] || exec "$@"\n'
    ),
    "logger": "exit 0\n",
    "systemctl": "exit 0\n",
    # What a unit waits for has happened here before it asks.
    "sleep": f"exec {shutil.which('sleep') or '/bin/sleep'} 0.1\n",
}
_MOUNTS = ("--user", "--map-root-user", "--mount"), ("--mount",)


@dataclass(frozen=True, slots=True)
class Ran:
    """What the commands printed, in their order; `late` when they did not end in time."""

    printed: tuple[str, ...]
    late: bool


@functools.cache
def namespace() -> tuple[str, ...] | None:
    """The options with which `unshare` gives a mount namespace here, None where it is not allowed."""
    if shutil.which("unshare") is None or shutil.which("chroot") is None:
        return None
    for options in _MOUNTS:
        probe = ("unshare", *options, "sh", "-c", f"mount --rbind /usr /usr && {_read_only('/usr')}")
        if subprocess.run(probe, capture_output=True, check=False, timeout=30).returncode == 0:
            return options
    return None


def _read_only(place: str) -> str:
    """The command; only who could not write there anyway may go on without it."""
    return f"mount -o remount,bind,ro {place}{'' if os.geteuid() == 0 else ' 2> /dev/null || :'}"


@dataclass(frozen=True, slots=True)
class Jail:
    """Runs commands in a unit's private `root`; `work` is a folder of its own beside it."""

    root: Path
    work: Path

    def run(self, commands: Sequence[Sequence[str]], environment: Mapping[str, str], ca: Path, within: float) -> Ran:
        """Run them one after the other with `sh`; in a command `{base}` is the unit's root. `within` is in seconds.

        Raises NotStartedError when the commands could not be begun.
        """
        options = namespace()
        self._furnish(ca)
        base = "/unit" if options is not None else str(self.root)
        top = "" if options is not None else str(self.work)
        if options is None:
            self._keep_inside()
        path = f"{top}/stubs:{base}/usr/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        values = {
            "PATH": path, "HOME": f"{top}/root", "LC_ALL": "C", "CONNECTD_BASEDIR": base,
            "CURL_CA_BUNDLE": f"{top}/ca.pem", "no_proxy": "*", **environment,
        }  # fmt: skip
        lines = ["#!/bin/sh", f"cd {shlex.quote(top or '/')}", "echo begun > out/begun"]
        for number, command in enumerate(commands):
            words = shlex.join(word.replace("{base}", base) for word in command)
            lines.append(f"sh {words} > out/{number} 2> out/{number}.err < /dev/null")
        write_text(self.work / "run", "\n".join(lines) + "\n", mode=0o700)
        start = ["sh", str(self.work / "run")] if options is None else self._entering(options)
        late = _run(start, values, within)
        if not (self.work / "out" / "begun").exists():
            raise NotStartedError(
                f"the commands of the package could not be begun in {self.work}", code="firstboot.jail",
                hint="Is the folder on a file system without noexec?",
            )  # fmt: skip
        return Ran(tuple(self._printed(number) for number in range(len(commands))), late)

    def _printed(self, number: int) -> str:
        path = self.work / "out" / str(number)
        return path.read_bytes()[: 1024 * 1024].decode("utf-8", "backslashreplace") if path.exists() else ""

    def _furnish(self, ca: Path) -> None:
        for name in ("stubs", "out", "root", "tmp", "etc", "dev", "proc", "unit", "var/run/connectd", "var/log"):
            (self.work / name).mkdir(mode=0o700, parents=True)
        for name, body in _STUBS.items():
            write_text(self.work / "stubs" / name, f"#!/bin/sh\n{body}", mode=0o755)
        shutil.copyfile(ca, self.work / "ca.pem")

    def _entering(self, options: Sequence[str]) -> list[str]:
        """The command that makes the jail's mounts in a namespace of their own and enters it."""
        work = self.work
        (work / "etc" / "connectd").symlink_to("/unit/etc/connectd")
        lines = ["set -e", "mount --make-rprivate / 2> /dev/null || :"]
        for name in _HOST:
            there = Path("/", name)
            if there.is_symlink():
                (work / name).symlink_to(there.readlink())
            elif there.is_dir():
                lines += [f"mount --rbind {there} {name}", _read_only(name)]
                (work / name).mkdir()
        for name in _DEVICES:
            (work / "dev" / name).touch()
            lines.append(f"mount --bind /dev/{name} dev/{name}")
        for name in _ETC:
            there = Path("/etc", name)
            if there.is_dir():
                shutil.copytree(there, work / "etc" / name, symlinks=True)
            elif there.exists():
                shutil.copyfile(there, work / "etc" / name)
        lines += [
            "mount --rbind /proc proc",
            _read_only("proc"),
            f"mount --bind {shlex.quote(str(self.root))} unit",
            f"exec chroot {shlex.quote(str(work))} /bin/sh /run",
        ]
        return ["unshare", *options, "sh", "-c", f"cd {shlex.quote(str(work))}\n" + "\n".join(lines)]

    def _keep_inside(self) -> None:
        """Lead the fixed paths in the copied scripts into the private places."""
        for path in (*self.root.glob("usr/bin/connectd*"), self.root / "etc/connectd/oem_settings"):
            if path.is_file() and not path.is_symlink():
                raw = path.read_bytes()
                if raw.startswith(b"#!") or b"\0" not in raw:
                    text = _FIXED.sub(self._private, raw.decode("utf-8", "surrogateescape"))
                    path.write_bytes(text.encode("utf-8", "surrogateescape"))

    def _private(self, found: re.Match[str]) -> str:
        path = found[1]
        return f"{self.root if path.startswith(('/etc', '/usr')) else self.work}{path}"


def _run(command: Sequence[str], environment: Mapping[str, str], within: float) -> bool:
    """Run to the end or kill what was started; whether it was late."""
    process = subprocess.Popen(
        command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    late = False
    try:
        process.wait(within)
    except subprocess.TimeoutExpired:
        late = True
    finally:
        # The daemons that the scripts may have left behind belong to the same session.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return late
