"""What a QEMU unit has beyond a simulated one's plan: disks, memory, tools."""

from __future__ import annotations

from dataclasses import dataclass

from factory.errors import UsageError

MEBI = 1024 * 1024
SECTOR = 512


@dataclass(frozen=True, slots=True)
class Machine:
    """The hardware and the tools of a QEMU unit.

    `root_bytes` is the size of the root disk (/dev/vda, ext4, no partitions), `target_bytes` of the flash target
    (/dev/vdb, all 0xFF but for a partition table: vdb1 and vdb2), `mtd_bytes` of /dev/mtd0 (0: none; erase blocks of
    64 KiB, kept over reboots). `left_out` names programs that the unit lacks (`sha256sum`, `base64`, ...); `extra`
    names programs of this computer that it gets (`zstd`, `flashcp`, `dd` of coreutils, ...), instead of busybox's of
    the same name. `shell` is "dash" or "ash", which is busybox's and finds its own programs whatever is left out.
    """

    root_bytes: int = 64 * MEBI
    target_bytes: int = 48 * MEBI
    mtd_bytes: int = 0
    memory_mebi: int = 192
    left_out: frozenset[str] = frozenset()
    extra: frozenset[str] = frozenset()
    shell: str = "dash"

    def __post_init__(self) -> None:
        if self.shell not in {"dash", "ash"}:
            raise UsageError(f"a QEMU unit's shell is dash or ash, not {self.shell}", code="rehearsal.plan")
        if self.shell == "ash" and (self.left_out or self.extra):
            raise UsageError("busybox's ash runs its own programs: use dash to leave some out", code="rehearsal.plan")
        if self.target_bytes < 4 * MEBI or self.target_bytes % MEBI or self.mtd_bytes % 65536:
            raise UsageError(
                "a flash target has whole MiB, at least 4; an MTD has whole blocks of 64 KiB", code="rehearsal.plan"
            )
