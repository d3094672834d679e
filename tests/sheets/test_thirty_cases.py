"""The thirty malformed inputs (spreadsheet reference, section 7): each with its place, its message and its code."""

from __future__ import annotations

import datetime
import re
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from factory.sheets.check import Asked, check_file
from factory.sheets.columns import Pool, ProductRules
from factory.sheets.profiles import REMOTEIT_BULK, XYTE
from factory.sheets.rules import Use
from factory.values import Severity
from tests.sheets.made import (
    HEADER,
    ID,
    KEY,
    NAME,
    A,
    B,
    archive,
    checked,
    codes,
    csv_file,
    csv_text,
    good,
    parts_of,
    said,
    xlsx_file,
)

# In a CSV the value stands in row 3, after a good row; in a workbook at the address.
CELLS: list[tuple[str, Mapping[str, str], str]] = [
    (
        "1 XLS-NUM in a CSV",
        {ID: "1.12234E+15"},
        "row 3, HARDWARE_ID (B3): 1.12234E+15 is a number; a spreadsheet changed a MAC",
    ),
    (
        "2 ID-LEN",
        {ID: "1122334455"},
        'row 3, HARDWARE_ID (B3): "1122334455" has 10 characters, 12 needed; leading zeros lost?',
    ),
    (
        "6 CSV-INJ",
        {NAME: " =1+1"},
        'row 3, DEVICE_NAME (C3): starts with "=" after 1 space; a spreadsheet would run it',
    ),
    ("6 CSV-INJ", {A: "+49 30"}, 'row 3, CATEGORY_A (D3): starts with "+"; a spreadsheet would run it'),
    ("6 CSV-INJ", {A: "@SUM(A1)"}, 'row 3, CATEGORY_A (D3): starts with "@"; a spreadsheet would run it'),
    ("6 CSV-INJ", {A: "\t=x"}, "row 3, CATEGORY_A (D3): starts with tab; a spreadsheet would run it"),
    (
        "6 CSV-INJ",
        {A: "\u00a0-2+3"},
        'row 3, CATEGORY_A (D3): starts with "-" after 1 space; a spreadsheet would run it',
    ),
    (
        "7 CHR-WIDE",
        {ID: "\uff10\uff10\uff11\uff2277000011"},
        'row 3, HARDWARE_ID (B3): full-width characters at 1-4; ASCII form is "001B77000011"',
    ),
    (
        "8 CHR-INVIS",
        {ID: "00\u200b1b77000011"},
        "row 3, HARDWARE_ID (B3): invisible U+200B ZERO WIDTH SPACE at position 3",
    ),
    ("8 CHR-INVIS", {ID: "\ufeff001b77000011"}, "invisible U+FEFF ZERO WIDTH NO-BREAK SPACE at position 1"),
    ("8 CHR-INVIS", {NAME: "Unit\u00ad1"}, "row 3, DEVICE_NAME (C3): invisible U+00AD SOFT HYPHEN at position 5"),
    (
        "8 CHR-INVIS",
        {NAME: "Unit\u202e1"},
        "row 3, DEVICE_NAME (C3): invisible U+202E RIGHT-TO-LEFT OVERRIDE at position 5",
    ),
    ("9 CHR-SPACE", {ID: "001b77000011\u00a0"}, "row 3, HARDWARE_ID (B3): no-break space U+00A0 at the end"),
    ("9 CHR-SPACE", {ID: " 001b77000011"}, "row 3, HARDWARE_ID (B3): blank at the start"),
    ("9 CHR-SPACE", {ID: "001b77 000011"}, "row 3, HARDWARE_ID (B3): blank at 7"),
    ("9 CHR-SPACE", {NAME: "Unit 1\u3000"}, "row 3, DEVICE_NAME (C3): full-width blank U+3000 at the end"),
    (
        "10 ID-HEX",
        {ID: "OO1B77000011"},
        'row 3, HARDWARE_ID (B3): "OO1B77000011" has letter O at 1 and 2; only 0-9 A-F; did you mean 0?',
    ),
    ("10 ID-HEX", {ID: "00lb77000O11"}, "has letter l at 3, letter O at 10; only 0-9 A-F; did you mean 1 and 0?"),
    ("10 ID-HEX", {ID: "001S77000011"}, "has letter S at 4; only 0-9 A-F; did you mean 5?"),
    (
        "10 ID-HEX",
        {ID: "00\u0410B77000011"},
        "has U+0410 CYRILLIC CAPITAL LETTER A at 3; only 0-9 A-F; did you mean A?",
    ),
    ("10 ID-HEX", {ID: "00\u221211b7700\u30fc0011"}, "has U+2212 MINUS SIGN at 3"),
    ("11 MAC-FMT", {ID: "00:1B-77:00:00:11"}, 'row 3, HARDWARE_ID (B3): mixed separators "00:1B-77:00:00:11"'),
    ("11 MAC-FMT", {ID: "0:1b:77:0:0:11"}, 'octets of one digit "0:1b:77:0:0:11". Write it as 001b77000011.'),
    ("12 MAC-64", {ID: "001B77FFFE000011"}, "8 bytes with FF-FE inside: EUI-64 given, EUI-48 needed"),
    ("13 MAC-MC", {ID: "011b77000011"}, "first octet 01 has the multicast bit set; not a unit address"),
    ("14 MAC-LAA", {ID: "021b77000011"}, "first octet 02 is locally administered; not allowed by this product"),
    ("15 ID-SENTINEL", {ID: "000000000000"}, "row 3, HARDWARE_ID (B3): placeholder: "),
    ("15 ID-SENTINEL", {ID: "ff:ff:ff:ff:ff:ff"}, "placeholder: "),
    ("15 ID-SENTINEL", {ID: "123456789abc"}, "placeholder: 123456789abc, a test pattern"),
    ("15 ID-SENTINEL", {ID: "b0aa33888888"}, "a chip maker's default that many devices in the field share"),
    ("15 ID-SENTINEL", {KEY: "MYSECRET"}, "row 3, REGISTRATION_KEY (A3): placeholder: the debug value MYSECRET"),
    ("15 ID-SENTINEL", {ID: "Issue: hardware ID is not set properly"}, "an error sentence of the unit ('Issue ...')"),
    ("15 ID-SENTINEL", {ID: "Issue hardware ID is not set properly"}, "an error sentence of the unit ('Issue ...')"),
    ("24 VAL-NULLISH", {NAME: "NA"}, 'row 3, DEVICE_NAME (C3): "NA": real name or missing?'),
    ("24 VAL-NULLISH", {A: "null"}, 'row 3, CATEGORY_A (D3): "null": real name or missing?'),
    ("24 VAL-NULLISH", {A: "-"}, 'row 3, CATEGORY_A (D3): "-": real name or missing?'),
    ("24 VAL-EMPTY", {NAME: ""}, "row 3, DEVICE_NAME (C3): is empty, a value is required"),
    ("24 VAL-LEN", {NAME: "x" * 65}, "row 3, DEVICE_NAME (C3): has 65 characters, limit 64"),
    ("24 VAL-ASCII", {A: "abc\u6f22"}, "row 3, CATEGORY_A (D3): U+6F22 CJK UNIFIED IDEOGRAPH-6F22 at 4; only ASCII"),
]


