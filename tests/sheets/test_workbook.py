"""The workbook for people: nothing in it is a number, a date or a formula."""

from __future__ import annotations

import re
import stat
import zipfile
from dataclasses import replace
from pathlib import Path

import openpyxl
import pytest

from factory.errors import UsageError
from factory.sheets import REMOTEIT_BULK, SheetError
from factory.sheets import xlsx as xlsx_module
from factory.sheets.template import write_template
from factory.sheets.xlsx import write_xlsx
from tests.sheets.test_upload_csv import row

# What spreadsheets damage (spreadsheet reference, section 1).
VICTIMS = [
    "06E2",
    "1122334455E6",
    "001122334466",
    "352099001761481",
    "89014103211118510720",
    "1/2",
    "NA",
    "TRUE",
    "3-4",
]
# A profile that would let a formula through: the workbook itself must keep it text.
OPEN = replace(REMOTEIT_BULK, leads=frozenset())


def test_what_spreadsheets_damage_stays_text(tmp_path: Path) -> None:
    rows = [row(number, HARDWARE_ID=value, CATEGORY_A=value) for number, value in enumerate(VICTIMS)]
    path = write_xlsx(rows, REMOTEIT_BULK, tmp_path / "a.xlsx")
    sheet = openpyxl.load_workbook(path)["upload"]
    assert [cell.value for cell in sheet[1]] == list(REMOTEIT_BULK.names)
    for number, value in enumerate(VICTIMS, 2):
        for cell in (sheet.cell(number, 2), sheet.cell(number, 4)):
            assert (cell.value, cell.data_type, cell.number_format) == (value, "s", "@")


def test_every_cell_is_formatted_as_text_also_a_blank_one(tmp_path: Path) -> None:
    sheet = openpyxl.load_workbook(write_xlsx([row(1)], REMOTEIT_BULK, tmp_path / "a.xlsx"))["upload"]
    assert {cell.number_format for cells in sheet.iter_rows() for cell in cells if cell.value} == {"@"}
    widths = sheet.column_dimensions  # the format of a blank cell is that of its column
    assert {widths[letter].number_format for letter in widths} == {"@"}
    assert {place for one in widths.values() for place in range(one.min or 0, (one.max or 0) + 1)} == set(range(1, 14))
    assert sheet.max_column == 13 and sheet.max_row == 2


def test_people_find_their_way(tmp_path: Path) -> None:
    path = write_xlsx([row(1)], REMOTEIT_BULK, tmp_path / "a.xlsx")
    sheet = openpyxl.load_workbook(path)["upload"]
    assert sheet.freeze_panes == "A2"
    assert all(cell.font.bold for cell in sheet[1]) and not sheet["A2"].font.bold
    assert sheet.column_dimensions["A"].width > sheet.column_dimensions["D"].width
    assert all(name == name.strip() for name in REMOTEIT_BULK.names)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("value", ["=1+1", "=cmd|'/c calc'!A1", "+1", "-1", "@SUM(A1)"])
def test_no_formula_is_possible(tmp_path: Path, value: str) -> None:
    path = write_xlsx([row(1, CATEGORY_A=value)], OPEN, tmp_path / "a.xlsx")
    cell = openpyxl.load_workbook(path)["upload"]["D2"]
    assert (cell.value, cell.data_type) == (value, "s")
    with zipfile.ZipFile(path) as book:
        assert not re.search(rb"<f[ >]", book.read("xl/worksheets/sheet1.xml"))


def test_and_the_portals_profile_refuses_it_anyway(tmp_path: Path) -> None:
    with pytest.raises(SheetError, match="a spreadsheet would run it"):
        write_xlsx([row(1, CATEGORY_A="=1+1")], REMOTEIT_BULK, tmp_path / "a.xlsx")
    assert not (tmp_path / "a.xlsx").exists()


def test_the_same_rows_are_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = write_xlsx([row(1)], REMOTEIT_BULK, tmp_path / "a.xlsx").read_bytes()
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    assert write_xlsx([row(1)], REMOTEIT_BULK, tmp_path / "b.xlsx").read_bytes() == first
    with zipfile.ZipFile(tmp_path / "a.xlsx") as book:
        assert {entry.date_time[0] for entry in book.infolist()} == {1980}
        assert book.read("docProps/core.xml").count(b"2000-01-01T00:00:00Z") == 2


def test_a_disk_that_lies_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = write_xlsx([row(2)], REMOTEIT_BULK, tmp_path / "b.xlsx").read_bytes()
    monkeypatch.setattr(xlsx_module, "read_bytes", lambda path, limit: other)
    with pytest.raises(SheetError) as caught:
        write_xlsx([row(1)], REMOTEIT_BULK, tmp_path / "a.xlsx")
    assert caught.value.code == "sheet.read-back"


def test_a_cell_that_came_back_as_a_number_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = openpyxl.Workbook()
    sheet = book["Sheet"]
    sheet.title = "upload"
    sheet.append(list(REMOTEIT_BULK.names))
    sheet.append(["key00001", 7, "unit 1"])
    book.save(tmp_path / "b.xlsx")
    content = (tmp_path / "b.xlsx").read_bytes()
    monkeypatch.setattr(xlsx_module, "read_bytes", lambda path, limit: content)
    with pytest.raises(SheetError, match="not what was written"):
        write_xlsx([row(1, HARDWARE_ID="7")], REMOTEIT_BULK, tmp_path / "a.xlsx")


def test_without_defusedxml_nothing_is_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert openpyxl.DEFUSEDXML
    monkeypatch.setattr(openpyxl, "DEFUSEDXML", False)
    with pytest.raises(UsageError) as caught:
        write_template(tmp_path / "a.xlsx", REMOTEIT_BULK)
    assert caught.value.code == "sheet.defusedxml"


def test_more_rows_than_a_sheet_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx_module, "_MOST_ROWS", 1)
    with pytest.raises(SheetError, match="a sheet holds 1"):
        write_xlsx([row(1), row(2)], REMOTEIT_BULK, tmp_path / "a.xlsx")
