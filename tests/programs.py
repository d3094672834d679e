"""Programs that tests against real servers want: skipped and counted where missing, failed where all are required."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

PACKAGES = {
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "scp": "openssh-client",
    "ssh-keygen": "openssh-client",
    "dropbear": "dropbear-bin",
    "dropbearkey": "dropbear-bin",
    "busybox": "busybox-static",
    "mke2fs": "e2fsprogs",
    "debugfs": "e2fsprogs",
    "e2fsck": "e2fsprogs",
    "mksquashfs": "squashfs-tools",
    "unsquashfs": "squashfs-tools",
    "cpio": "cpio",
    "sfdisk": "fdisk",
    "losetup": "mount",
    "mount": "mount",
    "umount": "mount",
    "addpart": "util-linux",
    "delpart": "util-linux",
    "unshare": "util-linux",
    "mkswap": "util-linux",
    "swapon": "mount",
    "swapoff": "mount",
    "bmaptool": "bmap-tools",
    "rb": "lrzsz",
    "qemu-system-arm": "qemu-system-arm and u-boot-qemu",
    "sudo": "sudo",
    "qemu-system-x86_64": "qemu-system-x86",
    "flashcp": "mtd-utils",
    "tar": "tar",
    "zstd": "zstd",
    "ip": "iproute2",
    "dash": "dash",
    "xxd": "xxd",
    "hexdump": "bsdextrautils",
    "soffice": "libreoffice-calc-nogui",
    "zbarimg": "zbar-tools",
    "pdftoppm": "poppler-utils",
    "chromium": "chromium",
    "curl": "curl",
    "openssl": "openssl",
    "strace": "strace",
    "base64": "coreutils",
}


def find(program: str) -> str | None:
    """The path of a program, looked for in the system folders too, which a user's PATH may lack."""
    path = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"
    return shutil.which(program, path=path)


def require(program: str) -> str:
    """Return the program's path; skip the test without it, or fail it when FACTORY_TEST_REQUIRE is `all`."""
    path = find(program)
    if path is not None:
        return str(Path(path))
    message = f"install {PACKAGES.get(program, program)}"
    if require_all():
        pytest.fail(f"{program} is missing: {message}")
    pytest.skip(message)


def require_all() -> bool:
    """Whether a check that cannot be run is a failure, as in continuous integration."""
    return os.environ.get("FACTORY_TEST_REQUIRE") == "all"
