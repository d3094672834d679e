r"""The private folder that is a simulated unit's whole file system.

Paths inside are relative to the folder, because the unit's shell starts there: `etc/connectd`, `sys/class/net`,
`proc/mounts`. The mounts file names mount points by the real path of this folder (`<root>/tmp`), with blanks
written as \040 as the kernel does: so the longest mount point that begins `readlink -f etc/connectd` is its own.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import uuid
from pathlib import Path

from factory.errors import NotStartedError
from factory.rehearsal.faults import Fault
from factory.rehearsal.plan import UnitPlan
from factory.rehearsal.shims import KERNEL, shims_for
from factory.rehearsal.tools import find_shell, find_tools

CONNECTD = "etc/connectd"
ENVIRONMENT = "etc/uboot.env"
_PERSISTENCE = "connectd_persistence"
PROJECT = "7B4C1E2A-5D60-4F8E-9A31-0C2D4E6F8A10"
_EMPTY_FOLDERS = ("dfiles", "pfiles", "available", "active", "services")
_FACTORY_CONTENT = {
    "bulk_identification_code.txt": (b"missing. Add your code to bulk_identification_code.txt.\n", 0o644),
    "hardware_id.txt": (b"default.\n", 0o644),
    "registration_key.txt": (b"default.\n", 0o644),
    "oem_settings": (b"# settings of the maker: none on this simulated unit\n", 0o755),
    "schannel.conf": (b"Task_Notify_Script /usr/bin/connectd_task_notify\n", 0o644),
}
_HOSTILE = {
    Fault.HOSTILE_NEWLINE: b"10000000cafe0001\nb8:27:eb:00:00:01",
    Fault.HOSTILE_ANSI: b"\x1b[2J\x1b[31m10000000cafe0002\x1b[0m\x1b]0;owned\x07",
    Fault.HOSTILE_HUGE: b"A" * 10_000_000,
    Fault.HOSTILE_BYTES: b"\xff\xfe10000000\x80\xc3\x28cafe",
}


class UnitFolder:
    """Builds the folder of one unit and does what a boot does to it."""

    def __init__(self, root: Path, control: Path, plan: UnitPlan, faults: frozenset[Fault]) -> None:
        self.root = root
        self.plan = plan
        self.faults = set(faults)
        self.shell = find_shell()
        self.functions: Path | None = None
        self._control = control
        self._kept = control / "connectd-at-last-boot"

    def build(self) -> None:
        """Make the folder as the unit leaves its maker. Raises NotStartedError when it exists or cannot be written."""
        try:
            self.root.mkdir(parents=True, mode=0o755)
        except OSError as error:
            raise NotStartedError(
                f"cannot make the folder of simulated unit {self.plan.name}, {self.root}: {error.strerror}",
                hint="Use a new folder on a disk with space.",
                code="rehearsal.folder",
            ) from error
        for name in ("bin", "etc", "home", "proc/device-tree", "proc/sys/kernel/random", "run", "tmp", "var/log"):
            (self.root / name).mkdir(parents=True)
        (self.root / "var/run").symlink_to("../run")
        self._write("etc/hostname", self.plan.name)
        self._write("proc/cpuinfo", f"Hardware\t: BCM2835\nSerial\t\t: {self.plan.serial}")
        self._write("proc/version", f"Linux version {KERNEL}")
        self._write("proc/sys/kernel/osrelease", KERNEL)
        self._write_identity()
        self._fill_bin()
        self._fill_connectd()

    def boot(self) -> str:
        """Do what a reboot does to the files: volatile places emptied, a new boot id; returns that boot id."""
        for name in ("tmp", "run"):
            empty(self.root / name)
        (self.root / "run/connectd").mkdir()
        connectd = self.root / CONNECTD
        if Fault.VOLATILE_CONNECTD in self.faults and self._kept.exists():
            empty(connectd)
            self._restore_saved()
        if Fault.FORGETS_ON_REBOOT in self.faults and self._kept.exists():
            empty(connectd)
            shutil.copytree(self._kept, connectd, symlinks=True, dirs_exist_ok=True)
        if self._kept.exists():
            self._kept.chmod(0o755)  # it carries the mode of a read-only etc/connectd
            shutil.rmtree(self._kept)
        if connectd.is_dir():
            shutil.copytree(connectd, self._kept, symlinks=True)
        if Fault.RUNNING_CONNECTD in self.faults:
            (self.root / f"run/connectd/{PROJECT}.pid").write_text("412\n")
        self._take_environment()
        self._write("proc/mounts", self._mounts())
        boot_id = str(uuid.uuid4())
        self._write("proc/sys/kernel/random/boot_id", boot_id)
        return boot_id

    def install_persistence(self, kit: Path) -> None:
        """Install the scripts of the folder `kit` (see docs/persistence.md) as a maker would: they save to the unit's
        data/connectd, and a boot restores from there.
        """
        root = shlex.quote(str(self.root.resolve()))
        places = f"CONNECTD_DIR={root}/{CONNECTD} CONNECTD_KEPT={root}/data/connectd; export CONNECTD_DIR CONNECTD_KEPT"
        for name in (_PERSISTENCE, "connectd_save_config"):
            text = (kit / name).read_text().replace(f"/usr/bin/{_PERSISTENCE}", f"{root}/bin/{_PERSISTENCE}")
            path = self.root / "bin" / name
            path.write_text(text.replace("#!/bin/sh", f"#!{self.shell}\nPATH={root}/bin\n{places}", 1))
            path.chmod(0o755)
        (self.root / "data").mkdir(exist_ok=True)

    def _restore_saved(self) -> None:
        script = self.root / "bin" / _PERSISTENCE
        if script.exists():
            subprocess.run([self.shell, script, "restore"], check=False, timeout=30, capture_output=True)

    def apply(self, fault: Fault) -> None:
        """Make a fault of the file system true from now on; faults of other kinds change nothing here."""
        self.faults.add(fault)
        if fault in _HOSTILE:
            self._write_identity()
        elif fault in {Fault.NO_BASE64, Fault.NO_SHA256SUM}:
            (self.root / "bin" / fault.value.removeprefix("no-")).unlink(missing_ok=True)
        elif fault in {Fault.RUNNING_CONNECTD, Fault.LEFTOVER_FILES}:
            self._provision()
        elif fault is Fault.READ_ONLY_CONNECTD:
            (self.root / CONNECTD).chmod(0o555)
        if (self.root / "proc/mounts").exists():
            self._write("proc/mounts", self._mounts())

    def remove(self) -> None:
        """Take the whole folder away."""
        with contextlib.suppress(FileNotFoundError):
            (self.root / CONNECTD).chmod(0o755)
        shutil.rmtree(self.root, ignore_errors=True)

    def _take_environment(self) -> None:
        """Give the interfaces the addresses that were set by fw_setenv, as a boot loader hands them to the kernel."""
        kept = self.root / ENVIRONMENT
        if Fault.FORGETS_ADDRESS in self.faults:
            kept.unlink(missing_ok=True)
        if not self.plan.environment:
            return
        lines = kept.read_text("ascii", "replace").splitlines() if kept.exists() else []
        values = dict(line.partition("=")[::2] for line in lines)
        for number, (interface, default) in enumerate(self.plan.macs.items()):
            address = values.get(f"eth{number or ''}addr") or default
            self._write(f"sys/class/net/{interface}/address", address)

    def _write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)  # who is root on the unit may have removed anything
        path.write_text(f"{text}\n")

    def _write_identity(self) -> None:
        for interface, mac in {"lo": "00:00:00:00:00:00", **self.plan.macs}.items():
            folder = self.root / "sys/class/net" / interface
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "address").write_text(f"{mac}\n")
            (folder / "operstate").write_text("unknown\n" if interface == "lo" else "up\n")
        serial = next((_HOSTILE[f] for f in _HOSTILE if f in self.faults), self.plan.serial.encode())
        tree = self.root / "proc/device-tree"
        # Strings of a device tree end with NUL.
        (tree / "serial-number").write_bytes(serial + b"\0")
        (tree / "model").write_bytes(self.plan.model.encode() + b"\0")

    def _fill_bin(self) -> None:
        without = set(self.plan.left_out)
        without |= {f.value.removeprefix("no-") for f in (Fault.NO_BASE64, Fault.NO_SHA256SUM) if f in self.faults}
        folder = self.root / "bin"
        (folder / "sh").symlink_to(self.shell)
        for name, path in find_tools(frozenset(without)).items():
            (folder / name).symlink_to(path)
        shims = shims_for(self.plan, self.root, self._control, self.shell)
        for name, text in shims.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        if not _runs(folder / "hostname"):
            self._use_functions(shims)

    def _use_functions(self, shims: dict[str, str]) -> None:
        """On a disk mounted noexec (the temporary folder of many containers) shims are shell functions instead."""
        self.functions = self._control / "functions"
        shell, functions = shlex.quote(str(self.shell)), shlex.quote(str(self.functions))
        lines = [f'{name}() {{ {shell} {shlex.quote(str(self.root / "bin" / name))} "$@"; }}' for name in shims]
        lines.append(
            f'sh() {{ if [ "$1" = -c ]; then _f={functions} _c=$2; shift 2; {shell} -c ". \\"$_f\\"\n$_c" "$@"; '
            f'else {shell} "$@"; fi; }}'
        )
        self.functions.write_text("\n".join(lines) + "\n")

    def _fill_connectd(self) -> None:
        folder = self.root / CONNECTD
        folder.mkdir()
        for name, (content, mode) in _FACTORY_CONTENT.items():
            (folder / name).write_bytes(content)
            (folder / name).chmod(mode)
        (folder / "services").mkdir(mode=0o700)
        if self.faults & {Fault.RUNNING_CONNECTD, Fault.LEFTOVER_FILES}:
            self._provision()
        if Fault.READ_ONLY_CONNECTD in self.faults:
            folder.chmod(0o555)

    def _provision(self) -> None:
        """Leave the files that an earlier registration leaves."""
        folder = self.root / CONNECTD
        for name in _EMPTY_FOLDERS:
            (folder / name).mkdir(mode=0o700, exist_ok=True)
        head = f"#begin\n{PROJECT}\n"
        (folder / "dfiles" / PROJECT).write_text(head)
        (folder / "pfiles" / PROJECT).write_text(f"{head}#####-#####\n")
        available = folder / "available" / PROJECT
        available.write_text(f"{head}#####-#####\nUID 80:00:00:00:01:00:00:01\npassword 0000\n")
        available.chmod(0o600)
        active = folder / "active" / PROJECT
        if not active.is_symlink():
            active.symlink_to(available)
        if (self.root / "run/connectd").exists() and Fault.RUNNING_CONNECTD in self.faults:
            (self.root / f"run/connectd/{PROJECT}.pid").write_text("412\n")

    def _mounts(self) -> str:
        root = str(self.root.resolve()).translate({32: "\\040", 9: "\\011", 10: "\\012", 92: "\\134"})
        lines = [
            f"/dev/mmcblk0p2 {root} ext4 rw,relatime 0 0",
            f"proc {root}/proc proc rw,nosuid,nodev,noexec,relatime 0 0",
            f"sysfs {root}/sys sysfs rw,nosuid,nodev,noexec,relatime 0 0",
            f"tmpfs {root}/run tmpfs rw,nosuid,nodev,mode=755 0 0",
            f"tmpfs {root}/tmp tmpfs rw,nosuid,nodev 0 0",  # noqa: S108 - the unit's own
        ]
        if Fault.VOLATILE_CONNECTD in self.faults:
            lines.append(f"tmpfs {root}/{CONNECTD} tmpfs rw,relatime 0 0")
        if Fault.READ_ONLY_CONNECTD in self.faults:
            lines.append(f"/dev/mmcblk0p3 {root}/{CONNECTD} ext4 ro,relatime 0 0")
        return "\n".join(lines)


def empty(folder: Path) -> None:
    """Remove everything in a folder, and make the folder if it is missing."""
    folder.mkdir(exist_ok=True)
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            Path(entry.path).unlink()


def _runs(program: Path) -> bool:
    """Whether a script in this folder may be executed: the system's word for it, mount options included."""
    return os.access(program, os.X_OK)
