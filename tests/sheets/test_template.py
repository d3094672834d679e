"""The work sheet: what stands in it, what it refuses, and that it is accepted when it comes back filled in."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import openpyxl
import pytest

from factory.sheets.columns import ProductRules
from factory.sheets.profile import Profile
from factory.sheets.profiles import REMOTEIT_BULK, XYTE
from factory.sheets.reading.workbook import NOTES_SHEET
from factory.sheets.template import write_template
from tests.programs import require
from tests.sheets.made import A, checked, codes

RULES = ProductRules(choices={A: ("Red", "Green", "Blue, dark")}, name="acme-gateway")


@pytest.mark.parametrize("profile", [REMOTEIT_BULK, XYTE], ids=lambda one: one.name)
def test_every_cell_of_an_upload_is_text_and_open_and_the_header_is_locked(profile: Profile, tmp_path: Path) -> None:
    book = openpyxl.load_workbook(write_template(tmp_path / "a.xlsx", profile))
    sheet = book["upload"]
    assert [cell.value for cell in sheet[1]] == list(profile.names)
    assert all(cell.protection.locked for cell in sheet[1]) and sheet.protection.sheet and sheet.freeze_panes == "A2"
    assert sheet.max_row == profile.max_rows + 1
    cells = [cell for row in sheet.iter_rows(min_row=2) for cell in row]
    assert {(cell.number_format, cell.protection.locked, cell.value) for cell in cells} == {("@", False, None)}


def test_lists_lengths_and_duplicates(tmp_path: Path) -> None:
    sheet = openpyxl.load_workbook(write_template(tmp_path / "a.xlsx", REMOTEIT_BULK, RULES))["upload"]
    rules = {str(rule.sqref): rule for rule in sheet.data_validations.dataValidation}
    assert rules["D2:D1001"].type == "list" and NOTES_SHEET in rules["D2:D1001"].formula1
    assert rules["B2:B1001"].type == "custom"
    assert rules["B2:B1001"].formula1 == "NOT(OR(LEN(B2)<>12,COUNTIF($B$2:$B$1001,B2)>1))"
    assert rules["C2:C1001"].formula1 == "NOT(OR(OR(LEN(C2)<1,LEN(C2)>64),COUNTIF($C$2:$C$1001,C2)>1))"
    red = [rule.formula[0] for one in sheet.conditional_formatting for rule in one.rules if "B2" in str(one.sqref)]
    assert any("COUNTIF" in formula for formula in red) and any("LEN(B2)<>12" in formula for formula in red)
    listed = [rule.formula[0] for one in sheet.conditional_formatting for rule in one.rules if "D2" in str(one.sqref)]
    assert any(f"ISNA(MATCH(D2,{rules['D2:D1001'].formula1},0))" in formula for formula in listed)


def test_the_notes_explain_every_column(tmp_path: Path) -> None:
    notes = openpyxl.load_workbook(write_template(tmp_path / "a.xlsx", REMOTEIT_BULK, RULES))[NOTES_SHEET]
    texts = [[cell.value for cell in row] for row in notes.iter_rows()]
    assert texts[0][0] == "Work sheet for remote.it Bulk Registration: acme-gateway"
    explained = {row[0]: row for row in texts}
    assert set(REMOTEIT_BULK.names) <= set(explained)
    assert all(explained[name][2] for name in REMOTEIT_BULK.names)
    assert explained[A][4] == "Red, Green, Blue, dark"


def test_filled_in_it_is_accepted(tmp_path: Path) -> None:
    path = write_template(tmp_path / "a.xlsx", REMOTEIT_BULK, RULES)
    book = openpyxl.load_workbook(path)
    book["upload"]["B2"], book["upload"]["C2"], book["upload"]["D2"] = "001b77a4c011", "Gateway 0001", "Red"
    book.save(path)
    report = checked(path, product=RULES)
    assert codes(report) == set() and report.rows == 1


def test_wrong_cells_turn_red_in_a_spreadsheet_program(tmp_path: Path) -> None:
    """Rendered by a real program: the colours of the rules are in the page, and in an unfilled sheet they are not."""
    program, converter = require("soffice"), require("pdftoppm")
    made: dict[str, dict[str, str | int]] = {
        "empty": {},
        "good": {"B2": "001b77a4c011", "C2": "Unit 1"},
        "bad": {"B2": "001b77a4c011", "B3": "001b77a4c011", "C2": "Unit 1", "C3": "Unit 2"},
        "missing": {"C2": "Unit 1"},
        "length": {"B2": "1b77a4c011", "C2": "Unit 1"},
        "hex": {"B2": "OO1b77a4c011", "C2": "Unit 1"},
        "number": {"B2": 112233445566, "C2": "Unit 1"},
        "formula": {"B2": "001b77a4c011", "C2": "Unit 1", "D2": "-5"},
        "listed": {"B2": "001b77a4c011", "C2": "Unit 1", "D2": "Blue, dark"},
        "unlisted": {"B2": "001b77a4c011", "C2": "Unit 1", "D2": "Rde"},
    }
    for name, cells in made.items():
        rules = RULES if name.endswith("listed") else None
        book = openpyxl.load_workbook(write_template(tmp_path / f"{name}.xlsx", REMOTEIT_BULK, rules))
        for address, value in cells.items():
            book["upload"][address] = value
        book.save(tmp_path / f"{name}.xlsx")
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    files = [str(path) for path in sorted(tmp_path.glob("*.xlsx"))]
    subprocess.run(
        [program, profile, "--headless", "--convert-to", "pdf", "--outdir", str(tmp_path), *files],
        check=True,
        capture_output=True,
        timeout=110,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    red, amber = (0xF8, 0xC9, 0xC4), (0xFF, 0xE9, 0xA8)
    expected = {
        "empty": set(),
        "good": set(),
        "bad": {red},
        "missing": {amber},
        "length": {red},
        "hex": {red},
        "number": {red},
        "formula": {red},
        "listed": set(),
        "unlisted": {red},
    }
    for name, colours in expected.items():
        page = tmp_path / name
        subprocess.run(
            [converter, "-r", "40", "-f", "1", "-l", "1", "-singlefile", str(tmp_path / f"{name}.pdf"), str(page)],
            check=True,
        )
        content = page.with_suffix(".ppm").read_bytes()
        assert {one for one in (red, amber) if bytes(one) * 3 in content} == colours, name
