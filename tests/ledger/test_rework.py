"""What becomes of a unit that failed, came back, or must not go out."""

from __future__ import annotations

import pytest

from factory.errors import UsageError
from factory.ledger import Ledger, Refused, UploadFile
from factory.values import RowState, UnitState
from tests.ledger.made import LOT, admit, make_pass, to_proved

pytestmark = pytest.mark.usefixtures("both_engines")


def _exported(ledger: Ledger, *numbers: int) -> None:
    for number in numbers:
        make_pass(ledger, number, serial=f"SN{number}")
    units = tuple(unit.unit for unit in ledger.passed_units(LOT))
    ledger.mark_exported(LOT, [UploadFile("a.csv", 1, "f" * 64, units)])


def test_a_reworked_unit_is_made_again_and_listed_anew(ledger: Ledger) -> None:
    _exported(ledger, 1, 2)
    with pytest.raises(Refused, match="already passed") as refused:
        admit(ledger, 1, serial="SN1")
    assert "factory unit rework hw-1" in refused.value.hint
    done = ledger.change_unit("b8-27-eb-00-00-01", UnitState.REWORK, "new flash chip")
    assert (done.was, done.now, done.add) == (UnitState.PASSED, UnitState.REWORK, True)
    (row,) = done.delete
    assert (row.hardware_id, row.upload, row.position, row.state) == ("hw-1", "a.csv", 1, RowState.EXPORTED)
    assert [unit.hardware_id for unit in ledger.passed_units(LOT)] == ["hw-2"]
    again = make_pass(ledger, 1, serial="SN1")
    assert (again.number, again.unit) == (2, done.unit)
    waiting = ledger.passed_units(LOT, states=(RowState.UNLISTED, RowState.NEEDS_REPUBLISH))
    assert [unit.hardware_id for unit in waiting] == ["hw-1"]
    ledger.mark_exported(LOT, [UploadFile("b.csv", 2, "e" * 64, (done.unit,))])
    assert {unit.hardware_id: unit.upload for unit in ledger.passed_units(LOT)} == {"hw-1": "b.csv", "hw-2": "a.csv"}
    kinds = [event.kind for event in ledger.trace("hw-1").units[0].events]
    assert "unit.rework" in kinds


def test_a_quarantined_unit_goes_nowhere_until_it_is_released(ledger: Ledger) -> None:
    _exported(ledger, 1)
    failed = admit(ledger, 2, serial="SN2")
    ledger.failed(failed.id, "x", "y")
    for value, before in (("SN1", UnitState.PASSED), ("hw-2", UnitState.OPEN)):
        ledger.change_unit(value, UnitState.QUARANTINED, "label differs")
        number = int(value[-1])
        with pytest.raises(Refused) as refused:
            admit(ledger, number, serial=f"SN{number}")
        assert refused.value.code == "ledger.quarantined"
        assert not [unit for unit in ledger.passed_units(LOT) if unit.hardware_id == f"hw-{number}"]
        with pytest.raises(Refused, match="cannot become"):
            ledger.change_unit(value, UnitState.REWORK, "no")
        assert ledger.release_unit(value, "checked").now is before
    (unit,) = ledger.passed_units(LOT)
    assert unit.row is RowState.EXPORTED  # nothing had to change at the portal


def test_a_scrapped_unit_is_gone_and_its_successor_is_found_by_its_values(ledger: Ledger) -> None:
    _exported(ledger, 1)
    new = make_pass(ledger, 7, serial="SN7")
    done = ledger.change_unit("router 1", UnitState.SCRAPPED, "burnt", replaced_by="SN7")
    assert done.replaced_by == "hw-7" and not done.add and len(done.delete) == 1
    found = ledger.trace("b8:27:eb:00:00:01")
    assert {unit.unit for unit in found.units} == {done.unit, new.unit}
    with pytest.raises(Refused) as refused:
        admit(ledger, 1, serial="SN1")
    assert refused.value.code == "ledger.scrapped"
    with pytest.raises(Refused, match="cannot become"):
        ledger.change_unit("hw-1", UnitState.REWORK, "no")
    # Its name is free, its addresses never are.
    assert admit(ledger, 8, serial="SN8", name="router 1").unit not in (done.unit, new.unit)
    with pytest.raises(Refused):
        admit(ledger, 1, serial="SN99", hardware_id="hw-99", name="another")


def test_what_makes_no_sense_is_refused(ledger: Ledger) -> None:
    first = admit(ledger, 1)
    with pytest.raises(Refused, match="is in work"):
        ledger.change_unit("hw-1", UnitState.REWORK, "now")
    with pytest.raises(UsageError, match="no unit of the ledger owns"):
        ledger.change_unit("hw-77", UnitState.REWORK, "who")
    with pytest.raises(UsageError, match="a reason is needed"):
        ledger.change_unit("hw-1", UnitState.SCRAPPED, "  ")
    ledger.failed(first.id, "x", "y")
    with pytest.raises(Refused, match="not in quarantine"):
        ledger.release_unit("hw-1", "why")
    with pytest.raises(UsageError, match="own place"):
        ledger.change_unit("hw-1", UnitState.SCRAPPED, "burnt", replaced_by="SN1")
    second = admit(ledger, 2, serial="SN2")
    to_proved(ledger, second)
    with pytest.raises(UsageError, match="only a scrapped"):
        ledger.change_unit("hw-1", UnitState.REWORK, "swap", replaced_by="SN2")
