"""What can be wrong with a simulated unit, by name, with one line of help each."""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    """A fault of a simulated unit. Faults combine; `Fault.help` says in one line what each of them does."""

    # the wire
    SLOW_ECHO = "slow-echo"
    DROPPED_BYTES = "dropped-bytes"
    CHANGED_BYTES = "changed-bytes"
    FIFO_OVERRUN = "fifo-overrun"
    CABLE_CUT = "cable-cut"
    GARBAGE = "garbage"
    KERNEL_MESSAGES = "kernel-messages"
    # the console
    SILENT = "silent"
    BOOT_NOISE = "boot-noise"
    PRESS_ENTER = "press-enter"
    LOGGED_IN = "logged-in"
    HALF_TYPED = "half-typed"
    PASSWORD_CHANGE = "password-change"  # noqa: S105 - the name of a fault
    U_BOOT = "u-boot"
    EMERGENCY_SHELL = "emergency-shell"
    INITRAMFS_SHELL = "initramfs-shell"
    # who gets in
    WRONG_PASSWORD = "wrong-password"  # noqa: S105 - the name of a fault
    NEW_HOST_KEY = "new-host-key"
    # who the unit is
    CLONE = "clone"
    ZERO_MAC = "zero-mac"
    UNIT_SWAPPED = "unit-swapped"
    HOSTILE_NEWLINE = "hostile-newline"
    HOSTILE_ANSI = "hostile-ansi"
    HOSTILE_HUGE = "hostile-huge"
    HOSTILE_BYTES = "hostile-bytes"
    # what the unit has and keeps
    DISK_FULL = "disk-full"
    FORGETS_ON_REBOOT = "forgets-on-reboot"
    FORGETS_ADDRESS = "forgets-address"
    VOLATILE_CONNECTD = "volatile-connectd"
    READ_ONLY_CONNECTD = "read-only-connectd"
    RUNNING_CONNECTD = "running-connectd"
    LEFTOVER_FILES = "leftover-files"
    NO_BASE64 = "no-base64"
    NO_SHA256SUM = "no-sha256sum"

    @property
    def help(self) -> str:
        """What the fault does, in one line for a person."""
        return _HELP[self]


_HELP: dict[Fault, str] = {
    Fault.SLOW_ECHO: "everything the unit says on serial arrives late (delay=0.4 seconds)",
    Fault.DROPPED_BYTES: "bytes are lost on the wire (rate=0.0005 of them, or at=N: exactly byte N)",
    Fault.CHANGED_BYTES: "bits flip on the wire (rate=0.0005 of the bytes, or at=N: exactly byte N)",
    Fault.FIFO_OVERRUN: "what is typed faster than the unit takes it is lost (room=64 bytes) instead of kept",
    Fault.CABLE_CUT: "the serial cable is dead after byte N, counted over both directions (at=2000)",
    Fault.GARBAGE: "the unit's serial port runs at another speed (baud=57600)",
    Fault.KERNEL_MESSAGES: "kernel lines appear inside replies, every=300 bytes or so",
    Fault.SILENT: "the serial console never says a word and does not listen",
    Fault.BOOT_NOISE: "boots three times as long, with a long log, and late lines after the login prompt",
    Fault.PRESS_ENTER: "'Please press Enter to activate this console.', then a root shell without login",
    Fault.LOGGED_IN: "the console is a root shell already, without login",
    Fault.HALF_TYPED: "somebody is logged in and has left half a command at the prompt",
    Fault.PASSWORD_CHANGE: "the password is right and must be changed at once",
    Fault.U_BOOT: "the unit stays at the U-Boot prompt",
    Fault.EMERGENCY_SHELL: "the system asks for the root password for maintenance",
    Fault.INITRAMFS_SHELL: "the root file system was not found: the initramfs shell answers",
    Fault.WRONG_PASSWORD: "the unit has another password than everybody believes",
    Fault.NEW_HOST_KEY: "the unit makes a new SSH host key at every boot",
    Fault.CLONE: "all MACs are those of another unit; the board serial is its own",
    Fault.ZERO_MAC: "all MACs are the factory default 00:00:00:00:00:00",
    Fault.UNIT_SWAPPED: "after=12 commands another unit answers in the same slot",
    Fault.HOSTILE_NEWLINE: "the board serial has a line break and a second line that looks like a MAC",
    Fault.HOSTILE_ANSI: "the board serial carries terminal escapes",
    Fault.HOSTILE_HUGE: "the board serial is 10 MB long, without a line end",
    Fault.HOSTILE_BYTES: "the board serial is not UTF-8",
    Fault.DISK_FULL: "no file can be written (room=0 bytes each; the message is 'File too large')",
    Fault.FORGETS_ON_REBOOT: "after a reboot etc/connectd is as it was at the boot before",
    Fault.FORGETS_ADDRESS: "what was set by fw_setenv is gone after a reboot",
    Fault.VOLATILE_CONNECTD: "etc/connectd is a tmpfs, as the mounts file says, and empty after a reboot",
    Fault.READ_ONLY_CONNECTD: "etc/connectd is mounted read-only, as the mounts file says",
    Fault.RUNNING_CONNECTD: "connectd is provisioned and running",
    Fault.LEFTOVER_FILES: "files of an earlier registration lie in dfiles, pfiles, available and active",
    Fault.NO_BASE64: "the unit has no base64",
    Fault.NO_SHA256SUM: "the unit has no sha256sum",
}
