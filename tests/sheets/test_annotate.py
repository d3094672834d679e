"""The marked copy: same texts, bad cells coloured and commented, nothing that runs."""

from __future__ import annotations

import datetime
import stat
from pathlib import Path

import openpyxl
import pytest

from factory.sheets.annotate import annotate
from factory.sheets.check import Asked, check_file
from factory.sheets.errors import SheetError
from tests.sheets.made import checked, csv_file, good, xlsx_file


def test_bad_cells_are_marked(tmp_path: Path) -> None:
    rows = [
        good(1),
        good(2, HARDWARE_ID="OO1b77000002"),
        good(3, DEVICE_NAME="NA", CATEGORY_A="=1+1"),
        ["short"],
        good(5),
    ]
    path = csv_file(tmp_path, rows)
    out = annotate(path, checked(path), tmp_path / "marked.xlsx")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    book = openpyxl.load_workbook(out)
    sheet = book["checked"]
    assert sheet["B3"].value == "OO1b77000002" and sheet["B3"].fill.fgColor.rgb.endswith("FFC7CE")
    assert sheet["B3"].comment is not None and "letter O at 1 and 2" in sheet["B3"].comment.text
    assert sheet["C4"].fill.fgColor.rgb.endswith("FFEB9C") and "[VAL-NULLISH]" in sheet["C4"].comment.text
    assert (sheet["D4"].value, sheet["D4"].data_type) == ("=1+1", "s")
    assert "[ROW-WIDTH]" in sheet["A5"].comment.text
    assert sheet["B2"].comment is None and sheet["B2"].fill.fgColor.rgb == "00000000"
    listed = [[cell.value for cell in row][:2] for row in book["Findings"].iter_rows(min_row=2)]
    assert ["row 3, HARDWARE_ID (B3)", "ID-HEX"] in listed and len(listed) == 4
    assert book["Findings"]["A2"].hyperlink is not None


def test_formulas_and_errors_of_a_workbook_become_texts(tmp_path: Path) -> None:
    path = xlsx_file(tmp_path, {"C3": "=C2", "D4": ("e", "#N/A"), "D2": "a\tb"})
    sheet = openpyxl.load_workbook(annotate(path, checked(path), tmp_path / "marked.xlsx"))["upload"]
    assert (sheet["C3"].value, sheet["C3"].data_type) == ("=C2", "s")
    assert (sheet["D4"].value, sheet["D4"].data_type) == ("#N/A", "s")


def test_a_control_character_does_not_stop_the_copy(tmp_path: Path) -> None:
    path = csv_file(tmp_path, [good(1, CATEGORY_A="a\x01b")])
    sheet = openpyxl.load_workbook(annotate(path, checked(path), tmp_path / "marked.xlsx"))["checked"]
    assert sheet["D2"].value == "a\\x01b"


def test_what_cannot_be_read_cannot_be_marked(tmp_path: Path) -> None:
    path = tmp_path / "x.xlsx"
    path.write_bytes(b"%PDF-1.4")
    with pytest.raises(SheetError, match="nothing to mark"):
        annotate(path, checked(path), tmp_path / "marked.xlsx")
    assert not (tmp_path / "marked.xlsx").exists()


def test_a_marked_copy_that_comes_back_is_no_better_than_the_sheet(tmp_path: Path) -> None:
    cells = {"B3": 1122334455, "D2": datetime.date(2026, 3, 4), "E2": True, "F2": 12, "G3": datetime.time(3, 4)}
    path = xlsx_file(tmp_path, cells)
    report = checked(path)
    assert report.totals == {"XLS-NUM": 1, "XLS-DATE": 2, "XLS-BOOL": 1, "XLS-DIGITS": 1}
    out = annotate(path, report, tmp_path / "marked.xlsx")
    # The list of findings is a second sheet.
    assert checked(out).totals == {**report.totals, "XLS-HIDDEN": 1}
    sheet = openpyxl.load_workbook(out)["upload"]
    assert sheet["B3"].number_format == "@" and sheet.column_dimensions["B"].number_format == "@"


def test_cells_beyond_the_last_column_do_not_stop_the_copy(tmp_path: Path) -> None:
    rows = [*(good(number) for number in range(1, 25)), ["x"] * 20_000]
    path = csv_file(tmp_path, rows)
    report = checked(path)
    assert report.totals["ROW-WIDTH"] == 1
    book = openpyxl.load_workbook(annotate(path, report, tmp_path / "marked.xlsx"))
    assert book["checked"].max_column == 16_384 and "[ROW-WIDTH]" in book["checked"]["A26"].comment.text


def test_a_list_that_was_cut_says_so(tmp_path: Path) -> None:
    path = csv_file(tmp_path, [good(number, HARDWARE_ID=f"zz1b7700000{number}") for number in range(1, 6)])
    book = openpyxl.load_workbook(annotate(path, check_file(path, Asked(most=2)), tmp_path / "marked.xlsx"))
    assert book["Findings"].max_row == 4
    assert book["Findings"]["A4"].value == "and 3 more, neither listed nor marked here"
