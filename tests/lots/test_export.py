"""Export: only passed units, with the keys that they got, once."""

from __future__ import annotations

import hashlib
import importlib
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import openpyxl
import pytest

from factory.errors import FactoryError, UsageError
from factory.files import FileError
from factory.identity import KeySource
from factory.ledger import Ledger
from factory.lots import ExportError, RowsRefused, export
from factory.lots.rows import upload_table
from factory.sheets import REMOTEIT_BULK, decode_csv
from factory.values import HardwareId, RowState
from tests.lots.made import CODE, LOT, admit, ledger, make_pass, product


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Ledger]:
    with ledger(tmp_path) as opened:
        yield opened


def rows_of(path: Path) -> list[dict[str, str]]:
    rows = decode_csv(path.read_bytes(), REMOTEIT_BULK)
    return [dict(zip(REMOTEIT_BULK.names, row, strict=True)) for row in rows]


def test_passed_units_and_no_others(tmp_path: Path, book: Ledger) -> None:
    made = product(
        tmp_path / "p", identity__device_name="Router {{ hardware_id }}", identity__categories={"A": "{{ lot }}"}
    )
    for number in (3, 1):
        make_pass(book, made, number)
    admit(book, made, 2)
    book.failed(admit(book, made, 4), "unit.gone", "cable pulled")
    done = export(book, made, LOT, tmp_path / "out")
    assert (done.lot, done.rows) == (LOT, 2)
    (path,) = done.files
    keys = KeySource.open(made.identity.key, made.folder)
    assert rows_of(path) == [
        {
            **dict.fromkeys(REMOTEIT_BULK.names, ""),
            "REGISTRATION_KEY": keys.derive("router", HardwareId.parse(hardware_id)).text,
            "HARDWARE_ID": hardware_id,
            "DEVICE_NAME": f"Router {hardware_id}",
            "CATEGORY_A": LOT,
        }
        for hardware_id in ("b827eb000006", "b827eb000002")  # in the order of passing
    ]


def test_files_are_private_recorded_and_the_same_as_the_workbook(tmp_path: Path, book: Ledger) -> None:
    made = product(tmp_path / "p")
    make_pass(book, made, 1)
    done = export(book, made, LOT, tmp_path / "out")
    (path,) = done.files
    names = sorted([path.name, done.workbook.name, done.manifest.name])
    assert sorted(entry.name for entry in (tmp_path / "out").iterdir()) == names
    assert path.name == "2026-11_A-upload-001.csv"
    for file in (path, done.workbook):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (record,) = book.uploads(LOT)
    assert (record.name, record.number, len(record.units)) == (path.name, 1, 1)
    assert record.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert record.companions == {done.workbook.name: hashlib.sha256(done.workbook.read_bytes()).hexdigest()}
    assert [unit.row for unit in book.passed_units(LOT)] == [RowState.EXPORTED]
    sheet = openpyxl.load_workbook(done.workbook)["upload"]
    assert [cell.value or "" for cell in sheet[2]] == list(rows_of(path)[0].values())


def test_a_unit_goes_out_once(tmp_path: Path, book: Ledger) -> None:
    made = product(tmp_path / "p")
    make_pass(book, made, 1)
    export(book, made, LOT, tmp_path / "out")
    with pytest.raises(
        ExportError, match=r"every passed unit of lot 2026-11/A \(1\) is in an upload already"
    ) as caught:
        export(book, made, LOT, tmp_path / "out")
    assert caught.value.code == "export.nothing"
    make_pass(book, made, 2)
    done = export(book, made, LOT, tmp_path / "out")
    assert [path.name for path in done.files] == ["2026-11_A-upload-002.csv"]
    assert [row["HARDWARE_ID"] for row in rows_of(done.files[0])] == ["b827eb000004"]


def test_a_lot_without_a_passed_unit(tmp_path: Path, book: Ledger) -> None:
    made = product(tmp_path / "p")
    admit(book, made, 1)
    with pytest.raises(ExportError, match="no unit of lot 2026-11/A stands as passed") as caught:
        export(book, made, LOT, tmp_path / "out")
    assert caught.value.exit_code == 1 and not (tmp_path / "out").exists()