@pytest.mark.parametrize(("case", "values", "expected"), CELLS, ids=[f"{one[0]}-{at}" for at, one in enumerate(CELLS)])
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_cell(case: str, values: Mapping[str, str], expected: str, kind: str, tmp_path: Path) -> None:
    rows = [good(1), good(2, **values), *(good(number) for number in range(3, 9))]
    if kind == "csv":
        path = csv_file(tmp_path, rows)
    else:
        book = openpyxl.Workbook()
        sheet = book.active
        assert sheet is not None
        for number, row in enumerate([list(REMOTEIT_BULK.names), *rows], 1):
            for at, value in enumerate(row, 1):
                if value:
                    sheet.cell(number, at, value).data_type = "s"
        path = tmp_path / "sheet.xlsx"
        book.save(path)
    report = checked(path, use=Use.UPLOAD)
    code = case.split()[1]
    assert code in codes(report), said(report)
    assert any(expected in line and line.endswith(f"[{code}]") for line in said(report)), said(report)
    assert all(one.row == 3 for one in report.findings)


def test_1_a_number_cell_is_no_mac(tmp_path: Path) -> None:
    report = checked(xlsx_file(tmp_path, {"B3": 1122340000000000}))
    assert said(report) == [
        "row 3, HARDWARE_ID (B3): 1.12234E+15 is a number cell; a spreadsheet changed a MAC address. "
        "Re-scan the unit; keep the column formatted as text. [XLS-NUM]"
    ]


