"""Orders from the office: every finding at once, all or nothing, and what the line gets of them."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import openpyxl
import pytest

from factory.config import Product
from factory.errors import UsageError
from factory.files import FileError
from factory.ledger import Ledger, OrderTaken
from factory.lots import ORDER, OrderRefused, import_order
from factory.lots.imports import rules_of
from factory.sheets import REMOTEIT_BULK
from factory.sheets.template import write_template
from factory.values import Facts, Mac, Severity
from tests.lots.made import LOT, ledger, make_pass, product

FIELDS = ("SERIAL", "MAC", "DEVICE_NAME", "CATEGORY_A")


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Ledger]:
    with ledger(tmp_path) as opened:
        yield opened
        assert opened.verify() == ()


@pytest.fixture
def made(tmp_path: Path) -> Product:
    return product(tmp_path / "p")


def order(folder: Path, *rows: Sequence[str], header: Sequence[str] = FIELDS, name: str = "order.csv") -> Path:
    path = folder / name
    path.write_text("".join(",".join(row) + "\n" for row in (header, *rows)))
    return path


def facts(number: int, serial: str | None = None) -> Facts:
    return Facts({"eth0": Mac.parse(f"b827eb{number:06x}")}, serial=serial)


def refused(book: Ledger, made: Product, path: Path) -> OrderRefused:
    with pytest.raises(OrderRefused) as caught:
        import_order(book, made, LOT, path)
    assert caught.value.hint
    return caught.value


def test_an_order_by_serial_and_by_mac(tmp_path: Path, book: Ledger, made: Product) -> None:
    path = order(
        tmp_path, ("A26-1", "", "Gate 1", "Kyoto"), ("", "B8:27:EB:00:00:02", "Gate 2", ""), ("A26-3", "", "Gate 3", "")
    )
    done = import_order(book, made, LOT, path)
    assert (done.rows, done.profile, done.skipped) == (3, "order", ())
    assert done.report.totals["MAC-STYLE"] == 1
    assert book.assign(facts(1, "a261"), LOT).order == {
        "SERIAL": "A26-1", "MAC": "", "DEVICE_NAME": "Gate 1", "CATEGORY_A": "Kyoto"
    }  # fmt: skip
    assert book.assign(facts(2), LOT).order["MAC"] == "b827eb000002"


def test_the_products_own_profile_is_an_order_too(tmp_path: Path, book: Ledger, made: Product) -> None:
    path = order(tmp_path, ("b827eb000001", "Gate 1"), header=("HARDWARE_ID", "DEVICE_NAME"))
    done = import_order(book, made, LOT, path)
    assert (done.rows, done.profile) == (1, "remoteit-bulk")
    assert book.assign(facts(1), LOT).order == {"HARDWARE_ID": "b827eb000001", "DEVICE_NAME": "Gate 1"}


def test_ids_that_are_no_addresses(tmp_path: Path, book: Ledger) -> None:
    made = product(tmp_path / "p", identity__hardware_id="{{ facts.sn }}", identity__rules__pattern="R-[0-9]+")
    path = order(tmp_path, ("R-0017", "Gate 1"), header=("HARDWARE_ID", "DEVICE_NAME"))
    import_order(book, made, LOT, path)
    unit = Facts({"eth0": Mac.parse("b827eb000001")}, {"sn": "R-0017"})
    assert book.assign(unit, LOT).order["DEVICE_NAME"] == "Gate 1"


def test_a_filled_in_template_comes_in(tmp_path: Path, book: Ledger, made: Product) -> None:
    for number, profile in enumerate((ORDER, REMOTEIT_BULK), 1):
        path = write_template(tmp_path / f"{profile.name}.xlsx", profile, rules_of(made))
        workbook = openpyxl.load_workbook(path)
        sheet = next(one for one in workbook.worksheets if "DEVICE_NAME" in [cell.value for cell in one[1]])
        places = {str(cell.value): at for at, cell in enumerate(sheet[1], 1)}
        sheet.cell(2, places["MAC" if profile is ORDER else "HARDWARE_ID"]).value = f"b827eb00000{number}"
        sheet.cell(2, places["DEVICE_NAME"]).value = f"Gate {number}"
        workbook.save(path)
        done = import_order(book, made, LOT, path)
        assert (done.rows, done.profile) == (1, profile.name)
        assert book.assign(facts(number), LOT).order["DEVICE_NAME"] == f"Gate {number}"


def test_every_finding_at_once_and_nothing_taken_in(tmp_path: Path, book: Ledger, made: Product) -> None:
    path = order(
        tmp_path,
        ("A26-1", "", "Gate 1", ""),
        ("A26-2", "001B7700001", "Gate 2", ""),
        ("", "", "Gate 3", ""),
        ("a26.1", "", "gate 1", "=1+1"),
    )
    report = refused(book, made, path).report
    assert report is not None
    assert {finding.code for finding in report.findings} >= {"ID-LEN", "VAL-EMPTY", "DUP-FILE", "CSV-INJ"}
    assert book.assign(facts(1, "A26-1"), LOT).order == {}


def test_a_total_below_and_blank_rows_are_no_units(tmp_path: Path, book: Ledger, made: Product) -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    header = REMOTEIT_BULK.names[:4]
    units = ("", "b827eb000001", "Gate 1", ""), (), ("", "b827eb000002", "Gate 2", "")
    for row in (header, *units, (), ("Total", "2", "", "")):
        sheet.append([value or None for value in row])
    workbook.save(tmp_path / "order.xlsx")
    done = import_order(book, made, LOT, tmp_path / "order.xlsx")
    assert done.rows == 2
    assert {"ROW-BLANK", "ROW-TRAIL"} <= set(done.report.totals)


def test_known_rows_are_named_or_skipped(tmp_path: Path, book: Ledger, made: Product) -> None:
    make_pass(book, made, 5)
    import_order(book, made, LOT, order(tmp_path, ("A1", "", "Gate 1", ""), name="first.csv"))
    path = order(tmp_path, ("A1", "", "Gate One", ""), ("", "b827eb00000a", "Gate 5", ""), ("A3", "", "Gate 3", ""))
    report = refused(book, made, path).report
    assert report is not None
    known = [one for one in report.findings if one.severity is Severity.ERROR]
    assert [(one.row, one.column, one.code) for one in known] == [
        (2, "SERIAL", "DUP-LEDGER"), (3, "MAC", "DUP-LEDGER")
    ]  # fmt: skip
    assert "same as first.csv row 2 of lot 2026-11/A, on the order" in str(known[0])
    assert "unit b827eb00000a of lot 2026-11/A, passed" in str(known[1])
    done = import_order(book, made, LOT, path, skip_existing=True)
    assert (done.rows, [one.number for one in done.skipped]) == (1, [2, 3])
    assert done.skipped[0].differs == ("DEVICE_NAME",)
    again = import_order(book, made, LOT, path, skip_existing=True)
    assert (again.rows, len(again.skipped)) == (0, 3)


def test_somebody_was_faster(tmp_path: Path, book: Ledger, made: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    path = order(tmp_path, ("A1", "", "Gate 1", ""))
    import_order(book, made, LOT, path)
    monkeypatch.setattr(Ledger, "holders", lambda *_: {})
    with pytest.raises(OrderTaken):
        import_order(book, made, LOT, path)


def test_one_address_in_two_columns(tmp_path: Path, book: Ledger, made: Product) -> None:
    path = order(tmp_path, ("b827eb000001", ""), ("b827eb000002", "b827eb000001"), header=("MAC", "MAC_2"))
    assert "row 3: mac b827eb000001 stands in row 2 too" in refused(book, made, path).message


def test_keys_do_not_come_in(tmp_path: Path, book: Ledger, made: Product) -> None:
    secret = "K7SECRETSECRETSECRETSECRET"
    header = ("REGISTRATION_KEY", "HARDWARE_ID", "DEVICE_NAME")
    error = refused(book, made, order(tmp_path, (secret, "b827eb000001", "Gate 1"), header=header))
    assert "REGISTRATION_KEY is filled in 1 rows, the first is row 2" in error.message
    assert secret not in str(error)


def test_a_file_that_changes_while_it_is_read(
    tmp_path: Path, book: Ledger, made: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = order(tmp_path, ("A1", "", "Gate 1", ""))
    hashes = iter(("a" * 64, "b" * 64))
    monkeypatch.setattr("factory.lots.imports._sha256", lambda _: next(hashes))
    assert "changed while it was read" in refused(book, made, path).message


def test_no_sheet_at_all(tmp_path: Path, book: Ledger, made: Product) -> None:
    with pytest.raises(FileError):
        import_order(book, made, LOT, tmp_path / "none.csv")
    (tmp_path / "order.xlsx").write_bytes(b"PK\x03\x04 cut off")
    assert refused(book, made, tmp_path / "order.xlsx").report is not None


def test_another_products_lot(tmp_path: Path, book: Ledger) -> None:
    camera = product(tmp_path / "c", product__name="camera")
    with pytest.raises(UsageError, match=r"the order would be for camera"):
        import_order(book, camera, LOT, order(tmp_path, ("A1", "", "Gate 1", "")))


def test_the_ledger_remembers_the_file(tmp_path: Path, book: Ledger, made: Product) -> None:
    path = order(tmp_path, ("A1", "", "Gate 1", ""))
    heard = []
    book.subscribe(lambda event: heard.append(event))
    import_order(book, made, LOT, path)
    (event,) = heard
    assert event.kind == "order.imported"
    assert event.data["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert stat.S_IMODE(Path(book.location).stat().st_mode) == 0o600


def test_a_hundred_rows_cost_no_query_each(tmp_path: Path, book: Ledger, made: Product) -> None:
    from sqlalchemy import event

    rows = [(f"A{number}", "", f"Gate {number}", "") for number in range(2000)]
    statements = []
    event.listen(book._store.database.engine, "before_cursor_execute", lambda *_: statements.append(1))
    assert import_order(book, made, LOT, order(tmp_path, *rows)).rows == 2000
    assert len(statements) < 80
