"""A first boot by the OEM's own connectd package, judged by what it prints and leaves (remote.it reference, section 5).

Its exit codes mean nothing (section 7), so none is looked at.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from factory.errors import NotStartedError, UsageError
from factory.files import write_text
from factory.rehearsal.firstboot.jail import Jail, namespace
from factory.rehearsal.firstboot.unit_files import CODE, ID, KEY, Boot, UnitFiles

_CONTROL = "usr/bin/connectd_control"
_WANTED = ("sh", "curl", "grep", "sed", "awk", "cut", "tr")
_COMMANDS = (("show",), ("-v", "dprovision"), ("-v", "bprovision", "all"))
_WITHIN = 300.0
_TELLING = re.compile(r"(OK|FAIL|Fail|RETRY|STATUS): |dprovision for |Clone detected|Service directs ")
_DAEMON = "#!/bin/sh\n# The rehearsal has no proxy; that it was started is all that counts.\nexit 0\n"


@dataclass(frozen=True, slots=True)
class Package:
    """An unpacked package that boots units against the simulated server. It may travel to another process."""

    folder: Path
    url: str
    ca: Path

    @property
    def explained(self) -> str:
        """How its scripts are kept in the units' private roots, in a line for people."""
        if namespace() is not None:
            return f"{self.folder}: each unit runs it in a chroot of its own; this machine's programs, read-only"
        return f"{self.folder}: no mount namespace is allowed here; a copy runs whose fixed paths lead to private ones"

    def boot(self, root: Path, mac: str) -> Boot:
        """Let the package boot the unit whose files lie below `root`; `mac` is the address that it shall send.

        Raises NotStartedError when the scripts cannot be run, FileError when the files cannot be read.
        """
        work = root.with_name(f"{root.name}.jail")
        work.mkdir(mode=0o700)
        try:
            return self._boot(root, work, mac)
        finally:
            shutil.rmtree(work)

    def _boot(self, root: Path, work: Path, mac: str) -> Boot:
        files = UnitFiles(root)
        _install(self.folder, root)
        if mac and files.text("ci_mac.txt") is None:
            write_text(files.top / "ci_mac.txt", f"{mac}\n", mode=0o600)
        before = (files.text(ID), files.text(KEY), files.text(CODE))
        where = urlsplit(self.url)
        ran = Jail(root, work).run(
            [(f"{{base}}/{_CONTROL}", *command) for command in _COMMANDS],
            {"CI_APISERVER": where.netloc, "CI_APIVERSION": "/apv/v27"},
            self.ca,
            _WITHIN,
        )
        shown, provisioned, registered = ran.printed
        lines = [line for text in (provisioned, registered) for line in text.splitlines() if _TELLING.match(line)]
        secrets = [found.decode("utf-8", "backslashreplace") for found in before[1:2] if found]
        said = tuple(_masked(line, secrets) for line in lines)
        stopped = _stopped(files, before, shown, said)
        if ran.late:
            stopped = f"the package did not end within {_WITHIN:.0f} s{': ' if stopped else ''}{stopped}"
        return Boot(stopped, "Clone detected" in provisioned, said, files.held())


def open_package(folder: Path, url: str, ca: Path) -> Package:
    """A package that was unpacked into `folder`, as `dpkg -x` does it.

    Raises UsageError when it is none, NotStartedError when a program that its scripts need is missing here.
    """
    if not (folder / _CONTROL).is_file():
        raise UsageError(
            f"{folder} is no unpacked connectd package: it has no {_CONTROL}",
            hint="Unpack it with `dpkg -x connectd.deb DIR` and name DIR.",
            code="firstboot.package",
        )
    missing = [name for name in _WANTED if shutil.which(name) is None]
    if missing:
        raise NotStartedError(
            f"connectd's scripts need {', '.join(missing)}, which this machine has not",
            hint="Install it with this machine's package tool.",
            code="firstboot.programs",
        )
    return Package(folder.absolute(), url, ca.absolute())


def _install(package: Path, root: Path) -> None:
    """The package's files into the root, except where the image has its own; programs for the unit's processor become
    a stub, since they could not run here.
    """
    for source in sorted(package.rglob("*")):
        name = source.relative_to(package)
        target = root / name
        if source.is_dir() and not source.is_symlink():
            target.mkdir(parents=True, exist_ok=True)
        elif not target.exists() and not target.is_symlink():
            shutil.copy2(source, target, follow_symlinks=False)
    programs = root / "usr" / "bin"
    for daemon in {programs / "connectd.", *programs.glob("connectd.*")}:
        daemon.unlink(missing_ok=True)
        write_text(daemon, _DAEMON, mode=0o755)


def _stopped(files: UnitFiles, before: tuple[bytes | None, ...], shown: str, said: tuple[str, ...]) -> str:
    """Why the unit does not get online, by the lines that it printed and the files that it left; nothing if it does."""
    for line in said:
        if line.startswith(("dprovision for ", "Fail: ", "FAIL: ")):
            return line
    names = ("Hardware ID is ", "Registration key is ", "Bulk ID Code is ")
    found = [_after(shown, name) for name in names]
    if None in found:
        return "connectd_control show did not print who the unit is"
    texts = [None if one is None else one.decode("utf-8", "backslashreplace") for one in before]
    for text, told, what in zip(texts, found, ("hardware id", "registration key", "code"), strict=True):
        if text is not None and told != text:
            return f"connectd_control show prints another {what} than stands in the unit's file"
    code = texts[2] or ""
    if code not in files.names("available"):
        return "the bulk service is not provisioned"
    uid, secret = files.provisioned(code)
    return "" if uid and secret else "the bulk service has no address or no secret"


def _after(shown: str, name: str) -> str | None:
    found = [line[len(name) :] for line in shown.split("\n") if line.startswith(name)]
    return found[-1] if found else None


def _masked(line: str, secrets: list[str]) -> str:
    for secret in secrets:
        line = line.replace(secret, "[hidden]")
    return line
