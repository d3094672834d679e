"""What a unit prints while it boots and shuts down: lines in the manner of U-Boot, the kernel and systemd."""

from __future__ import annotations

from factory.rehearsal.shims import KERNEL

LOADER = """
U-Boot 2024.01 (rehearsal)

DRAM:  512 MiB
MMC:   mmc@7e300000: 1
In:    serial
Out:   serial
Err:   serial
"""
AUTOBOOT = "Hit any key to stop autoboot:  1 "
_KERNEL = (
    "Booting Linux on physical CPU 0x0",
    f"Linux version {KERNEL} (builder@rehearsal) #1 SMP",
    "CPU: ARMv7 Processor [410fd034] revision 4 (ARMv7), cr=10c5383d",
    "Memory: 493672K/524288K available",
    "Console: colour dummy device 80x30",
    "clocksource: arch_sys_counter: mask: 0xffffffffffffff max_cycles: 0x46d987e47",
    "NET: Registered PF_INET protocol family",
    "bcm2835-dma 7e007000.dma: DMA legacy API manager, dmachans=0x1",
    "mmc0: new high speed SDHC card at address aaaa",
    "mmcblk0: mmc0:aaaa SU08G 7.40 GiB",
    "usbcore: registered new interface driver smsc95xx",
    "smsc95xx 1-1.1:1.0 eth0: register 'smsc95xx' at usb-3f980000.usb-1.1",
    "EXT4-fs (mmcblk0p2): mounted filesystem with ordered data mode",
    "Run /sbin/init as init process",
)
_SYSTEM = (
    "Mounted Kernel Debug File System",
    "Started Load Kernel Modules",
    "Reached target Local File Systems",
    "Started Network Configuration",
    "Started OpenBSD Secure Shell server",
    "Started Serial Getty on ttyS0",
)
LATE = (
    "random: crng init done",
    "brcmfmac: brcmf_c_preinit_dcmds: Firmware: BCM43430/1",
    "IPv6: ADDRCONF(NETDEV_CHANGE): eth0: link becomes ready",
    "cfg80211: loaded regulatory.db is malformed or signature is missing/invalid",
    "vcc-sd: disabling",
)
DOWN = "The system is going down for reboot NOW!\n[  OK  ] Stopped target Multi-User System.\n"
RESTARTING = "[  912.004417] reboot: Restarting system\n"


def log(*, long: bool = False) -> list[str]:
    """Return the lines of a boot after the loader; `long` is some ten times as much."""
    kernel = list(_KERNEL)
    if long:
        kernel[-1:-1] = [f"gpio gpiochip0: (pinctrl): line {pin} is not named" for pin in range(120)]
    lines = [f"[{0.4 * place / len(kernel) * 10:12.6f}] {text}" for place, text in enumerate(kernel)]
    return lines + [f"[  OK  ] {text}." for text in _SYSTEM]
