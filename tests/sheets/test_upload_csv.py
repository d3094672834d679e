"""The upload CSV: the portal's bytes, its limits, and a read-back that notices everything."""

from __future__ import annotations

import csv
import io
import stat
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.sheets import REMOTEIT_BULK, SheetError, decode_csv, encode_csv, write_csv
from factory.sheets import csv as csv_module

HEADER = (
    b"REGISTRATION_KEY, HARDWARE_ID, DEVICE_NAME,CATEGORY_A,CATEGORY_B, CATEGORY_C, CATEGORY_D, CATEGORY_E,"
    b" CATEGORY_F, CATEGORY_G, CATEGORY_H, CATEGORY_I, CATEGORY_J"
)
SECRET = "q3zcb5v7a2mnk4hd"


def row(number: int = 1, **values: str) -> tuple[str, ...]:
    named = {"REGISTRATION_KEY": f"key{number:05d}", "HARDWARE_ID": f"id{number:05d}", "DEVICE_NAME": f"unit {number}"}
    named.update(values)
    return tuple(named.get(name, "") for name in REMOTEIT_BULK.names)


def test_the_bytes_of_the_only_published_file() -> None:
    (part,) = encode_csv([row(1, CATEGORY_A="Cat A", CATEGORY_J="x"), row(2)], REMOTEIT_BULK)
    assert len(HEADER) == 160
    assert part.content == (
        HEADER + b"\nkey00001,id00001,unit 1,Cat A,,,,,,,,,x" + b"\nkey00002,id00002,unit 2,,,,,,,,,,"
    )
    # No newline at the end, no BOM, no quotes, no carriage return.
    assert not part.content.endswith(b"\n") and b'"' not in part.content and b"\r" not in part.content


cell = st.text(
    st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="".join(REMOTEIT_BULK.forbidden)), max_size=12
).map(lambda text: text.strip(" ").lstrip("=+-@ "))
rows = st.lists(
    st.tuples(cell.filter(bool), cell.filter(bool), cell.filter(bool), *([cell] * 10)), min_size=1, max_size=12
)


@given(rows)
def test_every_csv_reader_gives_back_every_value(given_rows: list[tuple[str, ...]]) -> None:
    (part,) = encode_csv(given_rows, REMOTEIT_BULK)
    assert decode_csv(part.content, REMOTEIT_BULK) == tuple(given_rows)
    read = list(csv.reader(io.StringIO(part.content.decode("ascii"), newline=""), strict=True))
    assert [tuple(each) for each in read[1:]] == given_rows


@given(st.text(max_size=12))
def test_what_cannot_be_carried_is_refused_and_everything_else_comes_back(text: str) -> None:
    try:
        (part,) = encode_csv([row(1, DEVICE_NAME=text)], REMOTEIT_BULK)
    except SheetError as error:
        assert error.code == "sheet.value" and str(error).isascii()
        return
    assert decode_csv(part.content, REMOTEIT_BULK)[0][2] == text
    assert text.isascii() and not set(text) & (REMOTEIT_BULK.forbidden | set("\r\n")) and text == text.strip()


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("HARDWARE_ID", "", "row 2, HARDWARE_ID (B2): is empty. [VAL-EMPTY]"),
        ("DEVICE_NAME", "a,b", 'row 2, DEVICE_NAME (C2): "," at 2. [VAL-CHR]'),
        ("DEVICE_NAME", 'a"b', '"\\"" at 2'.replace("\\", "")),
        ("CATEGORY_A", "a\\b", "row 2, CATEGORY_A (D2)"),
        ("CATEGORY_J", " a", "row 2, CATEGORY_J (M2): blank at 1. [CHR-SPACE]"),
        ("CATEGORY_J", "a\nb", "row 2, CATEGORY_J (M2): line feed at 2. [CHR-CTRL]"),
        ("DEVICE_NAME", "\u6f22", "U+6F22 CJK UNIFIED IDEOGRAPH-6F22 at 1. [VAL-ASCII]"),
        ("DEVICE_NAME", "=1+1", 'starts with "="; a spreadsheet would run it. [CSV-INJ]'),
    ],
)
def test_a_refusal_names_the_cell(column: str, value: str, said: str) -> None:
    with pytest.raises(SheetError) as caught:
        encode_csv([row(1, **{column: value})], REMOTEIT_BULK)
    assert said in caught.value.message
    assert len(caught.value.findings) == 1