def test_a_lot_that_is_not_there(tmp_path: Path, book: Ledger) -> None:
    with pytest.raises(UsageError, match="NO-SUCH"):
        export(book, product(tmp_path / "p"), "NO-SUCH", tmp_path / "out")


def test_another_products_lot(tmp_path: Path, book: Ledger) -> None:
    with pytest.raises(UsageError) as caught:
        export(book, product(tmp_path / "p", product__name="gateway"), LOT, tmp_path / "out")
    assert caught.value.code == "export.product" and "made as product router" in caught.value.message


def refused(tmp_path: Path, book: Ledger, made: object, code: str) -> RowsRefused:
    with pytest.raises(RowsRefused) as caught:
        export(book, made, LOT, tmp_path / "out")  # type: ignore[arg-type]
    assert caught.value.code == code
    assert not (tmp_path / "out").exists() and book.uploads(LOT) == ()
    return caught.value


def test_another_secret_makes_other_keys_and_is_refused(tmp_path: Path, book: Ledger) -> None:
    made = product(tmp_path / "p")
    make_pass(book, made, 1)
    make_pass(book, made, 2)
    other = product(tmp_path / "q")
    error = refused(tmp_path, book, other, "export.key")
    assert len(error.reasons) == 2 and "b827eb000002: the key derived now is not the one" in error.reasons[0]
    keys = KeySource.open(other.identity.key, other.folder)
    assert keys.derive("router", HardwareId.parse("b827eb000002")).text not in str(error)


def test_another_version_of_the_secret_is_refused(tmp_path: Path, book: Ledger) -> None:
    made = product(tmp_path / "p")
    make_pass(book, made, 1)
    assert made.identity.key is not None
    key = made.identity.key.model_copy(update={"version": 2})
    newer = made.model_copy(update={"identity": made.identity.model_copy(update={"key": key})})
    assert "version 1 of the secret, the product file has 2" in refused(tmp_path, book, newer, "export.key").reasons[0]


def test_another_code_is_refused(tmp_path: Path, book: Ledger) -> None:
    made = product(tmp_path / "p")
    make_pass(book, made, 1)
    code = CODE.replace("1", "2")
    registration = made.registration.model_copy(update={"bulk_identification_code": code})
    error = refused(tmp_path, book, made.model_copy(update={"registration": registration}), "export.value")
    assert f"the product has {code}" in error.reasons[0]


@pytest.mark.parametrize(
    ("expression", "key"),
    [
        ("one-key-for-all", "one-key-for-all"),
        ("{{ mac.wlan0 }}", "b827eb000003"),
        ("{{ facts.imei }}", "352099001761481"),
        ("K-{{ facts.serial }}", "K-S1"),
        ("{{ lot | replace('/', '-') }}-{{ facts['a b'] }}", "2026-11-A-x"),
    ],
)
def test_keys_that_are_not_derived_come_out_as_they_were(
    tmp_path: Path, book: Ledger, expression: str, key: str
) -> None:
    made = product(tmp_path / "p", identity__registration_key=expression)
    make_pass(book, made, 1, values={"imei": "352099001761481", "a b": "x"})
    done = export(book, made, LOT, tmp_path / "out")
    assert rows_of(done.files[0])[0]["REGISTRATION_KEY"] == key


def test_an_expression_that_changed_since_is_refused(tmp_path: Path, book: Ledger) -> None:
    make_pass(book, product(tmp_path / "p", identity__registration_key="{{ mac.wlan0 }}"), 1)
    changed = product(tmp_path / "q", identity__registration_key="{{ facts.imei }}")
    assert "unknown name facts.imei" in refused(tmp_path, book, changed, "export.value").reasons[0]


def test_names_that_differ_only_in_case_would_collide(tmp_path: Path, book: Ledger) -> None:
    made = product(tmp_path / "p")
    make_pass(book, made, 1)
    make_pass(book, made, 2)
    first, second = book.passed_units(LOT)
    keys = KeySource.open(made.identity.key, made.folder)
    twins = [replace(first, device_name="Unit one"), replace(second, device_name="unit ONE")]
    with pytest.raises(RowsRefused) as caught:
        upload_table(twins, made, keys)
    assert caught.value.code == "export.duplicate"
    assert caught.value.reasons == ("DEVICE_NAME Unit one: row 2, row 3",)
    table = upload_table([first, second], made, keys)
    assert list(table.columns) == list(REMOTEIT_BULK.names) and not table.isna().any().any()
    assert {str(kind) for kind in table.dtypes} == {"str"}


