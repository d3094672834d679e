from __future__ import annotations

from pathlib import Path

import pytest

from factory.errors import UsageError
from factory.ledger import Ledger
from factory.ledger.shift_records import STEPS
from factory.values import AttemptState, UnitState
from tests.ledger import made
from tests.ledger.made import LOT


@pytest.mark.usefixtures("both_engines")
def test_a_lots_records_are_columns_of_texts_in_order(tmp_path: Path) -> None:
    with made.opened(tmp_path) as book:
        good = made.make_pass(book, 1, serial="SN1")
        bad = made.admit(book, 2, serial="SN2", slot="B")
        book.failed(bad.id, "flash.cut", "it went away")
        facts = made.facts(1, serial="SN1")
        away = book.turn_away(lot=LOT, slot="C", code="unit.passed", text="it has passed", facts=facts)
        silent = book.turn_away(lot=LOT, slot="C", code="unit.silent", text="no answer", state=AttemptState.FAILED)
        book.change_unit("SN1", UnitState.REWORK, "came back")
        told = book.lot_records(LOT)
        assert told.lot.name == LOT
        assert told.attempts["id"] == [str(one.id) for one in (good, bad, away, silent)]
        assert told.attempts["state"] == ["passed", "failed", "refused", "failed"]
        assert told.attempts["unit"] == [str(good.unit), str(bad.unit), None, None]
        assert told.attempts["serial_owner"] == [str(good.unit), str(bad.unit), str(good.unit), None]
        assert told.attempts["code"] == [None, "flash.cut", "unit.passed", "unit.silent"]
        assert [kind for kind, of in zip(told.steps["kind"], told.steps["attempt"], strict=True) if of == "1"] == list(
            STEPS
        )
        assert told.units["id"] == [str(good.unit), str(bad.unit)]
        assert told.changes["kind"] == ["unit.rework"]
        assert all(len(column) == 4 for column in told.attempts.values())
        assert {type(value) for column in told.attempts.values() for value in column} <= {str, type(None)}


def test_a_lot_without_attempts_has_empty_columns_with_their_names(ledger: Ledger) -> None:
    told = ledger.lot_records(LOT)
    assert set(told.attempts) >= {"id", "unit", "started", "ended", "serial_owner"}
    assert not any(told.attempts.values())
    assert set(told.steps) == {"attempt", "kind", "station", "seq", "at"}


def test_only_the_lot_that_was_asked_for(ledger: Ledger) -> None:
    made.make_pass(ledger, 1)
    ledger.bind_lot("other", made.BINDING)
    assert not any(ledger.lot_records("other").attempts.values())
    assert not any(ledger.lot_records("other").steps.values())


def test_an_unknown_lot_is_refused_by_name(ledger: Ledger) -> None:
    with pytest.raises(UsageError, match="nix"):
        ledger.lot_records("nix")
