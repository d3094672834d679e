"""Recall: whole lists, by every cause, counted in two ways."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import openpyxl
import pytest
from sqlalchemy import text

from factory.errors import UsageError
from factory.ledger import Cause, Ledger, UploadFile
from factory.lots.recall import write_recall
from factory.values import AttemptState
from tests.ledger import made
from tests.ledger.made import BINDING, IMAGE, LOT, admit, make_pass

pytestmark = pytest.mark.usefixtures("both_engines")

OTHER = "e" * 64


def _filled(ledger: Ledger) -> None:
    for number in (1, 2, 3):
        make_pass(ledger, number, serial=f"SN{number}", slot="A" if number < 3 else "B")
    half = admit(ledger, 4, serial="SN4", slot="B")
    ledger.advance(half.id, AttemptState.FLASHING, image=OTHER)
    ledger.failed(half.id, "flash.cut", "the cable was pulled")
    untouched = admit(ledger, 5, serial="SN5", slot="B")
    ledger.failed(untouched.id, "flash.preflight", "no room")


@pytest.mark.parametrize(
    ("cause", "ids"),
    [
        (Cause(image=IMAGE), ["hw-1", "hw-2", "hw-3"]),
        (Cause(image=OTHER.upper()), ["hw-4"]),
        (Cause(slot="B"), ["hw-3", "hw-4"]),
        (Cause(slot="B", image=IMAGE), ["hw-3"]),
        (Cause(lot=LOT), ["hw-1", "hw-2", "hw-3", "hw-4"]),
        (Cause(station="S1", slot="A", image=OTHER), []),
        (Cause(template=BINDING.template_sha256), ["hw-1", "hw-2", "hw-3", "hw-4"]),
        (Cause(upload="a.csv"), ["hw-1", "hw-3"]),
        (Cause(upload="f" * 64), ["hw-1", "hw-3"]),
    ],
)
def test_by_every_cause(ledger: Ledger, cause: Cause, ids: list[str]) -> None:
    _filled(ledger)
    passed = {unit.hardware_id: unit.unit for unit in ledger.passed_units(LOT)}
    ledger.mark_exported(LOT, [UploadFile("a.csv", 1, "f" * 64, (passed["hw-1"], passed["hw-3"]))])
    found = ledger.recall(cause)
    assert [one.hardware_id for one in found.attempts] == ids
    assert found.proved and found.units == len(ids)
    assert (found.flashed, found.others, found.told) == (4, 4 - len(ids), len(ids))


def test_between_two_moments(ledger: Ledger) -> None:
    _filled(ledger)
    now, hour = datetime.now(UTC), timedelta(hours=1)
    assert ledger.recall(Cause(between=(now - hour, now + hour))).units == 4
    assert ledger.recall(Cause(between=(now + hour, now + 2 * hour))).units == 0
    assert ledger.recall(Cause(slot="A", between=(now - hour, now + hour))).units == 2


def test_a_template_changed_on_the_way_is_kept_per_attempt(ledger: Ledger) -> None:
    make_pass(ledger, 1)
    changed = type(BINDING)(BINDING.product, BINDING.product_sha256, "9" * 64, BINDING.key_version)
    ledger.bind_lot(LOT, changed, accept_reason="a new logo")
    make_pass(ledger, 2, serial="SN2")
    assert [one.hardware_id for one in ledger.recall(Cause(template="9" * 64)).attempts] == ["hw-2"]
    assert [one.hardware_id for one in ledger.recall(Cause(template=BINDING.template_sha256)).attempts] == ["hw-1"]


def test_a_unit_that_came_back_counts_once(ledger: Ledger) -> None:
    first = admit(ledger, 1)
    ledger.advance(first.id, AttemptState.FLASHING, image=IMAGE)
    ledger.failed(first.id, "x", "y")
    make_pass(ledger, 1)
    found = ledger.recall(Cause(image=IMAGE))
    assert (found.units, len(found.attempts)) == (1, 2)


def test_a_recall_without_a_cause_or_of_nothing_known(ledger: Ledger) -> None:
    with pytest.raises(UsageError, match="needs a cause"):
        ledger.recall(Cause())
    make_pass(ledger, 1)
    for cause in (Cause(slot="Z"), Cause(station="S9"), Cause(template="0" * 64), Cause(image=OTHER), Cause(lot="L")):
        with pytest.raises(UsageError, match="no attempt with") as caught:
            ledger.recall(cause)
        assert "There are: " in caught.value.hint
    with pytest.raises(UsageError, match="no upload"):
        ledger.recall(Cause(upload="never.csv"))


def test_what_the_chain_does_not_tell_is_not_proved(ledger: Ledger) -> None:
    make_pass(ledger, 1)
    with made.bare(ledger) as connection:
        connection.execute(text("UPDATE attempts SET image = :image"), {"image": OTHER})
    found = ledger.recall(Cause(image=OTHER))
    assert (found.told, found.proved) == (0, False)
    with made.bare(ledger) as connection:
        connection.execute(text("UPDATE attempts SET image = :image"), {"image": IMAGE})


def test_the_files(ledger: Ledger, tmp_path: Path) -> None:
    _filled(ledger)
    found = ledger.recall(Cause(lot=LOT))
    files = write_recall(found, tmp_path / "recall")
    rows = list(csv.reader(io.StringIO(files.csv.read_text())))
    book = openpyxl.load_workbook(files.workbook)
    cells = [[cell.value or "" for cell in row] for row in book["recall"].iter_rows()]
    assert rows == cells and len(rows) == 5
    assert {cell.data_type for row in book["recall"].iter_rows() for cell in row if cell.value} == {"s"}
    proof = json.loads(files.proof.read_text())
    assert proof["proved"] is True and set(proof["files"]) == {"recall.csv", "recall.xlsx"}
    assert {path.stat().st_mode & 0o777 for path in files.paths} == {0o600}


def test_an_operator_who_is_a_formula_stays_text(tmp_path: Path) -> None:
    with made.opened(tmp_path, operator="=1+1") as ledger:
        make_pass(ledger, 1)
        files = write_recall(ledger.recall(Cause(lot=LOT)), tmp_path / "recall")
    assert ",'=1+1," in files.csv.read_text()
    book = openpyxl.load_workbook(files.workbook)
    assert "=1+1" in {cell.value for cell in book["recall"][2]}
    assert all(cell.data_type == "s" for cell in book["recall"][2] if cell.value)
