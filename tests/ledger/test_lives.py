"""The whole life of a unit: its attempts, its rows at the portal, its cards, the board whose place it took."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from factory.ledger import Ledger, OrderFile, OrderKey, OrderRow, UploadFile, Verdict, tracing
from factory.values import Event, RowState, UnitState
from tests.ledger import made
from tests.ledger.made import LOT, admit, make_pass, opened

on_both = pytest.mark.usefixtures("both_engines")
SHA = "e" * 64


@pytest.fixture
def shipped(ledger: Ledger) -> int:
    """Two units in an upload, the first one's number."""
    units = []
    for number in (1, 2):
        unit = make_pass(ledger, number, serial=f"SN{number}").unit
        assert unit is not None
        units.append(unit)
    ledger.mark_exported(LOT, [UploadFile("a.csv", 1, SHA, tuple(units), {"a.xlsx": "f" * 64})])
    return units[0]


def life(ledger: Ledger, value: str) -> tuple[Event, ...]:
    (history,) = ledger.trace(value).units
    return history.events


def kinds(ledger: Ledger, value: str) -> list[str]:
    return [one.kind for one in life(ledger, value) if not one.kind.startswith("attempt.")]


@on_both
def test_what_the_portal_and_the_cloud_said_of_this_unit_and_no_other(ledger: Ledger, shipped: int) -> None:
    answers = [Verdict("hw-1", RowState.REJECTED, "no such model"), Verdict("hw-2", RowState.UPLOADED)]
    ledger.take_verdicts(LOT, answers, file="answer.csv", sha256="1" * 64)
    ledger.confirm_rows(LOT, {2: RowState.ONLINE}, source="remote.it")
    assert kinds(ledger, "hw-1") == ["upload.exported", "upload.verdicts"]
    exported, refused = life(ledger, "hw-1")[-2:]
    assert exported.data["files"] == [{"name": "a.csv", "sha256": SHA, "row": 1}]
    assert (refused.data["state"], refused.data["reason"]) == ("rejected", "no such model")
    assert kinds(ledger, "SN2") == ["upload.exported", "upload.verdicts", "upload.confirmed"]
    assert [one.data["state"] for one in life(ledger, "SN2")[-2:]] == ["uploaded", "online"]
    assert "hw-1" not in str(life(ledger, "SN2")[-2:])


@pytest.mark.parametrize("value", ["a.csv", SHA, SHA.upper(), "a.xlsx", "f" * 64])
def test_a_file_finds_its_units(ledger: Ledger, shipped: int, value: str) -> None:
    found = ledger.trace(value)
    assert len(found.units) == 2 and found.events == () and found.strangers == ()


def test_an_answer_is_found_by_its_own_name(ledger: Ledger, shipped: int) -> None:
    ledger.take_verdicts(LOT, [Verdict("hw-1", RowState.UPLOADED)], file="answer.csv", sha256="1" * 64)
    (told,) = ledger.trace("answer.csv").events
    assert told.kind == "upload.verdicts"
    assert ledger.trace("1" * 64).events == (told,)


@on_both
def test_a_row_of_an_order_is_known_before_its_unit(ledger: Ledger) -> None:
    order = OrderFile(LOT, "router", "order.xlsx", "2" * 64, "order")
    ledger.import_order(order, [OrderRow(5, {"SERIAL": "SN9"}, (OrderKey("serial", "sn9"),))])
    (row,) = ledger.trace("SN-9").orders
    assert (row.lot, row.file, row.row, row.unit) == (LOT, "order.xlsx", 5, None)
    assert [one.kind for one in ledger.trace("2" * 64).events] == ["order.imported"]
    make_pass(ledger, 9, serial="SN9")
    found = ledger.trace("sn9")
    assert found.orders == () and len(found.units) == 1


@on_both
def test_a_replaced_board_leads_to_the_new_one_and_back(ledger: Ledger, shipped: int) -> None:
    make_pass(ledger, 3, serial="SN3")
    ledger.change_unit("hw-1", UnitState.REWORK, "no Wi-Fi")
    ledger.change_unit("hw-1", UnitState.SCRAPPED, "board burned", replaced_by="hw-3")
    assert [history.attempts[0].hardware_id for history in ledger.trace("SN1").units] == ["hw-1", "hw-3"]
    replaced = life(ledger, "SN3")[-1]
    assert replaced.kind == "unit.scrapped" and replaced.data["hardware_id"] == "hw-1"
    (old, _) = ledger.trace("SN1").units
    assert [one.kind for one in old.events[-2:]] == ["unit.rework", "unit.scrapped"]


def test_a_card_that_was_written_before_the_unit_was_seen_is_in_its_life(ledger: Ledger) -> None:
    ledger.record("flash.begun", slot="card-1", data={"hardware_id": "hw-1", "image": made.IMAGE}, about={"hw-1"})
    assert [one.kind for one in ledger.trace("hw-1").events] == ["flash.begun"]
    make_pass(ledger, 1)
    assert [one.kind for one in life(ledger, "hw-1")][:2] == ["flash.begun", "attempt.admitted"]
    assert ledger.trace("hw-1").events == ()


def test_events_between_attempts_stand_where_they_were_told(ledger: Ledger) -> None:
    make_pass(ledger, 1)
    ledger.change_unit("hw-1", UnitState.REWORK, "came back")
    again = admit(ledger, 1)
    ledger.failed(again.id, "flash.cable", "pulled")
    seqs = [one.seq or 0 for one in life(ledger, "hw-1")]
    assert seqs == sorted(seqs)


@on_both
def test_templates_find_their_lot_and_say_how_many(ledger: Ledger, shipped: int) -> None:
    found = ledger.trace(made.BINDING.template_sha256)
    assert [one.kind for one in found.events] == ["lot.bound"] and found.more == 2


def test_an_image_of_very_many_units_is_a_recall(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2, 3):
        make_pass(ledger, number, serial=f"SN{number}")
    monkeypatch.setattr(tracing, "LIMIT", 2)
    found = ledger.trace(made.IMAGE)
    assert (len(found.units), found.more) == (2, 1)


def test_no_question_reads_a_table_to_its_end(tmp_path: Path) -> None:
    """Whatever is asked: the plan of each statement goes by an index, but for tables that hold a few rows."""
    with opened(tmp_path) as ledger:
        make_pass(ledger, 1)
        unit = ledger.passed_units(LOT)[0].unit
        ledger.mark_exported(LOT, [UploadFile("a.csv", 1, SHA, (unit,))])
        engine = ledger._store.database.engine
        asked: list[tuple[str, Any]] = []

        def note(_c: object, _cursor: object, statement: str, parameters: Any, _x: object, _m: bool) -> None:
            asked.append((statement, parameters))

        event.listen(engine, "before_cursor_execute", note)
        for value in ("hw-1", "b8:27:eb:00:00:01", "a.csv", SHA, made.IMAGE, "nobody knows it", "1" * 64):
            ledger.trace(value)
        event.remove(engine, "before_cursor_execute", note)
        with engine.connect() as connection:
            scans = {
                str(row[3])
                for statement, parameters in asked
                if statement.lstrip().startswith("SELECT")
                for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                if str(row[3]).startswith("SCAN ")
            }
    allowed = re.compile(r"SCAN (orders|anon_\d+|\(subquery|\d+ CONSTANT|CONSTANT)")
    assert {one for one in scans if not allowed.match(one)} == set()
