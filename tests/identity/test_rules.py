"""The rules for addresses and ids, one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.config import RulesSection
from factory.identity import IdentityRefused
from factory.values import Facts, Mac
from tests.identity.units import ETH, WLAN, WORK, facts, identifier

LOCAL = "02:27:eb:00:00:01"


def judge(subject: Facts, **rules: object) -> list[tuple[str, str]]:
    """(place, code) of every finding; empty when the unit passes."""
    section = RulesSection.model_validate(rules)
    try:
        found = identifier(rules=section).identify(subject, WORK)
    except IdentityRefused as error:
        return [(finding.place, finding.code) for finding in error.findings]
    assert found.warnings == ()
    return []


@pytest.mark.parametrize("oui", ["b827eb", "b827eb0", "b827eb000"])
def test_an_address_of_the_block_passes(oui: str) -> None:
    assert judge(facts(), oui=(oui,)) == []


@pytest.mark.parametrize("oui", ["b827ec", "b827eb1", "b827eb001", "001122"])
def test_an_address_of_another_block_is_refused(oui: str) -> None:
    assert judge(facts(), oui=("70b3d5f2f", oui)) == [("mac.eth0", "MAC-OUI")]


def test_any_of_several_blocks_will_do() -> None:
    assert judge(facts(), oui=("001122", "b827eb")) == []


def test_only_the_units_own_interfaces_must_be_of_the_block() -> None:
    modem = {"eth0": ETH, "usb0": "0c:5b:8f:27:9a:64"}
    assert judge(facts(modem), oui=("b827eb",)) == []
    assert judge(facts(modem), oui=("b827eb",), interfaces=("usb0",)) == [("mac.usb0", "MAC-OUI")]


def test_made_up_addresses_are_refused_unless_allowed() -> None:
    assert judge(facts({"eth0": LOCAL})) == [("mac.eth0", "MAC-LAA")]
    assert judge(facts({"eth0": LOCAL}), allow_locally_administered=True) == []
    # No maker's block holds them, so the allow list does not speak of them.
    assert judge(facts({"eth0": LOCAL}), allow_locally_administered=True, oui=("b827eb",)) == []
    # docker0, usb gadgets: nobody's identity.
    assert judge(facts({"eth0": ETH, "docker0": "02:42:9c:11:22:33"})) == []


@pytest.mark.parametrize(
    ("mac", "code"),
    [
        ("00:00:00:00:00:00", "ID-SENTINEL"),
        ("ff:ff:ff:ff:ff:ff", "ID-SENTINEL"),
        ("00:03:7f:ba:db:ad", "ID-SENTINEL"),
        ("33:33:00:00:00:01", "MAC-MC"),
    ],
)
def test_an_impossible_address_anywhere_refuses_the_unit(mac: str, code: str) -> None:
    assert judge(facts({"eth0": ETH, "wlan0": mac})) == [("mac.wlan0", code)]


def test_unless_the_rules_say_which_interfaces_count() -> None:
    odd = facts({"eth0": ETH, "can0": "00:00:00:00:00:00"})
    assert judge(odd, interfaces=("eth0",)) == []
    assert "can0" not in identifier(rules=RulesSection(interfaces=("eth0",))).identify(odd, WORK).identity.macs


def test_an_interface_that_must_be_there() -> None:
    assert judge(facts({"eth0": ETH}), interfaces=("eth0", "wlan0")) == [("mac.wlan0", "MAC-MISSING")]


def test_two_interfaces_with_one_address() -> None:
    twins = facts({"eth0": ETH, "wlan0": ETH})
    assert judge(twins) == [("mac.wlan0", "MAC-DUP")]


def test_a_bridge_that_borrows_an_address_once_the_ports_are_listed() -> None:
    bridge = facts({"br-lan": ETH, "eth0": ETH, "wlan0": WLAN})
    assert judge(bridge, interfaces=("eth0", "wlan0")) == []
    macs = identifier(rules=RulesSection(interfaces=("eth0", "wlan0"))).identify(bridge, WORK).identity.macs
    assert {name: str(mac) for name, mac in macs.items()} == {"eth0": ETH, "wlan0": WLAN}


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ("eth0+1", []),
        ("eth0+2", [("mac.wlan0", "MAC-OFFSET")]),
        ("eth0-1", [("mac.wlan0", "MAC-OFFSET")]),
        ("eth7+1", [("mac.wlan0", "MAC-MISSING")]),
        ("eth0-2", [("mac.wlan0", "MAC-POOL")]),
    ],
)
def test_offsets(rule: str, found: list[tuple[str, str]]) -> None:
    assert judge(facts(), offsets={"wlan0": rule}) == found


def test_an_offset_of_an_interface_with_a_dash() -> None:
    assert judge(facts({"eth0": ETH, "br-lan": WLAN}), offsets={"eth0": "br-lan-1"}) == []


@given(st.integers(0, 2**24 - 1), st.integers(-20, 20))
def test_offsets_are_arithmetic_within_the_block(low: int, distance: int) -> None:
    number = 0xB827EB000000 + low
    other = number + distance
    if distance == 0 or not 0 <= low + distance < 2**24:
        return
    units = facts({"eth0": Mac(number.to_bytes(6, "big")).colons, "wlan0": Mac(other.to_bytes(6, "big")).colons})
    good = judge(units, offsets={"wlan0": f"eth0{distance:+d}"})
    bad = judge(units, offsets={"wlan0": f"eth0{distance + 1:+d}"})
    sentinels = [each for each in good if each[1] == "ID-SENTINEL"]
    assert good == sentinels and len(bad) > len(sentinels)


@pytest.mark.parametrize(
    ("pattern", "passes"),
    [("[0-9a-f]{12}", True), ("[0-9a-f]{11}", False), ("b827eb", False), ("b827eb.*", True), ("[0-9A-F]{12}", False)],
)
def test_the_whole_id_must_match_the_pattern(pattern: str, passes: bool) -> None:
    assert judge(facts(), pattern=pattern) == ([] if passes else [("hardware_id", "ID-PATTERN")])
