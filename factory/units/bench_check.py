"""Whether every slot's port is there, free and permitted: for `factory doctor`, before a unit is ever connected."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from factory.config import Slot
from factory.units.ports import port_holders
from factory.values import Finding, Severity

# Services that open every new serial port to look for modems or Braille displays (factory floor reference, section 2).
_CLAIMERS = {
    "ModemManager": 'sudo systemctl mask --now ModemManager, or a udev rule with ENV{ID_MM_DEVICE_IGNORE}="1"',
    "brltty": "sudo systemctl mask --now brltty.path brltty-udev, or: sudo apt-get remove brltty",
}


def bench_findings(slots: Iterable[Slot], proc: Path = Path("/proc")) -> list[Finding]:
    """Look at the serial ports, network interfaces and power programs of the slots; empty means all is well.

    `proc` is where the system lists its processes, a parameter for tests.
    """
    findings: list[Finding] = []
    devices: dict[Path, str] = {}
    for slot in slots:
        if slot.serial is not None and "://" not in slot.serial.port:
            findings += _serial(slot.name, Path(slot.serial.port), devices)
        if slot.ssh is not None and slot.ssh.interface is not None:
            findings += _interface(slot.name, slot.ssh.interface)
        if slot.power is not None:
            findings += _programs(slot.name, {slot.power.on[0], slot.power.off[0]})
    if devices:
        findings += _claimers(proc)
    return findings


def _serial(slot: str, port: Path, devices: dict[Path, str]) -> Iterator[Finding]:
    place = f"slot {slot}, {port}"
    if not port.exists():
        yield _error(
            "PORT-MISSING", place, "there is no such port", "Plug the adapter in; see ls -l /dev/serial/by-path."
        )
        return
    device = port.resolve()
    if device in devices:
        yield _error(
            "PORT-DOUBLE", place, f"is the same device as that of slot {devices[device]}", "One slot, one port."
        )
    devices[device] = slot
    for holder in port_holders(str(device)):
        yield _error("PORT-BUSY", place, f"is held open by {holder}", "Stop that program, or use another port.")
    if not os.access(device, os.R_OK | os.W_OK):
        yield _error(
            "PORT-RIGHTS", place, "may not be opened by this user", "sudo usermod -aG dialout $USER, then log in again."
        )
    if "/by-" not in str(port) and str(port).startswith("/dev/tty"):
        yield Finding(
            "PORT-NAME",
            Severity.WARNING,
            place,
            "the number of a tty changes when adapters are plugged in another order",
            "Name the port by its physical path in /dev/serial/by-path.",
        )


def _interface(slot: str, interface: str) -> Iterator[Finding]:
    folder = Path("/sys/class/net", interface)
    if not folder.exists():
        yield _error("NIC-MISSING", f"slot {slot}, {interface}", "there is no such network interface", "See: ip link.")


def _programs(slot: str, programs: set[str]) -> Iterator[Finding]:
    for program in sorted(programs):
        if shutil.which(program) is None:
            yield _error("POWER-PROGRAM", f"slot {slot}, {program}", "the power program is not there", "Install it.")


def _claimers(proc: Path) -> Iterator[Finding]:
    """Find running services that will open the next port that appears."""
    for process in sorted(proc.glob("[0-9]*/comm")):
        try:
            name = process.read_text(errors="replace").strip()
        except OSError:
            continue  # the process ended while we looked
        if name in _CLAIMERS:
            message = "is running and opens serial ports by itself"
            yield Finding("PORT-CLAIMED", Severity.WARNING, name, message, _CLAIMERS[name])


def _error(code: str, place: str, message: str, hint: str) -> Finding:
    return Finding(code, Severity.ERROR, place, message, hint)
