"""Serial ports: opened exclusively, and every way in which that fails told apart."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from factory.units.protocol import UnitError

if TYPE_CHECKING:
    import serial

    from factory.config import SerialSection

_GRABBERS = "ModemManager and brltty take new serial ports: stop them (systemctl stop ModemManager brltty)."
_BY_PATH = Path("/dev/serial/by-path")


def open_port(section: SerialSection) -> serial.SerialBase:
    """Open a port 8N1 without flow control, exclusively, and never blocking.

    `section.port` is a device, a symlink to one, or a pyserial URL such as `socket://127.0.0.1:7000`. dtr and rts
    are set as the port opens and not after it; Linux itself raises both for the moment between. Raises UnitError with
    code unit.port-missing, unit.port-busy, unit.port-denied or unit.port.
    """
    import serial

    try:
        if "://" in section.port:
            return serial.serial_for_url(section.port, baudrate=section.baud, timeout=0, write_timeout=0)
        port = serial.Serial(None, baudrate=section.baud, timeout=0, write_timeout=0, exclusive=True)
        # The link is resolved once: a cable that comes back under another name is another port.
        port.port = os.path.realpath(section.port)
        if section.dtr is not None:
            port.dtr = section.dtr
        if section.rts is not None:
            port.rts = section.rts
        port.open()
    except (OSError, ValueError) as error:
        raise _why_not(section.port, error) from error
    return port


def port_holders(port: str) -> tuple[str, ...]:
    """Name the other processes that have the port open, as far as this user may see: 'ModemManager (pid 812)'."""
    device = os.path.realpath(port)
    others = sorted(int(path.name) for path in Path("/proc").glob("[0-9]*") if int(path.name) != os.getpid())
    processes = [Path("/proc", str(number)) for number in others]
    return tuple(f"{_name(each)} (pid {each.name})" for each in processes if _has_open(each, device))


def _has_open(process: Path, device: str) -> bool:
    # Other users' processes are closed to us, and processes end while we look.
    with contextlib.suppress(OSError):
        return any(_target(link) == device for link in (process / "fd").iterdir())
    return False


def _target(link: Path) -> str:
    with contextlib.suppress(OSError):
        return str(link.readlink())
    return ""


def _name(process: Path) -> str:
    with contextlib.suppress(OSError):
        return (process / "comm").read_text(encoding="ascii", errors="backslashreplace").strip()
    return "a process"


def _why_not(port: str, error: Exception) -> UnitError:
    number = getattr(error, "errno", None)
    if number in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
        there = sorted(entry.name for entry in _BY_PATH.iterdir()) if _BY_PATH.is_dir() else []
        known = f"There are: {', '.join(there)}." if there else "No serial adapter is plugged in."
        return UnitError(
            f"serial port {port} does not exist", hint=f"Check the cable. {known}", code="unit.port-missing"
        )
    if number in (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK):
        holders = port_holders(port)
        by = f" by {', '.join(holders)}" if holders else ""
        return UnitError(f"serial port {port} is in use{by}", hint=_GRABBERS, code="unit.port-busy")
    if number in (errno.EACCES, errno.EPERM):
        hint = "Add the user to the group dialout (usermod -aG dialout USER) and log in again."
        return UnitError(f"no right to open the serial port {port}", hint=hint, code="unit.port-denied")
    reason = os.strerror(number) if number else str(error)
    hint = "Is this a serial port, and does the adapter know this baud rate? Look with: stty -F PORT -a"
    return UnitError(f"cannot open the serial port {port}: {reason}", hint=hint, code="unit.port")
