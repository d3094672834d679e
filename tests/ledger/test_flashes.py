"""Flashes outside the line: whose record lets them begin, and what the ledger knows of them afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from factory.ledger import BY_ID, BY_MAC, Attempt, Ledger, OrderFile, OrderKey, OrderRow, Refused
from factory.values import AttemptState, Facts, UnitState
from tests.ledger import made
from tests.ledger.made import BINDING, FINGERPRINT, IMAGE, LOT, admit, facts, identity, make_pass, opened, receipt

pytestmark = pytest.mark.usefixtures("both_engines")


def again(ledger: Ledger, number: int = 1, *, shown: Facts | None = None, reason: str | None = "storage") -> Attempt:
    return ledger.admit_again(
        identity(number, serial="SN1"),
        shown or facts(number, serial="SN1"),
        slot="B",
        image=IMAGE,
        fingerprint=FINGERPRINT,
        reason=reason,
    )


def test_a_unit_that_passed_is_in_rework_from_the_first_byte_until_it_passes_again(ledger: Ledger) -> None:
    first = make_pass(ledger, 1, hook=True)
    with pytest.raises(Refused, match="has passed already") as refused:
        again(ledger, reason=None)
    assert refused.value.code == "flash.passed"
    second = again(ledger)
    assert (second.unit, second.number, second.lot) == (first.unit, 2, LOT)
    assert [unit.attempt for unit in ledger.passed_units(LOT)] == [first.id], "nothing was written yet"
    ledger.advance(second.id, AttemptState.FLASHING, image=IMAGE)
    assert ledger.passed_units(LOT) == ()
    assert ledger.hooks_to_repeat() == (), "it has to pass again first"
    ledger.failed(second.id, "flash.cut", "cut", {"receipt": {"method": "files", "bytes_sent": 3}})
    (history,) = ledger.trace("hw-1").units
    assert history.state == "rework"
    assert history.receipts[second.id] == {"method": "files", "bytes_sent": 3}
    third = again(ledger, reason=None)
    made.to_proved(ledger, third)
    (history,) = ledger.trace("hw-1").units
    assert history.receipts[third.id] == receipt().as_json(), "kept before it has passed"
    ledger.passed(third.id, receipt(), made.proof())
    (unit,) = ledger.passed_units(LOT)
    assert unit.attempt == third.id


def test_only_the_units_own_addresses_and_serial_will_do(ledger: Ledger) -> None:
    make_pass(ledger, 1)
    for shown in (facts(2, serial="SN1"), facts(1, serial="SN2"), Facts({}, serial="SN1")):
        with pytest.raises(Refused, match="not unit hw-1") as refused:
            again(ledger, shown=shown)
        assert refused.value.code == "flash.wrong-unit"
    with pytest.raises(Refused) as refused:
        ledger.unit_record("hw-2")
    assert refused.value.code == "flash.unknown-unit"
    attempt = again(ledger, shown=facts(1, 7, serial="SN1"))
    with pytest.raises(Refused, match="in work in slot B") as refused:
        again(ledger)
    assert refused.value.code == "flash.in-work"
    ledger.failed(attempt.id, "x", "y")


def test_without_a_serial_somebody_has_to_vouch_for_it(ledger: Ledger) -> None:
    attempt = admit(ledger, 1, serial=None)
    ledger.failed(attempt.id, "x", "y")
    with pytest.raises(Refused, match="a clone") as refused:
        again(ledger, shown=facts(1), reason=None)
    assert refused.value.code == "flash.same-unit"
    assert again(ledger, shown=facts(1), reason="it never left the bench").number == 2


def test_a_unit_that_was_closed_gets_nothing(ledger: Ledger) -> None:
    make_pass(ledger, 1)
    ledger.change_unit("hw-1", UnitState.QUARANTINED, "smells burned")
    with pytest.raises(Refused, match="is quarantined") as refused:
        again(ledger)
    assert refused.value.code == "flash.quarantined"


def off_ledger(ledger: Ledger, number: int) -> Attempt:
    return ledger.admit_off_ledger(
        identity(number), facts(number, serial="SN9"), binding=BINDING, slot="B", image=IMAGE, reason="no network"
    )


def test_off_the_ledger_nobody_passes_and_everything_is_found(ledger: Ledger) -> None:
    attempt = off_ledger(ledger, 5)
    made.to_proved(ledger, attempt)
    ledger.passed(attempt.id, receipt(), made.proof())
    assert ledger.passed_units(f"off-ledger {BINDING.product}") == ()
    for value in ("hw-5", made.mac(5).colons, "SN9", IMAGE):
        trace = ledger.trace(value)
        assert (trace.units, [one.id for one in trace.strangers]) == ((), [attempt.id])
        assert trace.receipts == {attempt.id: receipt().as_json()}
        told = next(event for event in trace.events if event.kind == "flash.off-ledger")
        assert told.data["reason"] == "no network" and told.data["serial"] == "SN9"
    # Its values are still free: the line may make the unit.
    assert make_pass(ledger, 5, serial="SN9").unit is not None


def test_a_unit_that_passed_is_in_no_upload_once_it_is_written_off_the_ledger(ledger: Ledger) -> None:
    for number in (1, 5):
        make_pass(ledger, number, serial=f"SN{number}")
    attempt = ledger.admit_off_ledger(
        identity(5), facts(5, serial="SN5"), binding=BINDING, slot="B", image=IMAGE, reason="a try"
    )
    assert len(ledger.passed_units(LOT)) == 2, "nothing was written yet"
    ledger.advance(attempt.id, AttemptState.FLASHING, image=IMAGE)
    assert [unit.hardware_id for unit in ledger.passed_units(LOT)] == ["hw-1"]
    ledger.failed(attempt.id, "flash.cut", "cut")
    (history,) = ledger.trace("hw-5").units
    assert history.state == "rework"
    begin(ledger, "hw-1", off="a card at the fair")
    assert ledger.passed_units(LOT) == ()


def test_a_boot_loader_that_names_a_unit_that_passed_puts_it_in_rework_off_the_ledger_too(ledger: Ledger) -> None:
    make_pass(ledger, 1)
    ledger.begin_outside(
        None, place="B", reason=None, off_ledger="a whole system", facts=facts(1), data={"image": IMAGE}
    )
    assert ledger.passed_units(LOT) == ()


def test_a_crash_off_the_ledger_is_known_until_the_unit_is_at_work_again(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        first = off_ledger(ledger, 5)
        ledger.advance(first.id, AttemptState.FLASHING, image=IMAGE)
    with opened(tmp_path) as ledger:
        assert [one.id for one in ledger.recover()] == [first.id]
        assert [finding.code for finding in ledger.doctor()] == ["LEDGER-UNKNOWN"]
        ledger.failed(off_ledger(ledger, 5).id, "x", "y")
        assert ledger.attempt(first.id).state is AttemptState.FAILED
        assert ledger.doctor() == ()


def begin(ledger: Ledger, hardware_id: str | None, *, reason: str | None = None, off: str | None = None) -> None:
    ledger.begin_outside(hardware_id, place="card-1", reason=reason, off_ledger=off, facts=None, data={"image": IMAGE})


def test_a_card_is_told_before_and_after_and_lets_nobody_pass(ledger: Ledger) -> None:
    passed = make_pass(ledger, 1)
    with pytest.raises(Refused):
        begin(ledger, "hw-1")
    begin(ledger, "hw-1", reason="new card")
    assert [finding.code for finding in ledger.doctor()] == ["LEDGER-FLASH"]
    ledger.end_outside("hw-1", place="card-1", written=True, data={"receipt": receipt().as_json()})
    assert ledger.doctor() == ()
    (history,) = ledger.trace("hw-1").units
    assert history.state == "rework"
    kinds = [event.kind for event in history.events if event.kind.startswith("flash.")]
    assert kinds == ["flash.begun", "flash.written"]
    assert {event.attempt for event in history.events if event.kind.startswith("flash.")} == {passed.id}


def test_a_second_card_with_one_identity_wants_a_reason(ledger: Ledger) -> None:
    attempt = admit(ledger, 1)
    ledger.failed(attempt.id, "x", "y")
    begin(ledger, "hw-1")
    ledger.end_outside("hw-1", place="card-1", written=False, data={"code": "card.pulled", "message": "pulled"})
    begin(ledger, "hw-1")
    written = {"receipt": {**receipt().as_json(), "method": "card"}}
    ledger.end_outside("hw-1", place="card-1", written=True, data=written)
    with pytest.raises(Refused, match="has a card already, written in card-1") as refused:
        begin(ledger, "hw-1")
    assert refused.value.code == "flash.card-written"
    begin(ledger, "hw-1", reason="the first one broke")


def test_a_card_for_a_unit_that_nobody_has_seen_is_found_as_well(ledger: Ledger) -> None:
    with pytest.raises(Refused) as refused:
        begin(ledger, "hw-7")
    assert refused.value.code == "flash.unknown-unit"
    begin(ledger, "hw-7", off="first cards of the product")
    ledger.end_outside("hw-7", place="card-1", written=False, data={"code": "card.pulled", "message": "pulled"})
    trace = ledger.trace("hw-7")
    assert trace.found
    assert [event.kind for event in trace.events] == ["flash.off-ledger", "flash.begun", "flash.failed"]
    begin(ledger, None)
    assert [finding.message[:22] for finding in ledger.doctor()] == ["writing a whole system"]


@pytest.mark.parametrize(("kind", "value"), [(BY_ID, "hw7"), (BY_MAC, "b827eb000007")])
def test_a_card_may_be_written_for_a_unit_that_is_on_order(ledger: Ledger, kind: str, value: str) -> None:
    file = OrderFile(LOT, BINDING.product, "order.csv", "d" * 64, "remoteit-bulk")
    ledger.import_order(file, [OrderRow(3, {}, (OrderKey(kind, value),))])
    hardware_id = "hw-7" if kind == BY_ID else "b8:27:eb:00:00:07"
    begin(ledger, hardware_id)
    (event,) = ledger.trace(hardware_id).events
    assert event.data["order"] == f"lot {LOT}, order.csv, row 3"
