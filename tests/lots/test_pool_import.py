"""A supplier's file: every form of a line, everything that can be wrong with one, whole or not at all."""

from __future__ import annotations

import random
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl.worksheet.worksheet import Worksheet

from factory.config import Product, load_product
from factory.ledger import Ledger
from factory.ledger.pool_imports import PoolTaken
from factory.lots.pool_import import ImportedPool, import_pool
from factory.lots.pool_lines import PoolRefused, read_lines
from factory.values.pools import PoolKind, text_of
from tests.ledger.made import opened
from tests.lots.made import product

POOLS = """
[[pool]]
name = "lan"
count = 2
align = 2
interfaces = { eth0 = 0, wlan0 = 1 }
write = { command = "true" }

[[pool]]
name = "sn"
kind = "serial"
"""


@pytest.fixture
def kind(tmp_path: Path) -> Product:
    product(tmp_path / "p")
    file = tmp_path / "p" / "product.toml"
    file.write_text(file.read_text() + POOLS)
    return load_product(file)


def lines(tmp_path: Path, text: str | bytes, kind: PoolKind = PoolKind.MAC) -> tuple[list[tuple[str, str]], list[str]]:
    """Runs as (place, text), findings as texts."""
    file = tmp_path / "reel.csv"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    read = read_lines(file, kind)
    return [(one.place, str(one.run)) for one in read.runs], [str(one) for one in read.findings]


def codes(refused: PoolRefused) -> list[tuple[str, str]]:
    return [(finding.place, finding.code) for finding in refused.findings]


def bring(ledger: Ledger, kind: Product, folder: Path, text: str, name: str = "lan") -> ImportedPool:
    file = folder / "reel.csv"
    file.write_text(text)
    return import_pool(ledger, kind, name, file)


def test_every_form_of_a_line(tmp_path: Path) -> None:
    runs, findings = lines(
        tmp_path,
        "\ufeff# reel 7, box 3\r\n\r\nb8:27:eb:00:00:10\r\nB827EB000020-B827EB00002f\r\n"
        "b8-27-eb-00-01-00 - b8-27-eb-00-01-ff\r\nb8:27:eb:00:02:00,256\r\n"
        '"b8:27:eb:00:03:00",b8:27:eb:00:03:0f\r\nb8:27:eb:00:04:00..b8:27:eb:00:04:0F\r\n',
    )
    assert findings == []
    assert runs == [
        ("line 3", "b8:27:eb:00:00:10"),
        ("line 4", "b8:27:eb:00:00:20 to b8:27:eb:00:00:2f"),
        ("line 5", "b8:27:eb:00:01:00 to b8:27:eb:00:01:ff"),
        ("line 6", "b8:27:eb:00:02:00 to b8:27:eb:00:02:ff"),
        ("line 7", "b8:27:eb:00:03:00 to b8:27:eb:00:03:0f"),
        ("line 8", "b8:27:eb:00:04:00 to b8:27:eb:00:04:0f"),
    ]


def test_every_line_that_is_wrong_is_named(tmp_path: Path) -> None:
    runs, findings = lines(
        tmp_path,
        "MAC Address;Last;Qty;Box\n"
        "b8:27:eb:00:00:1g;;;1\n"
        ";b8:27:eb:00:00:11;;1\n"
        "b8:27:eb:00:00:30;b8:27:eb:00:00:3f;15;2\n"
        "b8:27:eb:00:00:50;b8:27:eb:00:00:40;;2\n"
        "b8:27:eb:00:00:60;;many;2\n"
        "=HYPERLINK(1);;;3\n"
        "b8:27:eb:00:00:70;b8:27:eb:00:00:71;2;3\n",
    )
    assert runs == [("line 8", "b8:27:eb:00:00:70 to b8:27:eb:00:00:71")]
    for place, said in (
        ("line 2", 'has "g" at 17'),
        ("line 3", "MAC is empty"),
        ("line 4", "are 16 values, and the count says 15"),
        ("line 5", "comes before"),
        ("line 6", '"many" is no count'),
        ("line 7", 'has "=" at 1'),
    ):
        assert any(one.startswith(f"{place}: ") and said in one for one in findings), (place, said, findings)
    assert len(findings) == 6


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "FILE-EMPTY"),
        (b"\xff\xfe\x00\xd8", "VAL-ASCII"),
        (b"b8:27:eb:00:00:10\n\xff\n", "FILE-ENC"),
        ('"b8:27:eb:00:00:10\n', "FILE-QUOTE"),
        ("%PDF-1.7", "FILE-TYPE"),
        ("b8:27:eb:00:00:10,2,3\n", "POOL-COLUMNS"),
        ("b8:27:eb:00:00:10,99999999999\n", "ID-LEN"),
        ("ff:ff:ff:ff:ff:f0,17\n", "POOL-COUNT"),
        ("00:00:00:00:00:00,0\n", "POOL-COUNT"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, text: str | bytes, code: str) -> None:
    _, findings = lines(tmp_path, text)
    assert any(f"[{code}]" in one for one in findings), findings


