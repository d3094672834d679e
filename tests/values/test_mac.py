"""MAC addresses: the strict parser against netaddr, the messages of its refusals, and what no unit can own."""

from __future__ import annotations

import netaddr
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from factory.values import InvalidValue, Mac

octets = st.binary(min_size=6, max_size=6)
HEX = "0123456789abcdefABCDEF"


@given(octets, st.sampled_from(["", ":", "-"]), st.booleans())
def test_every_form_of_an_address_reads_as_netaddr_reads_it(value: bytes, separator: str, upper: bool) -> None:
    text = value.hex(separator) if separator else value.hex()
    text = text.upper() if upper else text
    mac = Mac.parse(text)
    assert mac.octets == value
    assert mac.plain == value.hex() and mac.colons == value.hex(":") and str(mac) == mac.colons
    # netaddr takes twelve decimal digits for a number, which is why it is no parser for this.
    if not text.isdigit():
        assert int(netaddr.EUI(text, version=48)) == mac.number


@given(st.text(alphabet=HEX + ":-. OlISG\u200b\uff11\u0660\n", max_size=20))
@example("00:1b-77:00:00:11")
@example("001B77000011\n")
@example(" 001B77000011")
@example("0:1b:77:0:0:11")
@example("00-1B-77-FF-FE-00-00-11")
def test_whatever_is_accepted_is_an_address_and_netaddr_agrees(text: str) -> None:
    try:
        mac = Mac.parse(text)
    except InvalidValue as error:
        assert error.code and error.message.isascii()
        return
    assert len(text) in (12, 17) and set(text) <= set(HEX + ":-")
    assert text.replace(":", "").replace("-", "").lower() == mac.plain
    if not text.isdigit():
        assert int(netaddr.EUI(text, version=48)) == mac.number


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("", "VAL-EMPTY", "MAC is empty"),
        ("\uff10\uff10:1b:77:00:00:11", "CHR-WIDE", "full-width digit ZERO at 1 and 1 more"),
        ("001b77\u200b000011", "CHR-INVIS", "invisible U+200B ZERO WIDTH SPACE at 7"),
        ("001b77000011\u00a0", "CHR-SPACE", "no-break space U+00A0 at 13"),
        ("001b77000011 ", "CHR-SPACE", "blank at 13"),
        ("001b77000011\n", "CHR-CTRL", "line feed at 13"),
        ("001b77000011\r", "CHR-CTRL", "carriage return at 13"),
        ("OO1B77000011", "ID-HEX", 'has "O" at 1'),
        ("001b7700001l", "ID-HEX", 'has "l" at 12'),
        ("1b77000011", "ID-LEN", "10 hex digits, 12 needed"),
        ("00:1b:77:00:00:11:22", "ID-LEN", "14 hex digits"),
        ("00-1b-77-ff-fe-00-00-11", "MAC-64", "8 bytes with FF-FE inside"),
        ("001b770000112233", "MAC-64", "8 bytes: EUI-64"),
        ("00:1b-77:00:00:11", "MAC-FMT", "mixes or misplaces"),
        ("001b.7700.0011", "MAC-FMT", "mixes or misplaces"),
    ],
)
def test_a_refusal_names_the_character_and_its_place(text: str, code: str, said: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        Mac.parse(text)
    assert caught.value.code == code
    assert said in caught.value.message


def test_a_look_alike_is_explained() -> None:
    with pytest.raises(InvalidValue) as caught:
        Mac.parse("0O1b77000011")
    assert caught.value.hint == "Did you mean 0?"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("000000000000", "ID-SENTINEL"),
        ("ffffffffffff", "ID-SENTINEL"),
        ("00037fbadbad", "ID-SENTINEL"),
        ("001a7dda710a", "ID-SENTINEL"),
        ("000203040506", "ID-SENTINEL"),
        ("b0aa33888888", "ID-SENTINEL"),
        ("001122334455", "ID-SENTINEL"),
        ("424242424242", "ID-SENTINEL"),
        ("01005e000001", "MAC-MC"),
    ],
)
def test_what_no_unit_can_own(text: str, code: str) -> None:
    defect = Mac.parse(text).defect()
    assert defect is not None and defect[0] == code


@given(octets)
def test_defects_and_bits(value: bytes) -> None:
    mac = Mac(value)
    assert mac.is_multicast == bool(value[0] & 1)
    assert mac.is_local == bool(value[0] & 2)
    if mac.is_multicast:
        assert mac.defect() is not None


@given(octets, st.integers(-(2**25), 2**25))
def test_an_offset_stays_in_its_block_or_is_refused(value: bytes, offset: int) -> None:
    mac = Mac(value)
    low = int.from_bytes(value[3:], "big") + offset
    if 0 <= low < 2**24:
        moved = mac.plus(offset)
        assert moved.octets[:3] == value[:3] and moved.number - mac.number == offset
        assert moved.plus(-offset) == mac
    else:
        with pytest.raises(InvalidValue, match="leaves its OUI block"):
            mac.plus(offset)


def test_an_address_of_another_length_is_our_bug() -> None:
    with pytest.raises(ValueError, match="six octets"):
        Mac(b"12345")
