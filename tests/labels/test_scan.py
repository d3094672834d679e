"""Scanner faults (factory floor reference, section 6, fault 19): double scan, no Enter, an input method, other keyboard
layouts, mixed line ends, somebody else's code.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.labels import Fault, ScanFault, complete_code, read_scan
from factory.labels.layouts import _LAYOUTS, _US
from factory.values import InvalidValue, LabelCode
from factory.values.label import CODE, LETTERS, nonce_of

NONCES = st.binary(min_size=8, max_size=8).map(nonce_of)
CODES = NONCES.map(lambda nonce: LabelCode.of(nonce, "b827eb010203"))
ONE = LabelCode.of(nonce_of(b"\x01\x23\x45\x67\x89\xab\xcd\xef"), "b827eb010203")
TWO = LabelCode.of(nonce_of(b"\xfe\xdc\xba\x98\x76\x54\x32\x10"), "b827eb010204")


def fault(text: str) -> ScanFault:
    found = read_scan(text)
    assert isinstance(found, ScanFault)
    return found


@given(CODES)
def test_a_code_is_read_back(code: LabelCode) -> None:
    assert len(code.text) == CODE and set(code.text) <= set(LETTERS)
    assert LabelCode.parse(code.text) == LabelCode.parse(code.for_people.lower()) == code
    assert code.is_of("b827eb010203") and not code.is_of("b827eb010204")
    assert read_scan(code.text) == (code,)


@given(CODES, st.integers(0, CODE - 1), st.sampled_from(LETTERS))
def test_one_wrong_letter_is_noticed(code: LabelCode, place: int, letter: str) -> None:
    other = code.text[:place] + letter + code.text[place + 1 :]
    if other != code.text:
        with pytest.raises(InvalidValue):
            LabelCode.parse(other)
        assert fault(other).kind is Fault.DAMAGED


@given(st.text())
def test_any_text_is_judged(text: str) -> None:
    assert read_scan(text)


def test_what_is_no_matter() -> None:
    full = "".join(chr(ord(letter) + 0xFEE0) for letter in ONE.text)
    for typed in (
        ONE.text.lower(),  # caps lock
        full,  # an input method in its full-width mode
        f"{ONE.text}\r\n",
        f"\r{ONE.text}\t",
        f"]Q1{ONE.text}",  # the scanner's symbology prefix
        f"slot-0{ONE.text}",  # somebody had begun to type
        ONE.for_people,
    ):
        assert read_scan(typed) == (ONE,), typed


def test_a_double_scan_and_two_scans_without_enter() -> None:
    assert read_scan(ONE.text + ONE.text) == (ONE,)
    assert read_scan(ONE.text + TWO.text) == (ONE, TWO)
    assert read_scan(f"{ONE.text} {TWO.text}{ONE.text}") == (ONE, TWO)


def test_a_whole_code_needs_no_enter() -> None:
    assert complete_code(f"x{ONE.text}")
    assert not complete_code(ONE.text[:-1])
    assert not complete_code("slot-01")


def test_keyboards_with_the_same_keys() -> None:
    for swapped in ("yz", "yzaqwm"):
        assert not set(LETTERS.lower()) & set(swapped), "QWERTZ and AZERTY type these elsewhere"


@pytest.mark.parametrize("name", list(_LAYOUTS))
def test_another_layout_is_recognised_as_one(name: str) -> None:
    typed = "".join(_LAYOUTS[name][_US.index(letter)] for letter in ONE.text.lower())
    for text in (typed, typed + "\r\n", typed.upper() if name in ("Russian", "Dvorak") else typed):
        found = fault(text)
        assert found.kind is Fault.LAYOUT
        assert f"reads its keys as {name}" in found.message
        assert "keyboard" in found.hint


def test_layouts_and_methods_that_nobody_listed() -> None:
    assert fault("ბბბცბდბფ").kind is Fault.LAYOUT
    assert "input method is on" in fault("っっｂdんjk").message  # noqa: RUF001
    assert fault("ㅠㅊ뷰").kind is Fault.METHOD


def test_what_is_damaged_and_what_is_foreign() -> None:
    assert fault(ONE.text[:-1]).message.startswith("the scan is damaged: 23 letters")
    assert fault("  \r\n").kind is Fault.EMPTY
    for foreign in ("4006381333931", "https://example.com/c/abc", "slot-01", "b827eb010203", "\x1b[2J" * 200):
        found = fault(foreign)
        assert found.kind is Fault.FOREIGN
        assert len(found.message) < 200 and "\x1b" not in found.message