def test_texts_that_look_like_numbers_or_nothing_stay_texts(tmp_path: Path, book: Ledger) -> None:
    made = product(tmp_path / "p")
    make_pass(book, made, 1)
    (unit,) = book.passed_units(LOT)
    odd = replace(unit, device_name="NA", categories={"A": "1E5", "B": "nan", "C": "007", "J": "None"})
    keys = KeySource.open(made.identity.key, made.folder)
    (row,) = upload_table([odd], made, keys).itertuples(index=False, name=None)
    assert row[2:6] == ("NA", "1E5", "nan", "007") and row[12] == "None"


def test_a_ledger_that_was_written_by_hand(tmp_path: Path, book: Ledger) -> None:
    made = product(tmp_path / "p")
    make_pass(book, made, 1)
    (unit,) = book.passed_units(LOT)
    keys = KeySource.open(made.identity.key, made.folder)
    for changed in ({"hardware_id": "a/b"}, {"device_name": "=1+1"}, {"categories": {"A": "x,y"}}):
        with pytest.raises(RowsRefused) as caught:
            upload_table([replace(unit, **changed)], made, keys)
        assert caught.value.code == "export.value"


def test_a_large_lot_is_split_and_every_part_recorded(
    tmp_path: Path, book: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = importlib.import_module("factory.lots.export")  # the name is the function's within the package

    monkeypatch.setattr(room, "REMOTEIT_BULK", replace(REMOTEIT_BULK, max_rows=2))
    made = product(tmp_path / "p")
    for number in range(1, 6):
        make_pass(book, made, number)
    done = export(book, made, LOT, tmp_path / "out")
    assert [path.name for path in done.files] == [f"2026-11_A-upload-00{number}.csv" for number in (1, 2, 3)]
    assert [len(rows_of(path)) for path in done.files] == [2, 2, 1]
    assert [record.number for record in book.uploads(LOT)] == [1, 2, 3]
    listed = [unit for record in book.uploads(LOT) for unit in record.units]
    assert listed == [unit.unit for unit in book.passed_units(LOT)]
    assert openpyxl.load_workbook(done.workbook)["upload"].max_row == 6


def test_an_export_that_was_cut_short_is_done_again(
    tmp_path: Path, book: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = product(tmp_path / "p")
    make_pass(book, made, 1)
    with monkeypatch.context() as patch:

        def cut(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(Ledger, "mark_exported", cut)
        with pytest.raises(KeyboardInterrupt):
            export(book, made, LOT, tmp_path / "out")
    assert book.uploads(LOT) == ()
    assert export(book, made, LOT, tmp_path / "out").rows == 1


def test_somebody_elses_file_is_not_overwritten(tmp_path: Path, book: Ledger) -> None:
    made = product(tmp_path / "p")
    make_pass(book, made, 1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "2026-11_A-upload-001.csv").write_text("mine")
    with pytest.raises(ExportError) as caught:
        export(book, made, LOT, tmp_path / "out")
    assert caught.value.code == "export.exists"
    assert (tmp_path / "out" / "2026-11_A-upload-001.csv").read_text() == "mine" and book.uploads(LOT) == ()


def test_a_folder_that_cannot_be_made(tmp_path: Path, book: Ledger) -> None:
    made = product(tmp_path / "p")
    make_pass(book, made, 1)
    (tmp_path / "out").write_text("")
    with pytest.raises(FileError):
        export(book, made, LOT, tmp_path / "out")
    assert book.uploads(LOT) == ()


def test_without_the_secret_nothing_goes_out(tmp_path: Path, book: Ledger) -> None:
    made = product(tmp_path / "p")
    make_pass(book, made, 1)
    (made.folder / "master.secret").unlink()
    with pytest.raises(FactoryError, match="cannot read the secret"):
        export(book, made, LOT, tmp_path / "out")
