"""`factory sheet check`, `template`, `compare` as they are called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from factory.cli import main
from factory.errors import Exit
from tests.sheets.made import csv_file, good, xlsx_file

PRODUCT = """
[product]
name = "acme-gateway"
[identity.rules]
oui = ["00:1b:77"]
[registration]
bulk_identification_code = "1A2B3C4D-0000-4000-8000-00000000ABCD"
[[category]]
name = "A"
values = ["Red", "Green"]
"""


def test_errors_end_with_1_and_are_grouped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [good(1), good(2, HARDWARE_ID="OO1b77000002"), good(3, DEVICE_NAME="NA")]
    assert main(["sheet", "check", str(csv_file(tmp_path, rows))]) == Exit.FAILED
    out = capsys.readouterr().out
    assert "sheet.csv: 3 rows, profile remoteit-bulk, hardware ids read as mac" in out
    assert "ID-HEX error" in out and ">OO<1b77000002" in out
    assert out.index("ID-HEX") < out.index("VAL-NULLISH warning") and "1 error, 1 warning" in out


def test_warnings_alone_end_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sheet", "check", str(csv_file(tmp_path, [good(1, DEVICE_NAME="NA")]))]) == Exit.DONE
    assert "0 errors, 1 warning" in capsys.readouterr().out
    assert main(["sheet", "check", str(csv_file(tmp_path, [good(1)]))]) == Exit.DONE
    assert "nothing found" in capsys.readouterr().out


def test_json_has_every_field_and_totals_are_never_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [good(number, HARDWARE_ID=f"1b77{number:06x}") for number in range(1, 40)]
    path = csv_file(tmp_path, [good(99), *rows])
    assert main(["sheet", "check", str(path), "--json", "--max-findings", "5"]) == Exit.FAILED
    document = json.loads(capsys.readouterr().out)
    assert list(document) == ["schema", "file", "profile", "rows", "findings", "totals"]
    assert document["schema"] == "factory.sheet.check/1" and document["rows"] == 40
    assert len(document["findings"]) == 5 and document["totals"] == {"ID-LEN": 39}
    assert document["findings"][0] == {
        "file": str(path), "sheet": None, "row": 3,
        "line": 3, "column": "HARDWARE_ID", "cell": "B3", "code": "ID-LEN", "severity": "error", "value": "1b77000001",
        "message": '"1b77000001" has 10 characters, 12 needed; leading zeros lost?', "hint": "Re-scan the unit.",
        "other_row": None,
    }  # fmt: skip


def test_a_product_adds_its_rules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    product = tmp_path / "product.toml"
    product.write_text(PRODUCT)
    rows = [good(1, CATEGORY_A="Rde"), good(2, HARDWARE_ID="a8987600000c", CATEGORY_A="Red")]
    call = ["sheet", "check", str(csv_file(tmp_path, rows)), "--product", str(product), "--json"]
    assert main(call) == Exit.FAILED
    assert json.loads(capsys.readouterr().out)["totals"] == {"MAC-OUI": 1, "VAL-LIST": 1}
    out = tmp_path / "order.xlsx"
    assert main(["sheet", "template", str(out), "--product", str(product), "--json"]) == Exit.DONE
    assert json.loads(capsys.readouterr().out)["profile"] == "remoteit-bulk"
    assert main(["sheet", "check", str(out)]) == Exit.FAILED  # nothing filled in yet
    assert "FILE-NOROWS" in capsys.readouterr().out


def test_annotate_writes_a_copy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = csv_file(tmp_path, [good(1, HARDWARE_ID="1")])
    out = tmp_path / "marked.xlsx"
    assert main(["sheet", "check", str(path), "--annotate", str(out)]) == Exit.FAILED
    assert out.exists() and f"marked copy: {out}" in capsys.readouterr().err.replace("\n", "")


def test_missing_files_and_unknown_profiles_are_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sheet", "check", str(tmp_path / "none.csv"), "--json"]) == Exit.USAGE
    assert json.loads(capsys.readouterr().out)["schema"] == "factory.sheet.check/1"
    assert main(["sheet", "check", str(csv_file(tmp_path, [good(1)])), "--profile", "nobody"]) == Exit.USAGE
    assert "remoteit-bulk, xyte" in capsys.readouterr().err


def test_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = csv_file(tmp_path, [good(1), good(2, HARDWARE_ID="0022334455e6")], name="a.csv")
    same = csv_file(tmp_path, [good(1), good(2, HARDWARE_ID="0022334455e6")], name="b.csv")
    assert main(["sheet", "compare", str(first), str(same)]) == Exit.DONE
    assert "holds the same values" in capsys.readouterr().out
    other = csv_file(tmp_path, [good(1), good(2, HARDWARE_ID="2.23E+13")], name="c.csv")
    assert main(["sheet", "compare", str(first), str(other)]) == Exit.FAILED
    out = capsys.readouterr().out
    assert "row 3, HARDWARE_ID (B3): 2.23E+13 was 0022334455e6" in out and "after a spreadsheet program" in out
    assert main(["sheet", "compare", str(first), str(other), "--json"]) == Exit.FAILED
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "factory.sheet.compare/1" and document["after_spreadsheet"] is True


def test_a_cut_list_says_what_it_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [*(good(number, HARDWARE_ID=f"zz1b7700000{number}") for number in range(1, 6)), good(9, DEVICE_NAME="")]
    path = csv_file(tmp_path, rows)
    assert main(["sheet", "check", str(path), "--max-findings", "2"]) == Exit.FAILED
    said = capsys.readouterr().out
    assert "and 3 more; a higher --max-findings lists them" in said
    assert "VAL-EMPTY, 1 in all, beyond --max-findings" in said and "6 errors, 0 warnings" in said


def test_nothing_of_the_users_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = xlsx_file(tmp_path, {"B2": 1})
    before = sheet.read_bytes()
    assert main(["sheet", "check", str(sheet), "--annotate", str(sheet)]) == Exit.USAGE
    assert "is the sheet itself" in capsys.readouterr().err
    assert main(["sheet", "template", str(sheet)]) == Exit.USAGE
    assert "is there already" in capsys.readouterr().err
    assert sheet.read_bytes() == before


@pytest.mark.parametrize("call", [("template",), ("check", "sheet.csv", "--annotate")], ids=["template", "annotate"])
def test_a_workbook_is_named_like_one(
    call: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    csv_file(tmp_path, [good(1)])
    assert main(["sheet", *call, "order.csv"]) == Exit.USAGE
    assert "Name it order.xlsx." in capsys.readouterr().err and not Path("order.csv").exists()