def test_every_finding_at_once_and_no_key_among_them() -> None:
    bad = [row(1, REGISTRATION_KEY=f"{SECRET}\u200b"), row(2, DEVICE_NAME=""), ("a", "b")]
    with pytest.raises(SheetError) as caught:
        encode_csv(bad, REMOTEIT_BULK)
    assert [finding.code for finding in caught.value.findings] == ["CHR-INVIS", "VAL-EMPTY", "ROW-WIDTH"]
    assert SECRET not in str(caught.value) and SECRET not in repr(caught.value.findings)


def test_many_findings_are_bounded_in_the_message() -> None:
    with pytest.raises(SheetError, match="and 980 more") as caught:
        encode_csv([row(number, DEVICE_NAME="") for number in range(1000)], REMOTEIT_BULK)
    assert len(caught.value.findings) == 1000


def test_split_at_a_thousand_rows() -> None:
    parts = encode_csv([row(number) for number in range(2001)], REMOTEIT_BULK)
    assert [(part.first, len(part.rows)) for part in parts] == [(0, 1000), (1000, 1000), (2000, 1)]
    assert all(part.content.startswith(HEADER + b"\n") for part in parts)
    together = [each for part in parts for each in decode_csv(part.content, REMOTEIT_BULK)]
    assert together == [row(number) for number in range(2001)]


@settings(max_examples=20)
@given(st.integers(0, 400), st.integers(300, 900))
def test_split_at_the_bytes_of_the_profile(longest: int, count: int) -> None:
    parts = encode_csv(
        [row(number, CATEGORY_A="x" * (longest * (number % 3))) for number in range(count)], REMOTEIT_BULK
    )
    assert all(len(part.content) <= 250_000 and len(part.rows) <= 1000 for part in parts)
    assert sum(len(part.rows) for part in parts) == count
    for part, after in pairwise(parts):
        line = len(",".join(after.rows[0]))
        assert len(part.rows) == 1000 or len(part.content) + 1 + line > 250_000


def test_exactly_250_000_bytes_fit_and_one_more_does_not() -> None:
    small = replace(REMOTEIT_BULK, max_bytes=len(encode_csv([row(1), row(2)], REMOTEIT_BULK)[0].content))
    assert len(encode_csv([row(1), row(2)], small)) == 1
    assert len(encode_csv([row(1), row(2)], replace(small, max_bytes=small.max_bytes - 1))) == 2


def test_a_row_that_alone_is_too_long() -> None:
    with pytest.raises(SheetError, match="row 3 alone is longer") as caught:
        encode_csv([row(1), row(2, CATEGORY_A="x" * 250_000)], REMOTEIT_BULK)
    assert caught.value.code == "sheet.row"


def test_no_rows() -> None:
    with pytest.raises(SheetError) as caught:
        encode_csv([], REMOTEIT_BULK)
    assert caught.value.code == "sheet.empty"


def test_a_file_is_private_and_holds_what_was_meant(tmp_path: Path) -> None:
    (part,) = encode_csv([row(1), row(2)], REMOTEIT_BULK)
    path = write_csv(part, REMOTEIT_BULK, tmp_path / "upload.csv")
    assert path.read_bytes() == part.content
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "key00001" not in repr(part)


def test_a_disk_that_lies_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (part,) = encode_csv([row(1)], REMOTEIT_BULK)
    monkeypatch.setattr(csv_module, "read_bytes", lambda path: part.content.replace(b"id00001", b"id00002"))
    with pytest.raises(SheetError) as caught:
        write_csv(part, REMOTEIT_BULK, tmp_path / "upload.csv")
    assert caught.value.code == "sheet.read-back" and caught.value.hint == "Do not upload it."


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        HEADER.replace(b" HARD", b"HARD"),
        HEADER + b"\na,b",
        HEADER + b"\na,b,c" + b"," * 10 + b"\0",
        HEADER + b"\r\na,b,c" + b"," * 10,
        HEADER + b"\na,b,c" + b"," * 10 + b"\n",
        b"\xef\xbb\xbf" + HEADER + b"\na,b,c" + b"," * 10,
        HEADER + b'\na,"b",c' + b"," * 10,
    ],
)
def test_bytes_that_are_no_upload_of_ours(content: bytes) -> None:
    with pytest.raises(SheetError):
        decode_csv(content, REMOTEIT_BULK)