def test_3_digits_after_the_fifteenth_are_lost(tmp_path: Path) -> None:
    report = checked(xlsx_file(tmp_path, {"B3": 89014103211118510720}))
    expected = "row 3, HARDWARE_ID (B3): 89014103211118500000 is a number cell; digits after the 15th are lost"
    assert said(report)[0].startswith(expected) and codes(report) == {"XLS-15"}
    numbers = [good(number, HARDWARE_ID=f"8901410321111851{number:03d}0") for number in range(1, 5)]
    lost = [good(9, HARDWARE_ID="89014103211118500000")]
    assert "XLS-15" in codes(checked(csv_file(tmp_path, [*numbers, *lost])))


def test_4_dates_logical_values_and_errors(tmp_path: Path) -> None:
    cells = {"D2": datetime.date(2026, 3, 4), "D3": True, "D4": ("e", "#N/A"), "E4": ("e", "#REF!")}
    report = checked(xlsx_file(tmp_path, cells))
    lines = said(report)
    assert lines[0].startswith('row 2, CATEGORY_A (D2): date cell 2026-03-04; was it the text "3-4"')
    assert lines[1].startswith("row 3, CATEGORY_A (D3): TRUE is a logical value")
    assert lines[2].startswith("row 4, CATEGORY_A (D4): #N/A is an error of the spreadsheet")
    assert lines[3].startswith("row 4, CATEGORY_B (E4): #REF! is an error of the spreadsheet")
    assert report.totals == {"XLS-DATE": 1, "XLS-BOOL": 1, "XLS-ERR": 2} and report.errors == 4
    assert "CSV-DATE" in codes(checked(csv_file(tmp_path, [good(1, CATEGORY_A="4-Mar")])))
    assert "XLS-ERR" in codes(checked(csv_file(tmp_path, [good(1), good(2, HARDWARE_ID="#N/A")])))


def test_a_number_in_a_text_column_is_a_warning(tmp_path: Path) -> None:
    report = checked(xlsx_file(tmp_path, {"D3": 7}))
    assert report.totals == {"XLS-DIGITS": 1} and report.errors == 0


def test_5_formulas(tmp_path: Path) -> None:
    report = checked(xlsx_file(tmp_path, {"C3": "=C2"}))
    assert said(report) == [
        "row 3, DEVICE_NAME (C3): formula =C2; only values are allowed; it was never calculated, there is no value. "
        "Paste the values (Paste Special, Values). [XLS-FORMULA]"
    ]


def test_a_formula_with_a_kept_value_is_found_too(tmp_path: Path) -> None:
    path = xlsx_file(tmp_path, {"D3": "=1+1"})
    parts = parts_of(path)
    sheet = "xl/worksheets/sheet1.xml"
    parts[sheet] = re.sub(rb"<f>1\+1</f><v ?/?>(?:</v>)?", b"<f>1+1</f><v>2</v>", parts[sheet])
    assert b"<v>2</v>" in parts[sheet]
    path.write_bytes(archive(parts))
    report = checked(path)
    assert said(report)[0].startswith("row 3, CATEGORY_A (D3): formula =1+1; only values are allowed. ")


def test_14_locally_administered_where_the_product_allows_it(tmp_path: Path) -> None:
    path = csv_file(tmp_path, [good(1, HARDWARE_ID="021b77000011")])
    assert codes(checked(path, product=ProductRules(allow_local=True))) == set()