def test_serials_have_hyphens_of_their_own(tmp_path: Path) -> None:
    runs, findings = lines(
        tmp_path,
        "SN0001..SN0500\nSN-2024-0001,100\nAC-0001-AC-0005\n2024-0001\n1000-2000,1\n1000-2000\nSN9999,2\nB..C\nx;y,1\n",
        PoolKind.SERIAL,
    )
    assert [text for _, text in runs] == [
        "SN0001 to SN0500",
        "SN-2024-0001 to SN-2024-0100",
        "AC-0001 to AC-0005",
        "2024-0001",
        "1000-2000",
    ]
    assert [one.split(":")[0] for one in findings] == ["line 6", "line 7", "line 8", "line 9"]
    assert "may be a range, or one serial" in findings[0]


def test_a_first_value_is_not_taken_for_a_name(tmp_path: Path) -> None:
    for first in ("SN0000", "FROM1", "Mac-7", "value_1"):
        runs, findings = lines(tmp_path, f"{first}\nX0001\n", PoolKind.SERIAL)
        assert ([text for _, text in runs], findings) == ([first, "X0001"], [])
    for name in ("SN", "Serial Number", "serial-number", "VALUE", "First"):
        runs, findings = lines(tmp_path, f"{name}\nX0001\n", PoolKind.SERIAL)
        assert ([text for _, text in runs], findings) == (["X0001"], [])


def test_a_workbook_whose_serials_became_numbers(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    for row in (["Serial", "Count"], ["0012", 5], [1013, 2], ["X7", 2.5], [None, None], ["X08", "3"]):
        sheet.append(row)
    book.save(tmp_path / "labels.xlsx")
    read = read_lines(tmp_path / "labels.xlsx", PoolKind.SERIAL)
    assert [(one.place, str(one.run)) for one in read.runs] == [("row 2", "0012 to 0016"), ("row 6", "X08 to X10")]
    assert [(one.place, one.code) for one in read.findings] == [("row 3", "POOL-NUMBER"), ("row 4", "POOL-COUNT")]


def test_what_no_unit_of_the_product_can_have(tmp_path: Path, kind: Product) -> None:
    rules = kind.identity.rules.model_copy(update={"oui": ("b827eb", "0011220")})
    strict = kind.model_copy(update={"identity": kind.identity.model_copy(update={"rules": rules})})
    text = (
        "b8:27:eb:00:00:10,4\nb8:27:eb:00:00:12,4\n01:00:5e:00:00:00,2\n02:00:00:00:00:00,2\nb8:27:eb:ff:ff:f0,32\n"
        "00:11:22:0f:ff:fe,4\n00:11:22:33:44:50,16\n00:00:00:00:00:00\nb8:27:eb:00:00:10-b8:27:eb:00:00:11\n"
    )
    with opened(tmp_path) as ledger:
        with pytest.raises(PoolRefused) as caught:
            bring(ledger, strict, tmp_path, text)
        assert set(codes(caught.value)) == {
            ("line 2", "POOL-TWICE"),
            ("line 9", "POOL-TWICE"),
            ("line 3", "MAC-MC"),
            ("line 4", "MAC-LAA"),
            ("line 5", "POOL-BLOCK"),
            ("line 6", "MAC-OUI"),
            ("line 7", "MAC-OUI"),
            ("line 7", "ID-SENTINEL"),
            ("line 8", "MAC-OUI"),
            ("line 8", "ID-SENTINEL"),
        }
        assert ledger.pool_states() == ()
        done = bring(ledger, strict, tmp_path, "b8:27:eb:00:00:10,4\n00:11:22:0f:ff:fe,2\n").done
        assert (done.values, done.cells, done.ranges) == (6, 3, 2)


def test_single_values_make_cells_together_and_what_is_left_is_told(tmp_path: Path, kind: Product) -> None:
    numbers = list(range(0xB827EB000011, 0xB827EB00001C))
    random.Random(7).shuffle(numbers)
    text = "mac\n" + "".join(f"{text_of(PoolKind.MAC, '', 12, number)}\n" for number in numbers)
    with opened(tmp_path) as ledger:
        done = bring(ledger, kind, tmp_path, text)
        assert (done.done.values, done.done.cells, done.done.left_over, done.done.ranges) == (11, 5, 1, 1)
        assert ["1 of 11 values make no cell of 2" in one.message for one in done.warnings] == [True]
        with pytest.raises(PoolTaken):
            bring(ledger, kind, tmp_path, "b8:27:eb:00:00:11\nb8:27:eb:00:00:12\n")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.binary(max_size=200) | st.text(alphabet="b8:27e-., \n\t\";'#0f", max_size=120).map(str.encode))
def test_no_file_breaks_the_reader(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "any.csv"
    file.write_bytes(content)
    for kind in PoolKind:
        read = read_lines(file, kind)
        assert all(finding.place and finding.message for finding in read.findings)
        assert all(placed.run.low <= placed.run.high for placed in read.runs)
