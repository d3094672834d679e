"""What is wrong with a text: each character by name and position."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.values import ascii_faults, describe, shown


@given(st.text(max_size=40))
def test_a_text_without_faults_is_plain_ascii_and_the_other_way_round(text: str) -> None:
    clean = all(" " <= character <= "~" for character in text) and text == text.strip(" ")
    assert (ascii_faults(text) == ()) == clean


@given(st.text(max_size=40))
def test_faults_come_in_order_and_point_at_what_they_name(text: str) -> None:
    faults = ascii_faults(text)
    assert [fault.position for fault in faults] == sorted(fault.position for fault in faults)
    for fault in faults:
        assert fault.what == describe(text[fault.position - 1])
        assert fault.what.isascii() and fault.what.isprintable()


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("ab\uff11", "CHR-WIDE", "full-width digit ONE at 3"),
        ("\u200bab", "CHR-INVIS", "invisible U+200B ZERO WIDTH SPACE at 1"),
        ("a\u202eb", "CHR-INVIS", "invisible U+202E RIGHT-TO-LEFT OVERRIDE at 2"),
        ("ab\ufeff", "CHR-INVIS", "invisible U+FEFF ZERO WIDTH NO-BREAK SPACE at 3"),
        ("a\u00adb", "CHR-INVIS", "invisible U+00AD SOFT HYPHEN at 2"),
        ("ab\u3000", "CHR-SPACE", "full-width blank U+3000 at 3"),
        ("\u2003a", "CHR-SPACE", "U+2003 EM SPACE at 1"),
        ("a\0b", "CHR-CTRL", "NUL at 2"),
        ("a\x85", "CHR-CTRL", "control character U+0085 at 2"),
        ("a\x1b[0m", "CHR-CTRL", "escape character at 2"),
        ("a\u6f22", "VAL-ASCII", "U+6F22 CJK UNIFIED IDEOGRAPH-6F22 at 2"),
        ("a\u30fc", "VAL-ASCII", "U+30FC KATAKANA-HIRAGANA PROLONGED SOUND MARK at 2"),
        (" ", "CHR-SPACE", "blank at 1"),
    ],
)
def test_codes_and_words(text: str, code: str, said: str) -> None:
    (fault,) = ascii_faults(text)
    assert (fault.code, str(fault)) == (code, said)


@given(st.text())
def test_what_is_shown_is_bounded_and_harmless_on_a_terminal(text: str) -> None:
    quoted = shown(text)
    assert quoted.isascii() and quoted.isprintable()
    assert len(quoted) <= 80 * 10 + 5
    assert quoted.startswith('"') and quoted.endswith('"')
