"""What changed between two sheets, and whether a spreadsheet program did it."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from factory.files import FileError
from factory.sheets.compare import compare_files
from factory.sheets.errors import SheetError
from factory.sheets.excel import cause_of
from tests.sheets.made import HEADER, csv_file, good

AFTER = [
    ("1122334455E6", "1.12E+15", "exponent"),
    ("1122334455E6", 1122334455000000.0, "exponent"),
    ("001122334455", "1122334455", "leading zeros"),
    ("001122334455", 1122334455.0, "leading zeros"),
    ("89014103211118510720", "8.9014E+19", "fifteen digits"),
    ("89014103211118510720", "89014103211118500000", "fifteen digits"),
    ("352099001761481", "3.52E+14", "number"),
    ("352099001761481", "3,52099E+14", "number"),
    ("1/2", datetime.date(2026, 2, 1), "date"),
    ("3-4", "4-Mar", "date"),
    ("3-4", "03/04/2026", "date"),
    ("true", True, "logical"),
    ("true", "TRUE", "logical"),
    (" Unit 1", "Unit 1", "blanks"),
]
BY_HAND = [
    ("1122334455E6", "1.13E+15"),
    ("001122334455", "1122334456"),
    ("Unit 1", "Unit 2"),
    ("Unit 1", "unit 1"),
    ("", "x"),
    ("3-4", "5-Mar"),
    ("3-4", datetime.date(2026, 5, 6)),
    ("true", False),
    ("Unit 1", 1.0),
    ("001122334455", ""),
]


@pytest.mark.parametrize(("was", "now", "cause"), AFTER)
def test_what_a_spreadsheet_does(was: str, now: object, cause: str) -> None:
    assert cause in cause_of(was, now)


@pytest.mark.parametrize(("was", "now"), BY_HAND)
def test_what_it_does_not(was: str, now: object) -> None:
    assert cause_of(was, now) == ""


def test_b_is_a_after_a_spreadsheet(tmp_path: Path) -> None:
    rows = [good(number) for number in range(1, 6)]
    rows[3] = good(4, HARDWARE_ID="0022334455E6")
    first = csv_file(tmp_path, rows, name="a.csv")
    rows[3] = good(4, HARDWARE_ID="2.23E+15")
    found = compare_files(first, csv_file(tmp_path, rows, name="b.csv"))
    assert (
        len(found.changes) == 1 and not found.excel
    )  # 2.23E+15 is not 22334455E6 = 2.23E+13: nobody is blamed for what does not fit
    rows[3] = good(4, HARDWARE_ID="2.23E+13")
    found = compare_files(first, csv_file(tmp_path, rows, name="b.csv"))
    assert [str(change) for change in found.changes] == [
        "row 5, HARDWARE_ID (B5): 2.23E+13 was 0022334455E6; a spreadsheet took the E for an exponent"
    ]
    assert found.excel and found.verdict.startswith("b.csv is a.csv after a spreadsheet program: 1 values changed.")


def test_rows_are_found_again_in_another_order(tmp_path: Path) -> None:
    rows = [good(number) for number in range(1, 30)]
    first = csv_file(tmp_path, rows, name="a.csv")
    assert compare_files(first, csv_file(tmp_path, rows[::-1], name="b.csv")).same
    changed = [*rows[5:], good(77)]
    changed[2] = good(8, DEVICE_NAME="Renamed", REGISTRATION_KEY="another0key")
    found = compare_files(first, csv_file(tmp_path, changed, name="b.csv"))
    kinds = [change.kind for change in found.changes]
    assert kinds.count("gone") == 4 and kinds.count("changed") >= 2 and not found.excel
    assert "another0key" not in str(found.as_json()) and "(key)" in str(found.as_json())


def test_columns_are_matched_by_name(tmp_path: Path) -> None:
    first = csv_file(tmp_path, [good(1), good(2)], name="a.csv")
    header = HEADER.replace("REGISTRATION_KEY, HARDWARE_ID", "Hardware_ID,registration_key")
    swapped = [[row[1], row[0], *row[2:]] for row in (good(1), good(2))]
    assert compare_files(first, csv_file(tmp_path, swapped, header, name="b.csv")).same


def test_files_that_cannot_be_compared(tmp_path: Path) -> None:
    first = csv_file(tmp_path, [good(1)], name="a.csv")
    (tmp_path / "b.xlsx").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(SheetError, match="damaged or cut-off workbook"):
        compare_files(first, tmp_path / "b.xlsx")
    with pytest.raises(FileError):
        compare_files(first, tmp_path / "none.csv")


def test_sheets_of_one_name_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "back").mkdir()
    first = csv_file(tmp_path, [good(1)], name="a.csv")
    found = compare_files(first, csv_file(tmp_path / "back", [good(2)], name="a.csv"))
    assert str(tmp_path / "back" / "a.csv") in found.verdict and str(first) in found.verdict
