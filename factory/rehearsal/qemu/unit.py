"""A slot of the bench with a QEMU unit in it: serial port, SSH address, power."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from pathlib import Path

from factory import files
from factory.errors import NotStartedError
from factory.rehearsal.plan import SERIAL_ROUTE, SSH_ROUTE, UnitPlan
from factory.rehearsal.port import SerialPort
from factory.rehearsal.qemu import initramfs
from factory.rehearsal.qemu.disks import make_erased, make_root, make_target
from factory.rehearsal.qemu.emulator import Emulator
from factory.rehearsal.qemu.host import output
from factory.rehearsal.qemu.kernel import Kernel
from factory.rehearsal.qemu.plan import Machine
from factory.rehearsal.qemu.rootfs import fill

# What a small unit's kernel does not have costs a fifth of the boot without KVM.
_KERNEL_LINE = "console=ttyS0 quiet panic=1 mitigations=off init_on_alloc=0 security=none audit=0"
_STATE = "state"
_PARTS = ("root.disk", "target.disk", "mtd.disk", "initramfs", "boots")
BOOT_SECONDS = 120.0  # some seconds without KVM; a busy computer takes its time


class QemuUnit:
    """One unit with its disks in `folder`, its serial port at `port`. Every method may be called from any thread.

    `serial_port` is what pyserial opens, `ssh_address` host and port; each is None when the plan lacks that route.
    The disks keep what the unit's kernel has handed to them: `kill` takes the power, and what the kernel still held in
    its page cache is lost. A disk's own volatile cache is not modelled: what reached the disk stays.

    With `frozen`, a folder that `freeze` of a unit with the same plan and machine filled, the first power_on goes on
    from that moment in a second, with copies of its disks, and has its boot id. Every later boot is a real one.
    """

    def __init__(
        self, folder: Path, port: Path, plan: UnitPlan, password: str, kernel: Kernel,
        *, machine: Machine | None = None, baud: int | None = None, frozen: Path | None = None,
    ) -> None:  # fmt: skip
        self.name = plan.name
        self.plan = plan
        self.password = password
        self.machine = machine or Machine()
        self.folder = folder
        self.control = folder / "control"
        self._kernel = kernel
        self._boots = folder / "boots"
        self._lock = threading.RLock()
        self._emulator: Emulator | None = None
        self._expected = 0
        self._ssh_port = _free_port() if SSH_ROUTE in plan.routes else None
        self._frozen = frozen
        if frozen is None:
            self._make()
        else:
            _copy_parts(frozen, folder)
            files.make_folder(self.control, mode=0o700)
        self._serial = SerialPort(port, baud) if SERIAL_ROUTE in plan.routes else None

    @property
    def serial(self) -> SerialPort | None:
        """The slot's serial port and wire, whose faults can be set."""
        return self._serial

    @property
    def serial_port(self) -> str | None:
        """What pyserial's serial_for_url opens."""
        return self._serial.url if self._serial else None

    @property
    def ssh_address(self) -> tuple[str, int] | None:
        """Host and port that lead to the unit's dropbear."""
        return ("127.0.0.1", self._ssh_port) if self._ssh_port else None

    @property
    def boots(self) -> int:
        """How often the unit has booted to its login."""
        return len(self._boot_lines())

    @property
    def boot_id(self) -> str:
        """The boot id that the unit's kernel gave itself at the last boot."""
        return self._boot_lines()[-1].split()[1]

    @property
    def powered(self) -> bool:
        """Whether the unit has power; one that switched itself off has none."""
        return self._emulator is not None and self._emulator.running

    @property
    def target(self) -> Path:
        """The disk that the unit sees as /dev/vdb. Not to be changed while the unit has power."""
        return self.folder / "target.disk"

    def power_on(self) -> None:
        """Give the unit power; it boots. Does nothing when it has power. Raises NotStartedError."""
        with self._lock:
            if self.powered:
                return
            self.power_off()
            frozen, self._frozen = self._frozen, None
            self._expected = self.boots + (frozen is None)
            self._emulator = Emulator(self._arguments(), frozen and frozen / _STATE)
            if self._serial is not None:
                self._serial.wire.poke()

    def power_off(self) -> None:
        """Take the power away: QEMU is killed, and what the unit has not synced is lost."""
        with self._lock:
            if self._emulator is not None:
                self._emulator.kill()
                self._emulator = None

    kill = power_off

    def reset(self) -> None:
        """Press the reset button: the unit boots again without going down in order. Raises NotStartedError."""
        with self._lock:
            if self._emulator is None:
                raise NotStartedError(f"{self.name} has no power", code="rehearsal.qemu")
            self._expected = self.boots + 1
            self._emulator.ask("system_reset")

    def freeze(self, folder: Path) -> None:
        """Keep this moment of a unit that has power, for `frozen` of others; it has none afterwards.

        Raises NotStartedError.
        """
        with self._lock:
            if self._emulator is None:
                raise NotStartedError(f"{self.name} has no power", code="rehearsal.qemu")
            files.make_folder(folder, mode=0o700)
            self._emulator.save(folder / _STATE)
            self.power_off()
            _copy_parts(self.folder, folder)

    def wait_until_settled(self, seconds: float = BOOT_SECONDS, *, boots: int | None = None) -> None:
        """Wait for the end of the boot that power_on or reset began, or for boot number `boots` of the unit's life.

        Raises NotStartedError when it takes longer, or the unit ended instead.
        """
        until = time.monotonic() + seconds
        expected = boots if boots is not None else self._expected
        while self.boots < expected:
            if not self.powered:
                raise NotStartedError(f"{self.name} went off instead of booting", code="rehearsal.qemu")
            if time.monotonic() > until:
                raise NotStartedError(f"{self.name} did not boot within {seconds:.0f} s", code="rehearsal.qemu")
            time.sleep(0.05)

    def close(self) -> None:
        """End everything and remove the unit's folder. May be called again."""
        self.power_off()
        if self._serial is not None:
            self._serial.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _make(self) -> None:
        files.make_folder(self.control, mode=0o700)
        tree = self.folder / "tree"
        fill(tree, self.plan, self.machine, self.password, ssh=SSH_ROUTE in self.plan.routes)
        make_root(self.folder / "root.disk", tree, self.machine.root_bytes)
        shutil.rmtree(tree)
        make_target(self.target, self.machine.target_bytes)
        if self.machine.mtd_bytes:
            make_erased(self.folder / "mtd.disk", self.machine.mtd_bytes)
        files.write_bytes(self.folder / "initramfs", initramfs.pack(self._kernel.modules))

    def _arguments(self) -> list[str]:
        arguments = ["-nodefaults", "-no-user-config", "-display", "none", "-vga", "none"]
        arguments += ["-M", "pc", "-accel", "tcg", "-cpu", "max,la57=off", "-smp", "1"]
        arguments += ["-m", str(self.machine.memory_mebi), "-kernel", str(self._kernel.image)]
        arguments += ["-initrd", str(self.folder / "initramfs"), "-append", _KERNEL_LINE]
        model = self.plan.model.replace(",", ",,")
        arguments += ["-smbios", f"type=1,product={model}", "-smbios", f"type=2,serial={self.plan.serial}"]
        for name in ("root", "target", "mtd"):
            disk = self.folder / f"{name}.disk"
            if disk.exists():
                path = str(disk).replace(",", ",,")
                arguments += ["-drive", f"file={path},format=raw,if=none,id={name},cache=writeback"]
                arguments += ["-device", f"virtio-blk-pci,drive={name}"]
        for number, mac in enumerate(self.plan.macs.values()):
            forward = f",hostfwd=tcp:127.0.0.1:{self._ssh_port}-:22" if self._ssh_port and number == 0 else ""
            arguments += ["-netdev", f"user,id=net{number},restrict=on{forward}"]
            arguments += ["-device", f"virtio-net-pci,netdev=net{number},mac={mac},romfile="]
        console = f"serial,id=console,path={self._serial.far_path}" if self._serial else "null,id=console"
        boots = str(self._boots).replace(",", ",,")
        arguments += ["-chardev", console, "-serial", "chardev:console"]
        return [*arguments, "-chardev", f"file,id=boots,path={boots},append=on", "-serial", "chardev:boots"]

    def _boot_lines(self) -> list[str]:
        if not self._boots.exists():
            return []
        lines = self._boots.read_text(errors="replace").splitlines(keepends=True)
        return [line for line in lines if line.startswith("booted ") and line.endswith("\n")]


def _copy_parts(source: Path, target: Path) -> None:
    """Copy what makes a unit: its disks, its initramfs, its count of boots. Zeros become holes."""
    files.make_folder(target)
    names = [name for name in _PARTS if (source / name).exists()]
    output(["cp", "--sparse=always", "--reflink=auto", *(source / name for name in names), target])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