def test_16_oui_and_17_pool(tmp_path: Path) -> None:
    rows = [good(1), good(2, HARDWARE_ID="aa987600000c".replace("aa", "a8")), good(3, HARDWARE_ID="001b77ff0000")]
    pool = Pool("work order WO-7", "001b77000000", "001b7700ffff", 12)
    path = csv_file(tmp_path, rows)
    lines = said(checked(path, product=ProductRules(ouis=("001b77",))))
    assert len(lines) == 1
    assert lines[0].startswith("row 3, HARDWARE_ID (B3): OUI A8-98-76 is not on this product's list.")
    lines = said(checked(path, product=ProductRules(ouis=("001b77",), pools=(pool,))))
    expected = "row 4, HARDWARE_ID (B4): outside the pool of work order WO-7; 12 addresses left"
    assert any(line.startswith(expected) for line in lines)


@pytest.mark.parametrize(
    ("oui", "fits"), [("001b77", True), ("001b770", True), ("001b77000", True), ("001b771", False)]
)
def test_16_blocks_of_28_and_36_bits(oui: str, fits: bool, tmp_path: Path) -> None:
    report = checked(csv_file(tmp_path, [good(1)]), product=ProductRules(ouis=(oui,)))
    assert codes(report) == (set() if fits else {"MAC-OUI"})


def test_18_duplicates_name_both_rows(tmp_path: Path) -> None:
    rows = [good(1), good(2), good(3, HARDWARE_ID="00:1B:77:00:00:02"), good(4, DEVICE_NAME="unit 00001")]
    report = checked(csv_file(tmp_path, rows))
    lines = [line for line in said(report) if "DUP-FILE" in line]
    assert lines == [
        "row 4, HARDWARE_ID (B4): same as row 3 after case and separator folding "
        '("00:1B:77:00:00:02" = "001b77000002"). Each unit stands in one row. [DUP-FILE]',
        "row 5, DEVICE_NAME (C5): same as row 2. Each unit stands in one row. [DUP-FILE]",
    ]
    assert [one.other_row for one in report.findings if one.code == "DUP-FILE"] == [3, 2]


def test_20_a_key_in_the_place_of_the_id(tmp_path: Path) -> None:
    rows = [good(1), good(2, HARDWARE_ID="MFRGGZDFMZTWQ2LKNNWG23TPOB", REGISTRATION_KEY="001b77000002"), good(3)]
    lines = said(checked(csv_file(tmp_path, rows)))
    assert lines[0].startswith("row 3, HARDWARE_ID (B3): holds a key, and REGISTRATION_KEY a MAC address")
    assert lines[0].endswith("[COL-SWAP]") and "MFRGG" not in " ".join(lines)


def test_21_width_blank_and_trailing_rows(tmp_path: Path) -> None:
    text = csv_text([good(1), good(2)[:-1], good(3), [], good(4), [*good(5), "x"], good(6)])
    path = tmp_path / "sheet.csv"
    path.write_text(text + "\nTotal,5,,,,,,,,,,,\n,,checked by Kim,,,,,,,,,,\n")
    lines = said(checked(path))
    assert lines[0].startswith("row 3: 12 fields, header has 13. ")
    assert lines[1] == "row 5: blank row inside the table. Remove it. [ROW-BLANK]"
    assert lines[2].startswith("row 7: 14 fields, header has 13. ")
    assert lines[3].startswith('row 9: a total or notes row ("Total") below the table')
    assert lines[4].startswith('row 10: a total or notes row ("checked by Kim") below the table')
    assert len(lines) == 5


def test_21_a_lost_field_is_placed(tmp_path: Path) -> None:
    shifted = good(2)
    del shifted[1]
    lines = said(checked(csv_file(tmp_path, [good(1), shifted, good(3)])))
    assert lines == [
        "row 3: 12 fields, header has 13; fields from column B shifted? Compare it with its neighbours. [ROW-WIDTH]"
    ]


