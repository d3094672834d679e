"""What we write is read back as the same; what a real spreadsheet program saved is read as what it is."""

from __future__ import annotations

import csv
import io
import os
import string
import subprocess
from pathlib import Path

import openpyxl
import pytest
from frictionless import Resource, Schema, validate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from factory.sheets import encode_csv
from factory.sheets.columns import ProductRules
from factory.sheets.compare import compare_files
from factory.sheets.profiles import REMOTEIT_BULK, XYTE
from factory.sheets.table_schema import table_schema
from factory.sheets.template import write_template
from factory.sheets.xlsx import write_xlsx
from tests.programs import require
from tests.sheets.made import ID, KEY, A, checked, codes, csv_file, good, said, xlsx_file

inner = st.text(string.ascii_letters + string.digits + "_ -!#$%&'()*./:;<>?[]^{|}~=+@", min_size=1, max_size=30)
letters = st.text(string.ascii_letters, min_size=1, max_size=1)
categories = st.one_of(st.just(""), st.builds(lambda a, b, c: f"Zz{a}{b}{c}", letters, inner, letters))


@st.composite
def valid_rows(draw: st.DrawFn) -> list[list[str]]:
    numbers = draw(st.lists(st.integers(1, 0xFFFFFF), min_size=1, max_size=8, unique=True))
    rows = []
    for number in numbers:
        values = {f"CATEGORY_{letter}": draw(categories) for letter in "ABC"}
        # Half of them are what a spreadsheet would take for a number.
        mac = draw(st.sampled_from([f"001b77{number:06x}", f"0011{number % 10**8:08d}"]))
        rows.append(good(number, HARDWARE_ID=mac, **values))
    return rows


quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(rows=valid_rows())
def test_csv(rows: list[list[str]], tmp_path: Path) -> None:
    path = tmp_path / "upload.csv"
    path.write_bytes(encode_csv(rows, REMOTEIT_BULK)[0].content)
    report = checked(path, keep=True)
    # Two rows may have got the same all-digit MAC: that is said, and nothing else.
    assert codes(report) <= {"DUP-FILE"} and report.rows == len(rows)
    assert [list(row.values.values()) for row in report.kept] == rows


@quick
@given(rows=valid_rows())
def test_xlsx(rows: list[list[str]], tmp_path: Path) -> None:
    report = checked(write_xlsx(rows, REMOTEIT_BULK, tmp_path / "a.xlsx"), keep=True)
    assert codes(report) <= {"DUP-FILE"}
    assert [list(row.values.values()) for row in report.kept] == rows


@quick
@given(rows=valid_rows(), data=st.data())
def test_frictionless_flags_the_same_rows(rows: list[list[str]], data: st.DataObject, tmp_path: Path) -> None:
    """The exported Table Schema is judged by another program: for the rules that it knows, the same rows are bad."""
    bad = st.sampled_from(
        ["", "NA", "x" * 70, "011b77000011", "001b7700001", "OO1b77000011", "Unit#7", "-5", "two  words "]
    )
    row = data.draw(st.integers(0, len(rows) - 1))
    rows[row][data.draw(st.sampled_from([0, 1, 2, 3]))] = data.draw(bad)
    path = csv_file(tmp_path, rows)
    ours = {one.row for one in checked(path).findings if one.row and one.row > 1}
    schema = Schema.from_descriptor(dict(table_schema(REMOTEIT_BULK)))
    report = validate(Resource(path=path.name, basepath=str(tmp_path), schema=schema, encoding="utf-8"))
    theirs = {error.row_number for task in report.tasks for error in task.errors}
    assert ours == theirs, said(checked(path))


def test_frictionless_knows_lists_too(tmp_path: Path) -> None:
    rules = ProductRules(choices={A: ("Red", "Blue")})
    path = csv_file(tmp_path, [good(1, CATEGORY_A="Red"), good(2, CATEGORY_A="Rde"), good(3)])
    schema = Schema.from_descriptor(dict(table_schema(REMOTEIT_BULK, rules)))
    report = validate(Resource(path=path.name, basepath=str(tmp_path), schema=schema, encoding="utf-8"))
    assert [error.row_number for task in report.tasks for error in task.errors] == [3]
    assert {one.row for one in checked(path, product=rules).findings} == {3}


