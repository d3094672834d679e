"""Ids, keys, codes, names and categories: what none of them lets through, and how each refusal reads."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from factory.values import (
    BulkIdentificationCode,
    Category,
    DeviceName,
    HardwareId,
    InvalidValue,
    RegistrationKey,
    names,
    sentinel,
)

TYPES = (HardwareId, RegistrationKey, BulkIdentificationCode, DeviceName, Category)
IDS = (HardwareId, RegistrationKey)
# Mostly plain characters, so that many candidates are nearly right.
nearly = st.text(
    st.one_of(
        st.sampled_from("abcXYZ0189._- "),
        st.sampled_from('/?#%"\\,|{}=+@`\t\r\n\0\x1b\x7f\u00a0\u200b\u202e\ufeff\u3000\uff11\u0410\u00e9\u2212'),
        st.characters(),
    ),
    max_size=70,
)


@pytest.mark.parametrize("kind", TYPES)
@given(text=nearly)
@example(text="a\n")
@example(text="\u0661\u0662")
def test_nothing_but_clean_ascii_comes_through(kind: type[HardwareId], text: str) -> None:
    try:
        value = kind.parse(text)
    except InvalidValue as error:
        assert error.code and str(error).isascii()
        return
    assert value.text == text
    assert text.isascii() and text.isprintable()
    assert text == text.strip() and text and len(text) <= 64
    assert text[0] not in "=+-@"
    assert not set(text) & set('"\\,')
    if kind in IDS:
        assert not set(text) & set('/?#%"\\,|{} ')
        assert sentinel(text) is None


@pytest.mark.parametrize("kind", IDS)
@pytest.mark.parametrize("bad", list('/?#%"\\,|{} '))
def test_ids_and_keys_name_what_breaks_requests(kind: type[HardwareId], bad: str) -> None:
    with pytest.raises(InvalidValue, match="at 3"):
        kind.parse(f"ab{bad}cd")


@pytest.mark.parametrize(
    "text",
    [
        "default.",
        "default",
        "Default.",
        "Issue: hardware ID is not set properly",
        "Issue hardware ID is not set properly. Fix oemGetDefaultHardwareId()",
        "missing. Add your code to bulk_identification_code.txt.",
        "MYSECRET",
        "mysecret",
        "000000000000",
        "00:00:00:00:00:00",
        "FFFFFFFFFFFF",
        "00037fbadbad",
        "001A7DDA710A",
    ],
)
@pytest.mark.parametrize("kind", IDS)
def test_placeholders_are_no_identity(kind: type[HardwareId], text: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        kind.parse(text)
    assert caught.value.code == "ID-SENTINEL"
    assert caught.value.hint


@pytest.mark.parametrize("text", [".", "..", "...", ".hidden", "-", "_", "-a", "._."])
def test_an_id_is_a_name_of_files_and_leads_nowhere(text: str) -> None:
    with pytest.raises(InvalidValue):
        HardwareId.parse(text)


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (HardwareId, "ab\uff11cd", "hardware id: full-width digit ONE at 3"),
        (HardwareId, "ab\uff21", "hardware id: full-width letter A at 3"),
        (HardwareId, "\uff41b", "hardware id: full-width letter a at 1"),
        (HardwareId, "a\u0410", "hardware id: U+0410 CYRILLIC CAPITAL LETTER A at 2"),
        (DeviceName, "unit/7", 'device name: "/" at 5'),
        (DeviceName, "unit.7", 'device name: "." at 5'),
        (DeviceName, "unit\t7", "device name: tab at 5"),
        (Category, "a,b", 'category: "," at 2'),
        (Category, "=1+1", 'category: "=" at 1; a spreadsheet would run it'),
        (HardwareId, "x" * 65, "hardware id has 65 characters, limit 64"),
        (BulkIdentificationCode, "1234", "is not of the form 8-4-4-4-12"),
        (BulkIdentificationCode, "11111111-1111-1111-1111-111111111111", "is a placeholder"),
    ],
)
def test_refusals_read_well(kind: type[HardwareId], text: str, said: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        kind.parse(text)
    assert said in caught.value.message


@given(st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=12, max_size=52).filter(lambda text: not sentinel(text)))
def test_a_key_shows_itself_nowhere_but_in_text(text: str) -> None:
    key = RegistrationKey.parse(text)
    assert key.text == text
    assert text not in repr(key) and text not in str(key) and text not in f"{key} {key!r}"
    assert len(str(key)) == len("KEY...xx")


def test_a_short_key_shows_nothing_at_all() -> None:
    assert str(RegistrationKey.parse("abc")) == "KEY..."


@given(nearly)
def test_a_refused_key_shows_at_most_one_character(text: str) -> None:
    try:
        RegistrationKey.parse(text)
    except InvalidValue as error:
        if len(text) > 8:
            assert text not in str(error)


def test_folding_joins_what_people_confuse() -> None:
    assert HardwareId.parse("AB-12.cd").folded == HardwareId.parse("ab12CD").folded


def test_types_are_not_each_other() -> None:
    other: object = RegistrationKey.parse("abc")
    assert HardwareId.parse("abc") != other
    assert HardwareId.parse("abc") == HardwareId.parse("abc")


@given(st.from_regex(names._GOOD_ID, fullmatch=True), st.from_regex(names._GOOD_TEXT, fullmatch=True))
def test_the_quick_look_accepts_nothing_that_the_long_one_refuses(identifier: str, text: str) -> None:
    never = re.compile(r"(?!)")
    for kind, value in ((HardwareId, identifier), (RegistrationKey, identifier), (DeviceName, text), (Category, text)):
        quick = outcome(kind, value)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(names, "_GOOD_ID", never)
            patch.setattr(names, "_GOOD_TEXT", never)
            assert outcome(kind, value) == quick


def outcome(kind: type[HardwareId | RegistrationKey | DeviceName | Category], text: str) -> str:
    try:
        return kind.parse(text).text
    except InvalidValue as error:
        return f"{error.code} {error.message}"
