"""MAC addresses from what `ip` and `ifconfig` print, for units without /sys/class/net."""

from __future__ import annotations

import re
from collections.abc import Mapping

_NAME = re.compile(r"[A-Za-z0-9_.:+-]{1,32}")
# iproute2 brief:   eth0             UP             b8:27:eb:00:00:01 <BROADCAST,MULTICAST,UP,LOWER_UP>
_BRIEF = re.compile(r"^(\S+?)(?:@\S+)?\s+[A-Z]+\s+([0-9A-Fa-f:]{17})\s+<([A-Z0-9_,-]*)>")
# iproute2 and busybox:   2: eth0: <BROADCAST,...> mtu 1500 ...   then   link/ether b8:27:eb:00:00:01 brd ff:...
_IP_HEAD = re.compile(r"^\d+:\s+(\S+?)(?:@\S+)?:\s+<")
_IP_MAC = re.compile(r"^\s+link/ether\s+(\S+)")
# net-tools 1 and busybox:   eth0      Link encap:Ethernet  HWaddr B8:27:EB:00:00:01
_OLD = re.compile(r"^(\S+)\s+Link encap:Ethernet\s+HWaddr\s+(\S+)")
# net-tools 2:   eth0: flags=4163<UP,...>  mtu 1500   then   ether b8:27:eb:00:00:01  txqueuelen ...
_NEW_HEAD = re.compile(r"^(\S+?):?\s+flags=")
_NEW_MAC = re.compile(r"^\s+ether\s+(\S+)")


def from_brief(text: str) -> Mapping[str, str]:
    """Interface name to MAC text from `ip -br link`; loopback and what is not Ethernet are left out."""
    found = {}
    for line in text.splitlines():
        match = _BRIEF.match(line)
        if match and "LOOPBACK" not in match[3].split(","):
            found[match[1]] = match[2]
    return _checked(found)


def from_ip(text: str) -> Mapping[str, str]:
    """Interface name to MAC text from `ip link`."""
    return _checked(_blocks(text, _IP_HEAD, _IP_MAC))


def from_ifconfig(text: str) -> Mapping[str, str]:
    """Interface name to MAC text from `ifconfig -a`, of net-tools old and new and of busybox."""
    found = dict(_blocks(text, _NEW_HEAD, _NEW_MAC))
    for line in text.splitlines():
        match = _OLD.match(line)
        if match:
            found[match[1]] = match[2]
    return _checked(found)


def is_name(name: str) -> bool:
    """True for a text that can be the name of an interface and nothing else."""
    return _NAME.fullmatch(name) is not None


def _blocks(text: str, head: re.Pattern[str], mac: re.Pattern[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    current = None
    for line in text.splitlines():
        started = head.match(line)
        if started:
            current = started[1]
        elif current is not None and (match := mac.match(line)):
            found[current] = match[1]
    return found


def _checked(found: dict[str, str]) -> Mapping[str, str]:
    # An alias (eth0:1) has its interface's own address and is no interface.
    return {name: mac for name, mac in sorted(found.items()) if is_name(name) and ":" not in name}
