"""Answers of a portal in whatever form they come, the file of refused rows, and the manifest."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from factory.config import Product
from factory.errors import UsageError
from factory.ledger import Ledger, Verdict, VerdictsRefused
from factory.ledger.schema import events
from factory.lots import ExportError, export, read_verdicts, take_verdicts
from factory.sheets import REMOTEIT_BULK, SheetError, decode_csv
from factory.values import RowState, canonical
from tests.lots.made import LOT, ledger, make_pass, product

IDS = [f"b827eb{2 * number:06x}" for number in (1, 2, 3)]


@pytest.fixture
def made(tmp_path: Path) -> Product:
    return product(tmp_path / "p")


@pytest.fixture
def book(tmp_path: Path, made: Product) -> Iterator[Ledger]:
    with ledger(tmp_path) as opened:
        for number in (1, 2, 3):
            make_pass(opened, made, number)
        export(opened, made, LOT, tmp_path / "out")
        yield opened
        assert opened.verify() == ()


def answer(folder: Path, text: str, name: str = "answer.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_refused_rows_go_out_again(tmp_path: Path, book: Ledger, made: Product) -> None:
    with pytest.raises(ExportError, match=r"has refused no unit"):
        export(book, made, LOT, tmp_path / "again", only_rejected=True)
    text = f" Hardware ID ,Status,Error Message\n{IDS[0]},Preregistered,\nB8:27:EB:00:00:04,REJECTED,duplicate\n"
    taken = take_verdicts(book, LOT, answer(tmp_path, text))
    assert taken.rejected == ((IDS[1], "duplicate"),)
    assert taken.silent == (IDS[2],)
    done = export(book, made, LOT, tmp_path / "again", only_rejected=True)
    assert [row[1] for row in decode_csv(done.files[0].read_bytes(), REMOTEIT_BULK)] == [IDS[1]]
    assert done.files[0].name == "2026-11_A-upload-002.csv"
    with pytest.raises(ExportError, match=r"is in an upload already"):
        export(book, made, LOT, tmp_path / "again")


def test_a_workbook_as_an_answer(tmp_path: Path, book: Ledger) -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    for row in (
        ("Portal's report",),
        (),
        ("Device", "HARDWARE_ID", "State"),
        ("x", IDS[0], "online"),
        ("y", IDS[1], "?"),
    ):
        sheet.append(row)
    workbook.save(tmp_path / "answer.xlsx")
    with pytest.raises(SheetError, match=r'row 5: status "\?" is not known'):
        read_verdicts(tmp_path / "answer.xlsx")
    sheet["C5"] = "pending"
    workbook.save(tmp_path / "answer.xlsx")
    assert read_verdicts(tmp_path / "answer.xlsx") == (
        Verdict(IDS[0], RowState.ONLINE, row=4),
        Verdict(IDS[1], RowState.UNKNOWN, row=5),
    )
    sheet["B5"] = "=B4"
    workbook.save(tmp_path / "answer.xlsx")
    with pytest.raises(SheetError, match=r"B5"):
        read_verdicts(tmp_path / "answer.xlsx")
    sheet["B5"] = 112233445566
    workbook.save(tmp_path / "answer.xlsx")
    with pytest.raises(SheetError, match=r"HARDWARE_ID \(B5\): .* a number cell"):
        take_verdicts(book, LOT, tmp_path / "answer.xlsx")


def test_a_plain_list_of_ids(tmp_path: Path, book: Ledger) -> None:
    path = answer(tmp_path, f"{IDS[0]}\n{IDS[2]}\n", "refused.txt")
    with pytest.raises(SheetError, match=r"does not say what became of them") as caught:
        take_verdicts(book, LOT, path)
    assert "--state" in caught.value.hint
    taken = take_verdicts(book, LOT, path, listed_as=RowState.REJECTED)
    assert taken.changed == {RowState.REJECTED: 2}
    named = answer(tmp_path, f"hardware_id\n{IDS[1]}\n", "ok.txt")
    assert take_verdicts(book, LOT, named, listed_as=RowState.UPLOADED).changed == {RowState.UPLOADED: 1}


def test_what_is_no_answer(tmp_path: Path, book: Ledger) -> None:
    with pytest.raises(SheetError, match=r"no columns for hardware id and status"):
        read_verdicts(answer(tmp_path, "a,b\n1,2\n"))
    with pytest.raises(SheetError, match=r"holds no answer"):
        read_verdicts(answer(tmp_path, "hardware_id,status\n"))
    with pytest.raises(SheetError, match=r"row 2, HARDWARE_ID"):
        read_verdicts(answer(tmp_path, "hardware_id,status\n,rejected\n"))
    with pytest.raises(SheetError):
        read_verdicts(answer(tmp_path, "%PDF-1.7"))
    path = answer(tmp_path, "hardware_id,status\nffeeddccbbaa,rejected\n")
    with pytest.raises(VerdictsRefused, match=r"row 2, ffeeddccbbaa: is not in an upload of lot 2026-11/A"):
        take_verdicts(book, LOT, path)
    with pytest.raises(UsageError, match=r"no lot nowhere"):
        take_verdicts(book, "nowhere", path)


def test_a_reason_is_fit_for_a_terminal_and_repeats_no_key(tmp_path: Path) -> None:
    key = "K7SECRETSECRET"
    text = f"hardware_id,status,reason,registration_key\nx1,failed,key {key} \x1b[31mtaken{'!' * 600},{key}\n"
    (verdict,) = read_verdicts(answer(tmp_path, text))
    assert key not in verdict.reason and "\x1b" not in verdict.reason
    assert len(verdict.reason) < 600


@given(content=st.binary(max_size=400) | st.text('hardware_id,status\n\r"; 0123ab', max_size=120).map(str.encode))
def test_no_bytes_break_the_reader(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("answer") / "answer.csv"
    path.write_bytes(content)
    try:
        verdicts = read_verdicts(path, RowState.REJECTED)
    except SheetError as error:
        assert error.message
    else:
        assert verdicts


def test_the_manifest_names_what_went_out(tmp_path: Path, book: Ledger, made: Product) -> None:
    path = tmp_path / "out" / "2026-11_A-upload-001.manifest.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    document = json.loads(path.read_bytes())
    assert path.read_bytes() == canonical(document) + b"\n"
    (file,) = document["files"]
    csv = tmp_path / "out" / file["name"]
    assert (file["rows"], file["first"], file["last"]) == (3, IDS[0], IDS[2])
    assert file["sha256"] == hashlib.sha256(csv.read_bytes()).hexdigest()
    (companion,) = document["companions"]
    workbook = tmp_path / "out" / companion["name"]
    assert companion["sha256"] == hashlib.sha256(workbook.read_bytes()).hexdigest()
    head = book.head()
    with book._store.reading() as connection:
        before = connection.execute(select(events.c.prev).where(events.c.seq == head.seq)).scalar_one()
    # The manifest's own event comes behind the end of the chain that it names.
    assert document["ledger_head"] == {"station": "S1", "seq": head.seq - 1, "sha256": before}
    assert (document["lot"], document["product"], document["template_sha256"]) == (LOT, "router", "b" * 64)
    keys = {row[0] for row in decode_csv(csv.read_bytes(), REMOTEIT_BULK)}
    assert not any(key in path.read_text() for key in keys)
