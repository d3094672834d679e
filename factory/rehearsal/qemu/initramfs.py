"""The first program of a QEMU unit: loads the kernel's modules, mounts the root disk, and goes there."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from factory.rehearsal.qemu.host import program

_INIT = r"""#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs dev /dev
$b mount -t proc proc /proc
for m in /modules/*.ko; do
  case $m in
  *mtdram*|*block2mtd*) continue ;;
  esac
  $b insmod $m || echo "cannot load $m"
done
$b mount -t ext4 -o rw,noatime /dev/vda /new || exec $b sh
# Made by a user who may not give files away: the unit does it at its first boot.
[ -e /new/.unowned ] && $b chown -hR 0:0 /new && $b rm /new/.unowned
if [ -e /dev/vdc ]; then
  for m in /modules/*block2mtd*.ko; do $b insmod $m block2mtd=/dev/vdc,65536; done
fi
$b umount /proc
$b mount --move /dev /new/dev
exec $b switch_root /new /sbin/init
"""


def pack(modules: Sequence[Path]) -> bytes:
    """The initramfs as an uncompressed cpio archive: unpacking would cost the unit more than reading."""
    entries = [_entry(name, stat.S_IFDIR | 0o755) for name in ("bin", "dev", "proc", "modules", "new")]
    entries.append(_entry("init", stat.S_IFREG | 0o755, _INIT.encode()))
    entries.append(_entry("bin/busybox", stat.S_IFREG | 0o755, program("busybox").read_bytes()))
    entries.extend(_entry(f"modules/{path.name}", stat.S_IFREG | 0o644, path.read_bytes()) for path in modules)
    entries.append(_entry("TRAILER!!!", 0))
    return b"".join(part for entry in entries for part in entry)


def _entry(name: str, mode: int, content: bytes = b"") -> Iterator[bytes]:
    """One member in the `newc` format (Linux, Documentation/driver-api/early-userspace/buffer-format.rst)."""
    path = name.encode() + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + path
    yield head + bytes(-len(head) % 4)
    yield content + bytes(-len(content) % 4)