def test_an_empty_first_row_and_column(tmp_path: Path) -> None:
    """The value reader leaves out leading empty columns: addresses must be those of the sheet."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for number, row in enumerate([list(REMOTEIT_BULK.names), good(1), good(2, HARDWARE_ID="1122334455"), good(3)], 3):
        for at, value in enumerate(row, 2):
            if value:
                sheet.cell(number, at, value).data_type = "s"
    sheet["D6"] = "=1+1"
    book.save(tmp_path / "sheet.xlsx")
    lines = said(checked(tmp_path / "sheet.xlsx"))
    assert lines[0].startswith("header: the table starts at B3, not at A1")
    assert lines[1].startswith('row 5, HARDWARE_ID (C5): "1122334455" has 10 characters')
    assert lines[2].startswith("row 6, DEVICE_NAME (D6): formula =1+1")
    assert len(lines) == 3


VICTIMS = {
    "001122334466": "a spreadsheet dropped the leading zeros",
    "0022334455E6": "a spreadsheet took the E for an exponent",
    "203344556677": "a spreadsheet took it for a number",
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Our files after LibreOffice has opened and saved them; one start of the program for all."""
    program = require("soffice")
    folder = tmp_path_factory.mktemp("office")
    ours, out = folder / "ours", folder / "saved"
    ours.mkdir()
    rows = [good(number) for number in range(1, 30)]
    rows += [good(40 + at, HARDWARE_ID=value) for at, value in enumerate(VICTIMS)]
    rows += [
        good(50, CATEGORY_A="1/2", CATEGORY_B="3-4", CATEGORY_C="2026-03-04", CATEGORY_D="=1+1"[1:], CATEGORY_E="TRUE")
    ]
    write_xlsx(rows, REMOTEIT_BULK, ours / "export.xlsx")
    (ours / "upload.csv").write_bytes(encode_csv(rows, REMOTEIT_BULK)[0].content)
    write_template(ours / "template.xlsx", REMOTEIT_BULK, ProductRules(choices={A: ("Red", "Blue")}))
    filled = openpyxl.load_workbook(ours / "template.xlsx")
    for at, row in enumerate(rows[:20], 2):
        filled["upload"].cell(at, 2, row[1])
        filled["upload"].cell(at, 3, row[2])
        filled["upload"].cell(at, 4, "Red")
    filled.save(ours / "filled.xlsx")
    xlsx_file(ours, {"B3": 1122340000000000, "C3": "=C2", "D2": ("e", "#N/A"), "D3": True}, name="damaged.xlsx")
    files = [str(path) for path in sorted(ours.iterdir())]
    profile = f"-env:UserInstallation=file://{folder}/profile"
    subprocess.run(
        [program, profile, "--headless", "--convert-to", "xlsx", "--outdir", str(out), *files],
        check=True,
        capture_output=True,
        timeout=110,
        env={**os.environ, "HOME": str(folder)},
    )
    return {"ours": ours, "saved": out}


def test_a_workbook_of_ours_survives_a_spreadsheet_program(saved: dict[str, Path]) -> None:
    report = checked(saved["saved"] / "export.xlsx", keep=True)
    before = checked(saved["ours"] / "export.xlsx", keep=True)
    assert codes(report) == codes(before) == {"ID-CASE"}, said(report)
    assert [row.values for row in report.kept] == [row.values for row in before.kept]
    found = compare_files(saved["ours"] / "export.xlsx", saved["saved"] / "export.xlsx")
    assert found.same, found.changes


def test_a_filled_template_survives_a_spreadsheet_program(saved: dict[str, Path]) -> None:
    assert codes(checked(saved["saved"] / "filled.xlsx", keep=True)) == set()
    assert checked(saved["saved"] / "filled.xlsx").rows == 20
    assert codes(checked(saved["saved"] / "template.xlsx")) == {"FILE-NOROWS"}


