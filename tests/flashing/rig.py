"""A unit for these tests: a folder in which a real shell runs with a PATH of chosen real tools, and which can be cut
before any single program that a script starts.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from factory.config import TimeoutsSection, UnitSection
from factory.flashing import Preflight, preflight
from factory.secrets import Secret
from factory.units.deadline import Deadline
from factory.units.protocol import Completed, Progress, Sent, Tools, Unit, UnitGone
from factory.values import (
    BulkIdentificationCode,
    ConnectdShow,
    DeviceName,
    Facts,
    FileEntry,
    HardwareId,
    Identity,
    Mac,
    Manifest,
    RegistrationKey,
)
from tests.programs import find, require

NEEDED = ("cat", "ls", "mkdir", "mv", "rm", "chmod", "chown", "df", "readlink")
OPTIONAL = ("tar", "sha256sum")
FOLDERS = ("active", "available", "dfiles", "pfiles", "services")
FIRST_BOOT = "11111111-1111-4111-8111-111111111111"
NEXT_BOOT = "22222222-2222-4222-8222-222222222222"
KEY = "k3yForTheUnitThatNobodyMaySee222"
IDENTITY = Identity(
    hardware_id=HardwareId.parse("b827eb000001"),
    registration_key=RegistrationKey.parse(KEY),
    device_name=DeviceName.parse("b827eb000001"),
    bulk_identification_code=BulkIdentificationCode.parse("01234567-89AB-CDEF-0123-456789ABCDEF"),
    macs={"eth0": Mac.parse("b827eb000001")},
)
NEW = {
    "bulk_identification_code.txt": b"01234567-89AB-CDEF-0123-456789ABCDEF\n",
    "hardware_id.txt": b"b827eb000001\n",
    "registration_key.txt": KEY.encode() + b"\n",
}
OLD = {
    "bulk_identification_code.txt": b"AAAAAAAA-89AB-CDEF-0123-456789ABCDEF\n",
    "hardware_id.txt": b"oldunit\n",
    "registration_key.txt": b"oldkey\n",
}


@dataclass(frozen=True)
class Picture:
    """An image made by hand."""

    manifest: Manifest
    contents: Mapping[str, bytes]


def picture(extra: Mapping[str, bytes] | None = None) -> Picture:
    contents = {**NEW, **(extra or {})}
    modes = {"registration_key.txt": 0o600, "oem_settings": 0o755}
    entries = [
        FileEntry(path, modes.get(path, 0o644), len(content), hashlib.sha256(content).hexdigest())
        for path, content in contents.items()
    ]
    entries += [FileEntry(name, 0o700) for name in FOLDERS]
    manifest = Manifest("0" * 64, "tar", "test", "0" * 64, {}, tuple(sorted(entries, key=lambda entry: entry.path)))
    return Picture(manifest, contents)


class ShellUnit:
    """A Unit that runs a shell in a folder."""

    def __init__(self, root: Path, bin_folder: Path, shell: tuple[str, ...]) -> None:
        self.root = root
        self.route = f"local:{root.name}"
        self.tools = Tools(frozenset(entry.name for entry in bin_folder.iterdir()))
        self.commands: list[str] = []
        self.on_command: Callable[[int], None] | None = None
        self.closed = False
        self._bin = bin_folder
        self._shell = shell

    def run(self, command: str, *, deadline: Deadline) -> Completed:
        return self._execute(command, None, deadline)

    def put(
        self,
        source: Callable[[int], BinaryIO],
        command: str,
        *,
        deadline: Deadline,
        progress: Progress | None = None,
    ) -> Sent:
        content = source(0).read()
        completed = self._execute(command, content, deadline)
        if progress:
            progress(len(content))
        return Sent(completed, len(content), len(content))

    def close(self) -> None:
        self.closed = True

    def _execute(self, command: str, content: bytes | None, deadline: Deadline) -> Completed:
        deadline.check("running a command")
        if self.closed:
            raise UnitGone("the route is closed")
        self.commands.append(command)
        if self.on_command:
            self.on_command(len(self.commands))
        done = subprocess.run(
            [*self._shell, "-c", command],
            input=content if content is not None else b"",
            capture_output=True,
            cwd=self.root,
            env={"PATH": str(self._bin)},
            start_new_session=True,
            timeout=20,
            check=False,
            umask=0o000,
        )
        if done.returncode < 0:
            self.closed = True
            raise UnitGone("the cable was cut")
        return Completed(command, done.returncode, done.stdout, done.stderr)


@dataclass
class Rig:
    """One simulated unit, and ways to treat it badly."""

    base: Path
    shell: tuple[str, ...] = ("/bin/sh",)
    busybox: bool = False
    section: UnitSection = field(
        default_factory=lambda: UnitSection(
            connectd_dir="etc/connectd",
            interfaces_dir="sys/class/net",
            mounts_file="proc/mounts",
            simulated=True,
            timeouts=TimeoutsSection(command=10.0, flash=20.0, reboot=5.0),
        )
    )

    def __post_init__(self) -> None:
        self.base = self.base.resolve()
        self.root = self.base / "unit"
        self.bin = self.base / "bin"
        self.connectd = self.root / "etc/connectd"
        self.connectd.mkdir(parents=True)
        for path, content in OLD.items():
            (self.connectd / path).write_bytes(content)
            (self.connectd / path).chmod(0o640)
        self.set_mounts(f"/dev/mmcblk0p2 {self.root} ext4 rw,noatime 0 0")
        self.set_boot(FIRST_BOOT)
        self.bin.mkdir()
        for name in (*NEEDED, *OPTIONAL):
            self.link(name)
        self.script("sleep", "")
        self.script("sync", "")  # the host's disks need not be flushed a thousand times
        self.script("reboot", f"echo {NEXT_BOOT} > proc/sys/kernel/random/boot_id")

    def link(self, name: str) -> None:
        program = require("busybox") if self.busybox else find(name)
        assert program, name
        (self.bin / name).symlink_to(program)

    def script(self, name: str, body: str) -> None:
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def wrap(self, name: str, body: str) -> None:
        """Put shell text before a tool; in it `$real` is the tool."""
        self.script(name, f'real={find(name)}\n{body}\nexec $real "$@"')

    def remove(self, *names: str) -> None:
        for name in names:
            (self.bin / name).unlink()

    def set_mounts(self, *lines: str) -> None:
        (self.root / "proc").mkdir(exist_ok=True)
        (self.root / "proc/mounts").write_text("".join(f"{line}\n" for line in lines))

    def set_boot(self, boot_id: str) -> None:
        folder = self.root / "proc/sys/kernel/random"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "boot_id").write_text(f"{boot_id}\n")

    def unit(self) -> ShellUnit:
        return ShellUnit(self.root, self.bin, self.shell)

    def cutting_unit(self, after: int) -> ShellUnit:
        """A unit whose script is killed, all of it, before it starts its program number `after` (from 0)."""
        counter = self.base / "counter"
        counter.write_text(f"{after}\n")
        shims = self.base / "shims"
        if not shims.exists():
            shims.mkdir()
            for tool in self.bin.iterdir():
                path = shims / tool.name
                path.write_text(
                    f"#!/bin/sh\nread -r n < {counter}\n[ $n -gt 0 ] || kill -9 0\n"
                    f'echo $((n-1)) > {counter}\nexec {tool} "$@"\n'
                )
                path.chmod(0o755)
        return ShellUnit(self.root, shims, self.shell)

    def facts(self, **changes: object) -> Facts:
        boot = (self.root / "proc/sys/kernel/random/boot_id").read_text().strip()
        facts = Facts(interfaces=IDENTITY.macs, serial="board-1", boot_id=boot, routes=(f"local:{self.root.name}",))
        return replace(facts, **changes)  # type: ignore[arg-type]

    def reread(self, unit: Unit, deadline: Deadline) -> Facts:
        return self.facts()

    def checked(self, unit: Unit, image: Picture | None = None) -> Preflight:
        return preflight(unit, image or picture(), self.section, deadline=Deadline(20))

    def content(self) -> dict[str, bytes]:
        """The files of connectd_dir that matter, without folders and hidden names."""
        return {
            path.name: path.read_bytes()
            for path in sorted(self.connectd.iterdir())
            if path.is_file() and not path.name.startswith(".")
        }

    def tree(self) -> dict[str, tuple[int, bytes | None]]:
        """Everything below connectd_dir with modes and contents, to compare before and after."""
        return {
            str(path.relative_to(self.connectd)): (
                path.lstat().st_mode,
                path.read_bytes() if path.is_file() else None,
            )
            for path in sorted(self.connectd.rglob("*"))
        }

    def set_old(self, files: Mapping[str, bytes]) -> None:
        shutil.rmtree(self.connectd)
        self.connectd.mkdir()
        for path, content in files.items():
            (self.connectd / path).write_bytes(content)


def show(**changes: str) -> ConnectdShow:
    return ConnectdShow(
        changes.get("hardware_id", IDENTITY.hardware_id.text),
        Secret(changes.get("registration_key", KEY)),
        changes.get("code", str(IDENTITY.bulk_identification_code)),
    )


def is_root() -> bool:
    return os.geteuid() == 0
