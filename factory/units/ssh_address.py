"""The way to a unit's address: bound to one NIC where all units have the same address, link-local with its scope."""

from __future__ import annotations

import errno
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from factory.units.protocol import UnitError

if TYPE_CHECKING:
    from factory.config import SshSection

_TCP = (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 4), ("TCP_USER_TIMEOUT", 15_000), ("TCP_NODELAY", 1))


def route_name(section: SshSection) -> str:
    """`ssh:HOST`, with `:PORT` where it is not 22 and `%INTERFACE` where one is named."""
    port = "" if section.port == 22 else f":{section.port}"
    return f"ssh:{section.host}{port}{f'%{section.interface}' if section.interface else ''}"


def dial(section: SshSection, seconds: float) -> socket.socket:
    """Open a TCP connection, bound to the section's interface.

    Raises OSError where nothing answers (try again), UnitError where trying again cannot help: unit.ssh.address,
    unit.ssh.bind-denied, unit.ssh.rp-filter, unit.ssh.interface.
    """
    family, address = _resolve(section)
    if section.interface is not None and family == socket.AF_INET:
        check_rp_filter(section.interface)
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        if section.interface is not None:
            _bind(connection, section.interface)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _TCP:
            # A dead unit is noticed within about 15 s, also while nothing is being sent.
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        connection.settimeout(seconds)
        connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def check_rp_filter(interface: str, root: Path = Path("/proc/sys/net/ipv4/conf")) -> None:
    """Refuse strict reverse path filtering: with the same network on several NICs the kernel would drop the answers
    that come in on any but the first. Raises UnitError unit.ssh.rp-filter.
    """
    values = [_number(root / name / "rp_filter") for name in ("all", interface)]
    known = [value for value in values if value is not None]
    # The kernel uses the larger of the two; 1 is strict, 2 loose (Linux, ip-sysctl).
    if known and max(known) == 1:
        raise UnitError(
            f"strict reverse path filtering on {interface} drops the answers of units that share an address",
            hint=f"Run: sysctl -w net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.{interface}.rp_filter=2",
            code="unit.ssh.rp-filter",
        )


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except FileNotFoundError:
        return None  # not Linux, or a container without it: nothing filters that we could see


def _resolve(section: SshSection) -> tuple[int, tuple[object, ...]]:
    host = section.host
    if section.interface is not None and host.lower().startswith("fe80:") and "%" not in host:
        host = f"{host}%{section.interface}"
    try:
        found = socket.getaddrinfo(host, section.port, type=socket.SOCK_STREAM)
    except OSError as error:
        if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
            raise
        hint = "Check the name; a link-local address carries its interface, as in fe80::1%eth0."
        raise UnitError(
            f"{section.host} is no address: {error.strerror}", hint=hint, code="unit.ssh.address"
        ) from error
    family, _, _, _, address = found[0]
    if host.lower().startswith("fe80:") and "%" not in host:
        hint = f"Write {host}%eth0, with the station's interface, or give ssh.interface."
        raise UnitError(f"{host} is link-local and names no interface", hint=hint, code="unit.ssh.address")
    return family, address


def _bind(connection: socket.socket, interface: str) -> None:
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
    except PermissionError as error:
        raise UnitError(
            f"no right to bind a connection to {interface}",
            hint="Give the program CAP_NET_RAW, for example: setcap cap_net_raw+ep on its python, or run as root.",
            code="unit.ssh.bind-denied",
        ) from error
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise
        there = ", ".join(sorted(name for _, name in socket.if_nameindex()))
        raise UnitError(
            f"this station has no interface {interface}", hint=f"There are: {there}.", code="unit.ssh.interface"
        ) from error
