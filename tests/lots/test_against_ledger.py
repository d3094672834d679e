"""A sheet against the ledger, and the sheet written anew from what was read off the units."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest

from factory.config import Product
from factory.errors import UsageError
from factory.ledger import Ledger
from factory.lots import ExportError, compare_with_ledger, export, repair_from_ledger
from tests.lots.made import LOT, admit, ledger, make_pass, product


@pytest.fixture
def made(tmp_path: Path) -> Product:
    return product(tmp_path / "p", identity__device_name="Gate {{ hardware_id }}")


@pytest.fixture
def book(tmp_path: Path, made: Product) -> Iterator[Ledger]:
    with ledger(tmp_path) as opened:
        for number in (1, 2, 3):
            make_pass(opened, made, number)
        yield opened


@pytest.fixture
def sent(tmp_path: Path, book: Ledger, made: Product) -> Path:
    return export(book, made, LOT, tmp_path / "out").files[0]


def codes(book: Ledger, made: Product, sheet: Path) -> list[tuple[int | None, str]]:
    return [(one.row, one.code) for one in compare_with_ledger(book, made, LOT, sheet).findings]


def changed(sent: Path, old: str, new: str) -> Path:
    text = sent.read_text()
    assert old in text
    path = sent.parent.parent / sent.name
    path.write_text(text.replace(old, new))
    return path


def test_what_was_exported_is_what_the_ledger_has(book: Ledger, made: Product, sent: Path) -> None:
    assert codes(book, made, sent) == []
    assert codes(book, made, sent.with_suffix(".xlsx")) == []


def test_every_difference_is_named(tmp_path: Path, book: Ledger, made: Product, sent: Path) -> None:
    assert codes(book, made, changed(sent, "Gate b827eb000002", "Gate one")) == [(2, "LED-DIFF")]
    wlan0 = "b827eb000003"
    assert (2, "LED-DIFF") in codes(book, made, changed(sent, ",b827eb000002,", f",{wlan0},"))
    unknown = codes(book, made, changed(sent, ",b827eb000004,", ",b827ebffff04,"))
    assert (3, "LED-UNKNOWN") in unknown and (None, "LED-MISSING") in unknown
    lines = sent.read_text().split("\n")
    shorter = tmp_path / sent.name
    shorter.write_text("\n".join(lines[:-1]))
    (finding,) = compare_with_ledger(book, made, LOT, shorter).findings
    assert finding.code == "LED-MISSING" and "b827eb000006" in finding.message


def test_a_key_that_is_another_is_found_and_not_shown(book: Ledger, made: Product, sent: Path) -> None:
    key = sent.read_text().split("\n")[1].split(",")[0]
    other = key[:-1] + ("A" if key[-1] != "A" else "B")
    report = compare_with_ledger(book, made, LOT, changed(sent, key, other))
    (finding,) = report.findings
    assert (finding.row, finding.column, finding.code, report.errors) == (2, "REGISTRATION_KEY", "LED-DIFF", 1)
    assert other not in str(finding) and key not in str(finding)


def test_a_unit_that_failed(book: Ledger, made: Product, sent: Path) -> None:
    book.failed(admit(book, made, 9), "flash.full", "disk full")
    sheet = changed(sent, ",b827eb000002,", ",b827eb000012,")
    report = compare_with_ledger(book, made, LOT, sheet)
    finding = next(one for one in report.findings if one.code == "LED-STATE")
    assert "the ledger says failed" in finding.message and finding.row == 2


def test_a_renamed_upload_is_named(tmp_path: Path, book: Ledger, made: Product, sent: Path) -> None:
    make_pass(book, made, 4)
    copy = tmp_path / "copy.csv"
    copy.write_bytes(sent.read_bytes())
    assert codes(book, made, copy) == [(None, "LED-MISSING")], "the whole lot is meant"
    assert compare_with_ledger(book, made, LOT, copy, upload=sent.name).findings == ()
    with pytest.raises(UsageError, match=r"no upload x.csv"):
        compare_with_ledger(book, made, LOT, copy, upload="x.csv")


def test_repair_is_what_was_exported_byte_for_byte(tmp_path: Path, book: Ledger, made: Product, sent: Path) -> None:
    damaged = changed(sent, "b827eb000002", "1.12E+15")
    out = tmp_path / "repaired.csv"
    assert repair_from_ledger(book, made, LOT, damaged, out) == (out,)
    assert out.read_bytes() == sent.read_bytes()
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    (workbook,) = repair_from_ledger(book, made, LOT, damaged, tmp_path / "repaired.xlsx")
    sheet = openpyxl.load_workbook(workbook).worksheets[0]
    assert [cell.value for cell in sheet["B"]][1:] == ["b827eb000002", "b827eb000004", "b827eb000006"]
    assert [unit.row for unit in book.passed_units(LOT)] == ["exported"] * 3, "nothing is recorded"


def test_repair_overwrites_nothing(tmp_path: Path, book: Ledger, made: Product, sent: Path) -> None:
    damaged = changed(sent, "b827eb000002", "1.12E+15")
    with pytest.raises(ExportError, match=r"is the sheet itself"):
        repair_from_ledger(book, made, LOT, damaged, damaged)
    (tmp_path / "other.csv").write_text("mine")
    (tmp_path / "other.xlsx").write_text("mine")
    for name in ("other.csv", "other.xlsx"):
        with pytest.raises(ExportError) as caught:
            repair_from_ledger(book, made, LOT, damaged, tmp_path / name)
        assert caught.value.code == "export.exists"
        assert (tmp_path / name).read_text() == "mine"


def test_an_upload_that_does_not_come_out_again(
    tmp_path: Path, book: Ledger, made: Product, sent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from factory.lots import against_ledger

    monkeypatch.setattr(against_ledger, "_expected", lambda *_: book.passed_units(LOT)[:2])
    with pytest.raises(ExportError, match=r"does not give .* again as it was exported"):
        repair_from_ledger(book, made, LOT, sent, tmp_path / "repaired.csv")


def test_another_product_and_an_empty_lot(tmp_path: Path, made: Product) -> None:
    with ledger(tmp_path) as book:
        camera = product(tmp_path / "c", product__name="camera")
        with pytest.raises(UsageError, match=r"was made as product router"):
            compare_with_ledger(book, camera, LOT, tmp_path / "none.csv")
        with pytest.raises(ExportError, match=r"no unit of lot"):
            repair_from_ledger(book, made, LOT, tmp_path / "none.csv", tmp_path / "out.csv")