HEADERS: list[tuple[str, str, str]] = [
    (
        "HDR-SPACE",
        HEADER.replace("REGISTRATION_KEY", " REGISTRATION_KEY"),
        'header, column A: " REGISTRATION_KEY" has a leading space; differs from the template ("REGISTRATION_KEY")',
    ),
    ("HDR-SPACE", HEADER.replace(" HARDWARE_ID", "HARDWARE_ID"), 'column B: "HARDWARE_ID" lacks the leading space'),
    ("HDR-CASE", HEADER.replace("CATEGORY_A", "Category_A"), 'header, column D: "Category_A" differs in case'),
    ("HDR-UNKNOWN", HEADER.replace(" CATEGORY_J", "WOMBAT"), 'header, column M: unknown column "WOMBAT"'),
    (
        "HDR-DUP",
        HEADER.replace(" CATEGORY_D", "CATEGORY_C"),
        "header, column G: second column CATEGORY_C; the first is F",
    ),
    ("HDR-ABSENT", HEADER.replace(", CATEGORY_J", ""), "header: column CATEGORY_J is missing"),
    ("HDR-MISSING", HEADER.replace(" HARDWARE_ID", "HARDWARE"), "header: column HARDWARE_ID is missing"),
    (
        "HDR-ORDER",
        HEADER.replace("REGISTRATION_KEY, HARDWARE_ID", " HARDWARE_ID,REGISTRATION_KEY"),
        "header, column A: HARDWARE_ID stands where the template has REGISTRATION_KEY",
    ),
]


@pytest.mark.parametrize(("code", "header", "expected"), HEADERS)
def test_22_headers(code: str, header: str, expected: str, tmp_path: Path) -> None:
    wide = len(header.split(","))
    lines = said(checked(csv_file(tmp_path, [good(1)[:wide]], header)))
    assert any(expected in line and line.endswith(f"[{code}]") for line in lines), lines


def test_22_swapped_columns_are_read_by_name(tmp_path: Path) -> None:
    header = HEADER.replace("REGISTRATION_KEY, HARDWARE_ID", " HARDWARE_ID,REGISTRATION_KEY")
    row = good(1)
    row[0], row[1] = row[1], row[0]
    assert codes(checked(csv_file(tmp_path, [row], header))) == {"HDR-ORDER"}


def test_22_no_header(tmp_path: Path) -> None:
    path = tmp_path / "sheet.csv"
    path.write_text("\n".join(",".join(good(number)) for number in (1, 2)))
    report = checked(path)
    assert codes(report) == {"HDR-NONE"} and report.rows == 2
    path.write_text("serial;owner\n1;2\n")
    assert codes(checked(path)) == {"HDR-NONE", "FILE-DELIM"}


def test_an_order_may_leave_out_what_it_does_not_need(tmp_path: Path) -> None:
    path = tmp_path / "order.csv"
    path.write_text("SERIAL,DEVICE_NAME\nA26-1,North")
    report = check_file(path, Asked(use=Use.WORK))
    assert (report.profile, codes(report)) == ("order", set())


def test_22_the_templates_own_space_is_right(tmp_path: Path) -> None:
    assert codes(checked(csv_file(tmp_path, [good(1)]))) == set()


FILES: list[tuple[str, bytes, str]] = [
    ("FILE-EMPTY", b"", "the file is empty"),
    ("FILE-EMPTY", b"\xef\xbb\xbf\r\n", "the file is empty"),
    ("FILE-NOROWS", HEADER.encode() + b"\n", "there is a header and no row below it"),
    ("FILE-BOM", b"\xef\xbb\xbf" + csv_text([good(1)]).encode(), "byte order mark"),
    ("FILE-UTF16", csv_text([good(1)]).encode("utf-16"), "UTF-16 text; the portal takes plain ASCII"),
    ("FILE-UTF16", csv_text([good(1)]).encode("utf-16-be"), "UTF-16 text"),
    (
        "FILE-SJIS",
        csv_text([good(1), good(2, CATEGORY_A="\u6771\u4eac\u5de5\u5834")]).encode("cp932"),
        "Shift_JIS text, first at line 3",
    ),
    ("FILE-ENC", csv_text([good(1, CATEGORY_A="M\u00fcnchen")]).encode("cp1252"), "byte 0xFC at line 2 is not UTF-8"),
    ("FILE-NUL", csv_text([good(1)]).encode() + b"\n\0\0", "2 NUL byte(s), first at line 3"),
    ("FILE-CR", csv_text([good(1), good(2)]).replace("\n", "\r").encode(), "carriage return alone at line 1"),
    (
        "FILE-CR",
        csv_text([good(1), good(2)]).encode() + b"\n" + ",".join(good(3)).encode() + b"\r",
        "carriage return alone at line 4",
    ),
    ("FILE-EOL", HEADER.encode() + b"\r\n" + ",".join(good(1)).encode() + b"\n", "mixed line ends: 1 CR LF and 1 LF"),
    ("FILE-DELIM", csv_text([good(1)]).replace(",", ";").encode(), "fields are separated by semicolons"),
    ("FILE-DELIM", csv_text([good(1)]).replace(",", "\t").encode(), "fields are separated by tabs"),
    ("FILE-QUOTED", csv_text([good(1, CATEGORY_A='"Cat A"')]).encode(), "2 quote character(s), first on line 2"),
    ("FILE-TYPE", b"%PDF-1.7 ...", "this is a PDF document, not a sheet"),
    ("FILE-TYPE", b"," * 200_000, "this is a text with 200001 cells in one line, not a sheet"),
    ("FILE-TYPE", b"<html><table><tr><td>1</td></tr></table>", "this is a web page, not a sheet"),
    ("FILE-TYPE", b'[{"mac": "001b77000011"}]', "this is a JSON document, not a sheet"),
]


