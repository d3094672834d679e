"""What lies on the root disk of a QEMU unit: busybox, dropbear, a login, and connectd's folder."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from factory import files
from factory.rehearsal.plan import UnitPlan
from factory.rehearsal.qemu.host import libraries, output, program
from factory.rehearsal.qemu.plan import Machine
from factory.rehearsal.shims import CONNECTD_CONTROL

FOLDERS = ("bin", "dev", "etc/connectd", "etc/dropbear", "lib", "lib64", "proc", "root", "run", "sbin", "sys", "tmp",
           "usr/bin", "usr/sbin", "var/log", "mnt")  # fmt: skip
_STATES = ("active", "available", "dfiles", "pfiles", "services")
_INITTAB = """\
::sysinit:/etc/rc
ttyS0::respawn:/sbin/getty -L 115200 ttyS0 vt100
::restart:/sbin/init
::shutdown:/bin/sync
::shutdown:/bin/umount -a -r
"""
# The last line is for the computer outside: a second serial port that only says how often the unit has booted.
_RC = """\
#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t tmpfs run /run
mkdir -p /run/connectd
hostname -F /etc/hostname
ip link set lo up
nameif
ip addr add 10.0.2.15/24 dev $(cat /etc/uplink)
for i in $(cut -d' ' -f1 /etc/mactab); do ip link set $i up; done
[ -e /etc/ssh-enabled ] && dropbear -r /etc/dropbear/key
echo "booted $(cat /proc/sys/kernel/random/boot_id)" >/dev/ttyS1
"""


def fill(tree: Path, plan: UnitPlan, machine: Machine, password: str, *, ssh: bool) -> None:
    """Write the unit's root into the folder `tree`. Raises NotStartedError for a program that is missing here."""
    for name in FOLDERS:
        files.make_folder(tree / name)
    _programs(tree, machine)
    hashed = output(["busybox", "mkpasswd", "-m", "sha512", "-P", "0"], given=f"{password}\n".encode()).decode().strip()
    texts = {
        "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
        "etc/shadow": f"root:{hashed}:19000:0:99999:7:::\n",
        "etc/group": "root:x:0:\ntty:x:5:\n",
        "etc/shells": "/bin/sh\n",
        "etc/hostname": f"{plan.name}\n",
        "etc/serial": f"{plan.serial}\n",
        "etc/mactab": "".join(f"{name} {mac}\n" for name, mac in plan.macs.items()),
        "etc/uplink": f"{next(iter(plan.macs))}\n",
        "etc/inittab": _INITTAB,
        "etc/profile": "export PATH=/bin:/sbin:/usr/bin:/usr/sbin\n",
        "etc/connectd/schannel.conf": "Task_Notify_Script /usr/bin/connectd_task_notify\n",
    }
    for name, text in texts.items():
        files.write_text(tree / name, text, mode=0o600 if name == "etc/shadow" else 0o644)
    files.write_text(tree / "etc/rc", _RC, mode=0o755)
    for name in _STATES:
        files.make_folder(tree / "etc/connectd" / name, mode=0o700)
    if plan.connectd_control:
        files.write_text(
            tree / "usr/bin/connectd_control", f"#!/bin/sh\ncd /\n{CONNECTD_CONTROL.strip()}\n", mode=0o755
        )
    if ssh:
        output(["dropbearkey", "-t", "ed25519", "-f", tree / "etc/dropbear/key"])
        files.write_text(tree / "etc/ssh-enabled", "")
    if os.getuid() != 0:
        files.write_text(tree / ".unowned", "")


def _programs(tree: Path, machine: Machine) -> None:
    _copy(program("busybox"), tree / "bin/busybox")
    for name in output(["busybox", "--list"]).decode().split():
        if name not in machine.left_out and name not in {"busybox", *machine.extra}:
            (tree / "bin" / name).symlink_to("busybox")
    (tree / "bin/sh").unlink(missing_ok=True)
    if machine.shell == "dash":
        _install(tree, "dash", "bin/sh")
    else:
        (tree / "bin/sh").symlink_to("busybox")
    for name in ("init", "getty"):
        (tree / "sbin" / name).symlink_to("/bin/busybox")
    _install(tree, "dropbear", "usr/sbin/dropbear")
    for name in sorted(machine.extra):
        _install(tree, name, f"bin/{name}")


def _install(tree: Path, name: str, place: str) -> None:
    binary = program(name)
    _copy(binary, tree / place)
    for library in libraries(binary):
        target = tree / str(library).lstrip("/")
        if not target.exists():
            files.make_folder(target.parent)
            _copy(library, target)


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    target.chmod(0o755)
