from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.units.interfaces import from_brief, from_ifconfig, from_ip, is_name
from tests import programs

BRIEF = """\
lo               UNKNOWN        00:00:00:00:00:00 <LOOPBACK,UP,LOWER_UP>
eth0             UP             b8:27:eb:00:00:01 <BROADCAST,MULTICAST,UP,LOWER_UP>
wlan0            DOWN           b8:27:eb:00:00:02 <NO-CARRIER,BROADCAST,MULTICAST,UP>
eth0.5@eth0      UP             b8:27:eb:00:00:01 <BROADCAST,MULTICAST,UP,LOWER_UP>
sit0@NONE        DOWN           0.0.0.0 <NOARP>
"""
IPROUTE2 = """\
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc mq state UP mode DEFAULT group default qlen 1000
    link/ether b8:27:eb:00:00:01 brd ff:ff:ff:ff:ff:ff
    altname enp1s0
3: wlan0: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 qdisc fq state DOWN mode DORMANT group default
    link/ether b8:27:eb:00:00:02 brd ff:ff:ff:ff:ff:ff permaddr b8:27:eb:00:00:99
4: sit0@NONE: <NOARP> mtu 1480 qdisc noop state DOWN
    link/sit 0.0.0.0 brd 0.0.0.0
"""
BUSYBOX_IP = """\
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc pfifo_fast qlen 1000
    link/ether b8:27:eb:00:00:01 brd ff:ff:ff:ff:ff:ff
3: wlan0: <BROADCAST,MULTICAST> mtu 1500 qdisc noop qlen 1000
    link/ether b8:27:eb:00:00:02 brd ff:ff:ff:ff:ff:ff
"""
NET_TOOLS_1 = """\
eth0      Link encap:Ethernet  HWaddr B8:27:EB:00:00:01
          inet addr:192.168.1.1  Bcast:192.168.1.255  Mask:255.255.255.0
          UP BROADCAST RUNNING MULTICAST  MTU:1500  Metric:1

eth0:1    Link encap:Ethernet  HWaddr B8:27:EB:00:00:01
          UP BROADCAST RUNNING MULTICAST  MTU:1500  Metric:1

lo        Link encap:Local Loopback
          inet addr:127.0.0.1  Mask:255.0.0.0

wlan0     Link encap:Ethernet  HWaddr B8:27:EB:00:00:02
          BROADCAST MULTICAST  MTU:1500  Metric:1
"""
NET_TOOLS_2 = """\
eth0: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1500
        inet 192.168.1.1  netmask 255.255.255.0  broadcast 192.168.1.255
        ether b8:27:eb:00:00:01  txqueuelen 1000  (Ethernet)
        RX packets 10  bytes 1000 (1000.0 B)

lo: flags=73<UP,LOOPBACK,RUNNING>  mtu 65536
        inet 127.0.0.1  netmask 255.0.0.0
        loop  txqueuelen 1000  (Local Loopback)

wlan0: flags=4098<BROADCAST,MULTICAST>  mtu 1500
        ether b8:27:eb:00:00:02  txqueuelen 1000  (Ethernet)
"""
BOTH = {"eth0": "b8:27:eb:00:00:01", "wlan0": "b8:27:eb:00:00:02"}


def test_brief() -> None:
    assert from_brief(BRIEF) == {**BOTH, "eth0.5": "b8:27:eb:00:00:01"}


@pytest.mark.parametrize("text", [IPROUTE2, BUSYBOX_IP], ids=["iproute2", "busybox"])
def test_ip_link(text: str) -> None:
    assert from_ip(text) == BOTH


@pytest.mark.parametrize("text", [NET_TOOLS_1, NET_TOOLS_2], ids=["old", "new"])
def test_ifconfig(text: str) -> None:
    assert {name: mac.lower() for name, mac in from_ifconfig(text).items()} == BOTH


def test_this_computers_own_ip_is_understood() -> None:
    tool = programs.require("ip")
    brief = subprocess.run([tool, "-br", "link"], capture_output=True, check=True, text=True).stdout
    long = subprocess.run([tool, "link"], capture_output=True, check=True, text=True).stdout
    assert from_brief(brief) == from_ip(long)
    assert "lo" not in from_brief(brief)


@given(st.text())
def test_any_text_gives_names_that_are_names(text: str) -> None:
    for reader in (from_brief, from_ip, from_ifconfig):
        assert all(is_name(name) for name in reader(text))
