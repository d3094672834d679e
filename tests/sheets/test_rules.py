"""The table of rules: complete, worded, documented, and each code provoked by a test."""

from __future__ import annotations

import string
from pathlib import Path

import openpyxl
import pytest

from factory.sheets.profiles import XYTE
from factory.sheets.rules import RULES, Rule
from tests.sheets.made import ID, KEY, NAME, A, checked, csv_file, good, said, xlsx_file
from tools.sheet_codes import GUIDE, table

HERE = Path(__file__).parent


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.code)
def test_a_rule_says_what_and_what_to_do(rule: Rule) -> None:
    assert rule.message and rule.hint and not rule.message.endswith(".")
    for template in (rule.message, rule.hint):
        for _, name, _, _ in string.Formatter().parse(template):
            assert name is None or name.isidentifier()


def test_no_code_is_defined_twice() -> None:
    from factory.sheets.rules import cells, files, rows

    groups = (files.BYTES, files.WORKBOOKS, files.HEADERS, rows.ROWS, rows.HISTORY, cells.SPREADSHEET, cells.CHARACTERS,
              cells.VALUES, cells.IDENTIFIERS)  # fmt: skip
    assert len(RULES) == sum(map(len, groups))


def test_the_guide_has_the_rules_as_they_are() -> None:
    assert table() in GUIDE.read_text(encoding="utf-8"), "run tools/sheet_codes.py"


def test_every_code_is_named_in_a_test() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in HERE.glob("test_*.py"))
    assert [code for code in RULES if code not in text] == []


@pytest.mark.parametrize(
    ("values", "code", "expected"),
    [
        ({NAME: "Unit#1"}, "NAME-CHR", 'row 3, DEVICE_NAME (C3): "#" at 5. Letters, digits'),
        ({KEY: "key/0001"}, "ID-CHR", "row 3, REGISTRATION_KEY (A3): a character that no key may have at 4."),
        ({A: "a`b"}, "VAL-CHR", 'row 3, CATEGORY_A (D3): "`" at 2.'),
        ({A: "x" * 65}, "VAL-LEN", "row 3, CATEGORY_A (D3): has 65 characters, limit 64."),
        ({ID: "00:1b:77:00:00:05"}, "MAC-STYLE", 'is written with ":"; the unit sends "001b77000005"'),
        ({ID: "001B77000005"}, "ID-CASE", 'has upper-case letters; the unit sends "001b77000005"'),
        ({A: "a\x07b"}, "CHR-CTRL", "row 3, CATEGORY_A (D3): control character U+0007 at 2."),
        ({NAME: "8-Mar"}, "CSV-DATE", '"8-Mar" looks like a date that a spreadsheet made of "3-8" or "8-3"'),
    ],
)
def test_further_cells(values: dict[str, str], code: str, expected: str, tmp_path: Path) -> None:
    report = checked(csv_file(tmp_path, [good(1), good(2, **values), good(3)]))
    assert [one.code for one in report.findings] == [code] and expected in said(report)[0], said(report)


def test_the_spreadsheet_itself(tmp_path: Path) -> None:
    """XLS-BOMB, MAC-POOL, LED-UNKNOWN, LED-STATE and LED-DIFF are provoked where their cases stand."""
    report = checked(xlsx_file(tmp_path, {"N3": "see mail"}))
    assert said(report) == [
        "row 3 (N3): a value beside the table, in a column without a header. "
        "Remove it, or give the column its header. [ROW-BESIDE]"
    ]
    book = openpyxl.load_workbook(tmp_path / "sheet.xlsx")
    book["upload"].insert_rows(1)
    book["upload"]["A1"] = "Order 7"
    book.save(tmp_path / "moved.xlsx")
    report = checked(tmp_path / "moved.xlsx")
    assert set(report.totals) == {"HDR-PLACE", "ROW-BESIDE"} and report.errors == 1
    rows = [*(good(number) for number in range(1, 4)), ["Total", "3", *[""] * 11]]
    assert set(checked(csv_file(tmp_path, rows)).totals) == {"ROW-TRAIL"}
    assert "VAL-FORM" in checked(csv_file(tmp_path, [["A", "", "abcd", "", "", "1", ""]], XYTE.header), None).totals