def test_a_csv_opened_in_a_spreadsheet_program_is_named_cell_by_cell(saved: dict[str, Path]) -> None:
    report = checked(saved["saved"] / "upload.xlsx")
    by_code = {code: {one.cell for one in report.findings if one.code == code} for code in codes(report)}
    assert by_code["XLS-NUM"] == {"B31", "B32", "B33"}
    assert "F34" in by_code["XLS-DATE"]
    found = compare_files(saved["ours"] / "upload.csv", saved["saved"] / "upload.xlsx")
    causes = {change.was: change.cause for change in found.changes if change.column == ID}
    assert causes == VICTIMS
    assert found.excel and "after a spreadsheet program" in found.verdict, found.changes


def test_damage_is_still_seen_after_a_further_save(saved: dict[str, Path]) -> None:
    report = checked(saved["saved"] / "damaged.xlsx")
    cells = {(one.cell, one.code) for one in report.findings}
    assert (
        ("B3", "XLS-NUM") in cells
        and ("C3", "XLS-FORMULA") in cells
        and {("D3", "XLS-BOOL"), ("D3", "XLS-FORMULA")} & cells
    )
    assert ("D2", "XLS-ERR") in cells or ("D2", "XLS-FORMULA") in cells, cells


def test_xyte_round_trip(tmp_path: Path) -> None:
    rows = [[f"A-{n}", f"00:1b:77:00:00:{n:02x}", "", f"Panel {n}", "10in", "1.4.0", ""] for n in range(1, 30)]
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([XYTE.names, *rows])
    (tmp_path / "x.csv").write_text(stream.getvalue())
    report = checked(tmp_path / "x.csv", profile=None)
    assert report.profile == "xyte" and codes(report) == set() and report.rows == 29


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    secret = "S3cretKey,"
    rows = [good(1), good(2, REGISTRATION_KEY="top/secret#key one"), good(3, REGISTRATION_KEY="topsecret\u200bkey")]
    rows += [
        good(4, REGISTRATION_KEY="=topsecret()"),
        good(5, REGISTRATION_KEY="1.5E+15"),
        good(6, REGISTRATION_KEY="topsecret" * 9),
    ]
    report = checked(csv_file(tmp_path, rows))
    everything = " ".join([*said(report), str([one.as_json() for one in report.findings])])
    assert report.errors >= 5
    for part in (secret, "topsecret", "top/secret", "1.5E", "key one"):
        assert part not in everything
    assert all(one.value == "" for one in report.findings if one.column == KEY)


def test_only_rows_of_the_table_are_kept(tmp_path: Path) -> None:
    rows = [good(1), [], good(2), [""] * 13, ["Total", "2", *[""] * 11]]
    report = checked(csv_file(tmp_path, rows), keep=True)
    assert [row.row for row in report.kept] == [2, 4] and report.rows == 2


def test_formulas_without_a_value_beside_and_below_the_values(tmp_path: Path) -> None:
    """The value reader ends where the last value is; a formula that was never calculated has none."""
    report = checked(xlsx_file(tmp_path, {"M2": "=A1", "C9": "=C2", "E3": ("e", "#N/A")}))
    assert {(one.cell, one.code) for one in report.findings} == {
        ("M2", "XLS-FORMULA"),
        ("C9", "XLS-FORMULA"),
        ("E3", "XLS-ERR"),
    }


def test_duplicates_beside_an_empty_column_have_the_sheets_address(tmp_path: Path) -> None:
    path = xlsx_file(tmp_path, {})
    book = openpyxl.load_workbook(path)
    book["upload"].insert_cols(1, 2)
    book["upload"]["D4"] = "001b77000001"
    book.save(path)
    assert [(one.cell, one.other_row) for one in checked(path).findings if one.code == "DUP-FILE"] == [("D4", 2)]