@pytest.mark.parametrize(("code", "content", "expected"), FILES)
def test_23_files(code: str, content: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "sheet.csv"
    path.write_bytes(content)
    report = checked(path)
    assert any(expected in line and line.endswith(f"[{code}]") for line in said(report)), said(report)
    assert report.errors


@pytest.mark.parametrize("code", ["FILE-BOM", "FILE-UTF16", "FILE-CR", "FILE-EOL", "FILE-DELIM", "FILE-QUOTED"])
def test_23_what_reading_mends_is_a_warning_in_a_work_sheet(code: str, tmp_path: Path) -> None:
    content = next(content for one, content, _ in FILES if one == code)
    path = tmp_path / "sheet.csv"
    path.write_bytes(content)
    report = checked(path, use=Use.WORK, keep=True)
    assert report.errors == 0 and code in codes(report), said(report)
    assert report.rows >= 1 and report.kept[0].values[ID] == "001b77000001"


def test_23_windows_line_ends_are_nothing_to_speak_of(tmp_path: Path) -> None:
    path = tmp_path / "sheet.csv"
    path.write_bytes(csv_text([good(1), good(2)]).replace("\n", "\r\n").encode())
    assert codes(checked(path)) == set()


def test_23_an_unterminated_quote_names_the_line_it_opened_on(tmp_path: Path) -> None:
    rows = [good(number) for number in range(1, 60)]
    rows[10][3] = '"two\nlines"'
    rows[38][4] = '"never closed'
    path = csv_file(tmp_path, rows)
    report = checked(path)
    line = next(number for number, text in enumerate(path.read_text().split("\n"), 1) if "never closed" in text)
    assert f"file: unterminated quote opened on line {line}; the rows from there on were not read" in "\n".join(
        said(report)
    )
    assert report.rows == 38


def test_23_text_after_a_closing_quote(tmp_path: Path) -> None:
    path = csv_file(tmp_path, [good(1), good(2, CATEGORY_A='"a"b'), good(3)])
    assert any("text after a closing quote on line 3" in line for line in said(checked(path)))


def test_24_a_limit_of_the_profile(tmp_path: Path) -> None:
    columns = tuple(replace(one, longest=50) if one.name == NAME else one for one in REMOTEIT_BULK.columns)
    path = csv_file(tmp_path, [good(1, DEVICE_NAME="x" * 64)])
    lines = said(checked(path, profile=replace(REMOTEIT_BULK, columns=columns)))
    assert lines == ["row 2, DEVICE_NAME (C2): has 64 characters, limit 50. Shorten it. [VAL-LEN]"]


def test_25_imei_and_iccid_check_digits(tmp_path: Path) -> None:
    imeis = [good(1, HARDWARE_ID="352099001761481"), good(2, HARDWARE_ID="352099001761491")]
    lines = said(checked(csv_file(tmp_path, imeis)))
    assert lines == [
        "row 3, HARDWARE_ID (B3): IMEI 352099001761491 has check digit 1, expected 9. Re-scan the label. [IMEI-LUHN]"
    ]
    cards = [good(1, HARDWARE_ID="8901410321111851072"), good(2, HARDWARE_ID="89014103211118510720")]
    report = checked(csv_file(tmp_path, cards))
    assert report.id_form == "iccid" and codes(report) <= {"ICCID-LUHN"}


def test_26_lists_of_the_product(tmp_path: Path) -> None:
    rules = ProductRules(choices={B: ("Red", "Green", "Blue")})
    lines = said(checked(csv_file(tmp_path, [good(1, CATEGORY_B="Rde"), good(2, CATEGORY_B="Red")]), product=rules))
    assert lines == [
        'row 2, CATEGORY_B (E2): "Rde" is not in the list; near "Red". Allowed: Red, Green, Blue. [VAL-LIST]'
    ]


def test_27_caps(tmp_path: Path) -> None:
    path = csv_file(tmp_path, [good(number) for number in range(1, 813)])
    lines = said(checked(path, profile=replace(REMOTEIT_BULK, max_rows=500)))
    assert lines == [
        "file: 812 rows, the portal takes 500: split in 2 at row 502 (-01 to -02). "
        "`factory sheet export` splits by itself. [FILE-CAP]"
    ]
    assert "FILE-CAP" in codes(checked(path, profile=replace(REMOTEIT_BULK, max_bytes=1000)))
    assert codes(checked(path)) == set()


def test_28_what_is_hidden(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    other, sheet = book.active, book.create_sheet("upload")
    assert other is not None
    other.title = "old"
    sheet.append(list(REMOTEIT_BULK.names))
    for number in range(1, 60):
        sheet.append(good(number))
    for row in (40, 41):
        sheet.row_dimensions[row].hidden = True
    sheet.column_dimensions["M"].hidden = True
    sheet.merge_cells("D5:D6")
    sheet.auto_filter.ref = "A1:M60"
    sheet.auto_filter.add_filter_column(1, ["001b77000001"])
    path = tmp_path / "sheet.xlsx"
    book.save(path)
    report = checked(path)
    expected = (
        '2 hidden rows (40, 41), 1 hidden column (M), filter active, merged D5:D6, 2 sheets; only "upload" was read'
    )
    assert said(report)[0].startswith(f"sheet: {expected}. ")
    assert report.totals == {"XLS-HIDDEN": 1, "XLS-MERGED": 1} and report.rows == 59


def test_30_archives_that_are_not_opened(tmp_path: Path) -> None:
    good_parts = parts_of(xlsx_file(tmp_path, {}))
    sheet = "xl/worksheets/sheet1.xml"
    bombs: dict[str, bytes] = {
        "declares": archive({**good_parts, "xl/media/zeros.xml": b" " * 200_000_000}),
        "DTD in xl/worksheets/sheet1.xml": archive(
            {
                **good_parts,
                sheet: b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]>' + good_parts[sheet].split(b"?>", 1)[-1],
            }
        ),
        "DTD in xl/sharedStrings.xml": archive({**good_parts, "xl/sharedStrings.xml": b"<!DOCTYPE x><sst/>"}),
        "it has 2": archive({**good_parts, **{f"xl/x{number}.bin": b"" for number in range(2001)}}),
        "cells spread over": archive(
            {
                **good_parts,
                sheet: good_parts[sheet].replace(
                    b"</sheetData>",
                    b'<row r="1048576"><c r="XFD1048576" t="inlineStr"><is><t>x</t></is></c></row></sheetData>',
                ),
            }
        ),
        "cells spread": archive(
            {
                **good_parts,
                sheet: good_parts[sheet].replace(
                    b"</sheetData>",
                    b"<row r = '900002'><c r = 'ZZ900002' t='inlineStr'><is><t>x</t></is></c></row></sheetData>",
                ),
            }
        ),
    }
    for why, content in bombs.items():
        path = tmp_path / "bomb.xlsx"
        path.write_bytes(content)
        lines = said(checked(path))
        assert len(lines) == 1 and lines[0].startswith("file: unsafe archive (") and why in lines[0], (why, lines)


def test_30_sizes_that_lie(tmp_path: Path) -> None:
    content = bytearray(
        archive({**parts_of(xlsx_file(tmp_path, {})), "xl/sharedStrings.xml": b"<sst>" + b" " * 50_000 + b"</sst>"})
    )
    at = content.rindex(b"xl/sharedStrings.xml") - 46
    assert content[at : at + 4] == b"PK\x01\x02"
    content[at + 24 : at + 28] = (100).to_bytes(4, "little")
    path = tmp_path / "lies.xlsx"
    path.write_bytes(bytes(content))
    assert "xl/sharedStrings.xml holds more than it declares" in said(checked(path))[0]


WORKBOOKS: list[tuple[str, Any, str]] = [
    ("XLS-OLD", lambda parts: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "an old binary workbook (.xls)"),
    (
        "XLS-PASSWORD",
        lambda parts: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
        "protected by a password",
    ),
    (
        "XLS-ODS",
        lambda parts: archive(
            {"mimetype": b"application/vnd.oasis.opendocument.spreadsheet", "content.xml": b"<x/>"},
            compress=zipfile.ZIP_STORED,
        ),
        "an OpenDocument sheet",
    ),
    (
        "XLS-BINARY",
        lambda parts: archive({"[Content_Types].xml": b"<x/>", "xl/workbook.bin": b""}),
        "a binary workbook",
    ),
    ("XLS-BROKEN", lambda parts: archive(parts)[:-200], "a damaged or cut-off workbook"),
    (
        "XLS-BROKEN",
        lambda parts: archive({**parts, "xl/workbook.xml": b"<workbook"}),
        "its list of sheets cannot be read",
    ),
    (
        "XLS-BROKEN",
        lambda parts: archive({**parts, "xl/worksheets/sheet1.xml": b"<worksheet><sheetData><row"}),
        "damaged",
    ),
    ("XLS-MACRO", lambda parts: archive({**parts, "xl/vbaProject.bin": b"x"}), "holds macros"),
    (
        "XLS-LINK",
        lambda parts: archive({**parts, "xl/externalLinks/externalLink1.xml": b"<x/>"}),
        "links to other files",
    ),
    ("FILE-TYPE", lambda parts: archive({"readme.txt": b"hello"}), "an archive without a workbook in it"),
    ("FILE-TYPE", lambda parts: archive({"Index/Document.iwa": b"hello"}), "a Numbers document"),
    ("FILE-NAME", lambda parts: csv_text([good(1)]).encode(), "is named .xlsx and holds CSV text"),
]


@pytest.mark.parametrize(("code", "make", "expected"), WORKBOOKS)
def test_30_files_that_are_no_workbook(code: str, make: Any, expected: str, tmp_path: Path) -> None:
    content = make(parts_of(xlsx_file(tmp_path, {})))
    path = tmp_path / "other.xlsx"
    path.write_bytes(content)
    report = checked(path)
    assert len(report.findings) == 1 and expected in said(report)[0] and codes(report) == {code}, said(report)


def test_a_workbook_named_csv_is_read_as_what_it_is(tmp_path: Path) -> None:
    path = xlsx_file(tmp_path, {}, name="sheet.csv")
    report = checked(path)
    assert codes(report) == {"FILE-NAME"} and report.rows == 3 and report.errors == 0


def test_xyte_rows_need_a_mac_or_a_cloud_id(tmp_path: Path) -> None:
    path = csv_file(
        tmp_path,
        [["A-1", "", "", "", "", "1.4.0", ""], ["A-2", "00:1b:77:00:00:01", "", "", "", "1.4", ""]],
        XYTE.header,
    )
    lines = said(checked(path, profile=None))
    assert lines[0].startswith("row 2, mac (B2): is empty, a value is required; the row needs mac or cloud_id")
    assert lines[1].startswith('row 3, firmware_version (F3): "1.4" is not a version such as 1.4.0 (SemVer)')


def test_severities_decide_nothing_but_the_exit(tmp_path: Path) -> None:
    report = checked(csv_file(tmp_path, [good(1, HARDWARE_ID="001B77000001")]))
    assert report.errors == 0 and report.warnings == 1
    assert report.findings[0].severity is Severity.WARNING and report.findings[0].code == "ID-CASE"
