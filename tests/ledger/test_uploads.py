"""Rows on their way into the cloud: in order of passing, once each, all or none."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from factory.errors import UsageError
from factory.ledger import Ledger, UploadFile
from factory.values import RowState
from tests.ledger import made
from tests.ledger.made import LOT, admit, make_pass

pytestmark = pytest.mark.usefixtures("both_engines")

SHA = "f" * 64


def test_passed_units_come_in_the_order_of_passing(ledger: Ledger) -> None:
    early, late = admit(ledger, 1), admit(ledger, 2, serial="SN2", slot="B")
    for attempt in (late, early):
        made.to_proved(ledger, attempt)
        ledger.passed(attempt.id, made.receipt(), made.proof())
    ledger.failed(admit(ledger, 3, serial="SN3").id, "x", "y")
    units = ledger.passed_units(LOT)
    assert [unit.hardware_id for unit in units] == ["hw-2", "hw-1"]
    first = units[0]
    assert (first.attempt, first.unit, first.slot, first.row, first.upload) == (
        late.id,
        late.unit,
        "B",
        RowState.UNLISTED,
        None,
    )
    assert first.macs == {"eth0": "b8:27:eb:00:00:02"}
    assert (first.bulk_identification_code, first.device_name) == (made.CODE, "router 2")
    assert (first.key_version, first.fingerprint, first.image) == (1, made.FINGERPRINT, made.IMAGE)
    with pytest.raises(UsageError, match="no lot nowhere"):
        ledger.passed_units("nowhere")


def test_a_unit_stands_in_one_upload(ledger: Ledger) -> None:
    ids = [make_pass(ledger, number, serial=f"SN{number}").unit or 0 for number in (1, 2, 3)]
    assert ledger.next_upload(LOT) == 1
    files = [
        UploadFile(f"{LOT}-001.csv", 1, SHA, (ids[0], ids[1]), {f"{LOT}-001.xlsx": "e" * 64}),
        UploadFile(f"{LOT}-002.csv", 2, SHA, (ids[2],)),
    ]
    ledger.mark_exported(LOT, files)
    assert ledger.next_upload(LOT) == 3
    assert [unit.row for unit in ledger.passed_units(LOT)] == [RowState.EXPORTED] * 3
    assert [unit.upload for unit in ledger.passed_units(LOT)] == [files[0].name, files[0].name, files[1].name]
    assert ledger.passed_units(LOT, states={RowState.UNLISTED}) == ()
    assert [upload.units for upload in ledger.uploads(LOT)] == [(ids[0], ids[1]), (ids[2],)]
    assert ledger.uploads()[0].companions == {f"{LOT}-001.xlsx": "e" * 64}
    fourth = make_pass(ledger, 4, serial="SN4").unit or 0
    before = ledger.uploads()
    for file, why in (
        (UploadFile("new.csv", 3, SHA, (fourth, ids[1])), "already stands in 2026-11-001.csv, row 2"),
        (UploadFile(files[0].name, 3, SHA, (fourth,)), "was made at"),
        (UploadFile("new.csv", 2, SHA, (fourth,)), "number 2"),
        (UploadFile("new.csv", 3, SHA, (fourth, 99)), "unit 99 has not passed"),
    ):
        with pytest.raises(UsageError, match=why) as caught:
            ledger.mark_exported(LOT, [file])
        assert caught.value.code == "ledger.already-exported"
    with pytest.raises(ValueError, match="twice"):
        ledger.mark_exported(LOT, [UploadFile("new.csv", 3, SHA, (fourth, fourth))])
    assert ledger.uploads() == before
    history = ledger.trace(f"{LOT}-001.xlsx").units
    assert [unit.unit for unit in history] == [ids[0], ids[1]]
    assert history[1].uploads == ((files[0].name, 2, RowState.EXPORTED),)


def test_the_database_itself_refuses_a_second_live_row(ledger: Ledger) -> None:
    unit = make_pass(ledger, 1).unit or 0
    ledger.mark_exported(LOT, [UploadFile("a.csv", 1, SHA, (unit,))])
    copy = (
        "INSERT INTO upload_rows (upload, position, unit, attempt, state, changed) "
        "SELECT upload, 2, unit, attempt, :state, changed FROM upload_rows"
    )
    with made.bare(ledger) as connection:
        assert "unique" in made.refused(connection, copy, state="uploaded").lower()
        connection.execute(text("UPDATE upload_rows SET state = 'rejected'"))
    assert ledger.passed_units(LOT)[0].row is RowState.REJECTED
    ledger.mark_exported(LOT, [UploadFile("b.csv", 2, SHA, (unit,))])
    (again,) = ledger.passed_units(LOT)
    assert (again.row, again.upload) == (RowState.EXPORTED, "b.csv")


def test_many_rows_are_checked_in_parts(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    from factory.ledger import uploads

    monkeypatch.setattr(uploads, "_CHUNK", 2)
    ids = tuple(make_pass(ledger, number, serial=f"SN{number}").unit or 0 for number in range(1, 6))
    ledger.mark_exported(LOT, [UploadFile("a.csv", 1, SHA, ids[4:])])
    with pytest.raises(UsageError, match=f"unit {ids[4]} already"):
        ledger.mark_exported(LOT, [UploadFile("b.csv", 2, SHA, ids)])


def test_show_counts_by_state(ledger: Ledger) -> None:
    unit = make_pass(ledger, 1).unit or 0
    ledger.failed(admit(ledger, 2, serial="SN2").id, "x", "y")
    ledger.mark_exported(LOT, [UploadFile("a.csv", 1, SHA, (unit,))])
    overview = ledger.show(last=1)
    (summary,) = overview.lots
    assert summary.attempts == {"failed": 1, "passed": 1}
    assert summary.units == {"open": 1, "passed": 1}
    assert summary.rows == {"exported": 1}
    assert [attempt.hardware_id for attempt in overview.attempts] == ["hw-2"]
    assert overview.location == ledger.location
    assert overview.as_json()["ledger"] == ledger.location
