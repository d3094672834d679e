"""Who gets an identity, who is refused, and what the refused one is told."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from factory.ledger import Ledger, Refused
from factory.ledger.columns import metadata
from factory.values import AttemptState, RegistrationKey
from tests.ledger import made
from tests.ledger.made import LOT, admit, facts, identity, make_pass

pytestmark = pytest.mark.usefixtures("both_engines")


def test_a_new_unit_is_admitted(ledger: Ledger) -> None:
    attempt = admit(ledger, 1, 2)
    assert attempt.state is AttemptState.ADMITTED
    assert (attempt.number, attempt.note, attempt.station, attempt.slot) == (1, "", "S1", "A")
    assert (attempt.operator, attempt.hardware_id, attempt.fingerprint) == ("Kim", "hw-1", made.FINGERPRINT)
    assert attempt.software
    assert ledger.attempt(attempt.id) == attempt


def test_a_failed_unit_comes_back_as_the_same_unit(ledger: Ledger) -> None:
    first = admit(ledger, 1, 2)
    ledger.failed(first.id, "flash.cable", "the cable was pulled")
    second = admit(ledger, 1, 2, slot="B")
    assert (second.unit, second.number) == (first.unit, 2)
    assert "the cable was pulled" in second.note


def test_a_lease_in_work_refuses_and_names_its_holder(ledger: Ledger) -> None:
    first = admit(ledger, 1, 2, slot="A")
    ledger.advance(first.id, AttemptState.FLASHING)
    with pytest.raises(Refused) as caught:
        admit(ledger, 1, 2, slot="B")
    refusal = caught.value
    assert refusal.code == "ledger.clone"
    holder = ledger.attempt(first.id)
    for named in (holder.place(), "slot B", "b8:27:eb:00:00:01", "hw-1", "that unit is in work"):
        assert named in refusal.message
    assert refusal.other == holder
    assert refusal.attempt is not None
    assert refusal.attempt.state is AttemptState.REFUSED
    assert refusal.attempt.unit is None
    assert ledger.attempt(refusal.attempt.id).cause == refusal.message


@pytest.mark.parametrize("ending", ["in work", "failed", "passed", "unknown"])
def test_another_board_serial_is_a_clone_whatever_became_of_the_first(ledger: Ledger, ending: str) -> None:
    if ending == "passed":
        make_pass(ledger, 1, 2, serial="SN1")
    else:
        first = admit(ledger, 1, 2, serial="SN1")
        if ending == "failed":
            ledger.failed(first.id, "x", "y")
        if ending == "unknown":
            ledger.recover()
    with pytest.raises(Refused, match=r"serial is SN1, this one's SN2") as caught:
        admit(ledger, 1, 2, serial="SN2", slot="B")
    assert caught.value.code == "ledger.clone"


@pytest.mark.parametrize(
    ("macs", "serial", "hardware_id", "named"),
    [
        ((1, 3), "SN1", "hw-1", "hardware id hw-1, MAC b8:27:eb:00:00:01 and serial SN1"),
        ((1,), "SN1", "hw-1", "b8:27:eb:00:00:01"),
        ((1, 2, 3), "SN1", "hw-1", "b8:27:eb:00:00:02"),
        ((8, 9), "SN1", None, "serial SN1"),
        ((8, 9), "SN9", "HW_1", "case and separators"),
        ((8, 2), "SN9", None, "MAC b8:27:eb:00:00:02"),
    ],
)
def test_a_part_of_the_values_is_a_clone(
    ledger: Ledger, macs: tuple[int, ...], serial: str, hardware_id: str | None, named: str
) -> None:
    first = admit(ledger, 1, 2)
    ledger.failed(first.id, "x", "y")
    with pytest.raises(Refused) as caught:
        admit(ledger, *macs, serial=serial, hardware_id=hardware_id)
    assert caught.value.code == "ledger.clone"
    assert named in caught.value.message
    assert caught.value.other is not None
    assert caught.value.other.id == first.id


def test_values_of_two_units_name_both(ledger: Ledger) -> None:
    first, second = admit(ledger, 1), admit(ledger, 2, serial="SN2", slot="B")
    with pytest.raises(Refused) as caught:
        admit(ledger, 1, 2, serial="SN3", slot="C")
    assert first.place() in caught.value.message
    assert second.place() in caught.value.message


def test_a_passed_unit_is_sent_to_rework(ledger: Ledger) -> None:
    passed = make_pass(ledger, 1, 2)
    for serial in ("SN1", None):
        with pytest.raises(Refused, match=r"already passed at 2.*, use rework") as caught:
            admit(ledger, 1, 2, serial=serial)
        assert caught.value.code == "ledger.already-passed"
        assert caught.value.other == passed


def test_without_a_serial_the_operator_decides(ledger: Ledger) -> None:
    first = admit(ledger, 1, 2, serial=None)
    ledger.failed(first.id, "x", "y")
    before = ledger.show().attempts
    with pytest.raises(Refused) as caught:
        admit(ledger, 1, 2, serial=None)
    assert caught.value.code == "ledger.same-unit?"
    assert caught.value.attempt is None
    assert ledger.show().attempts == before
    with pytest.raises(Refused, match="says the operator") as caught:
        admit(ledger, 1, 2, serial=None, same_unit=False)
    assert caught.value.code == "ledger.clone"
    again = admit(ledger, 1, 2, serial="SN7", same_unit=True)
    assert (again.unit, again.number) == (first.unit, 2)
    history = ledger.trace("SN7").units[0]
    assert history.serial == "SN7"
    assert [event.data.get("same_unit") for event in history.events if event.kind == "attempt.admitted"] == [
        None,
        "said by the operator",
    ]


def test_a_placeholder_serial_compares_nothing(ledger: Ledger) -> None:
    admit(ledger, 1, serial="0000000000000000")
    other = admit(ledger, 2, serial="0000000000000000", slot="B")
    assert other.number == 1


def test_a_refused_unit_takes_no_values(ledger: Ledger) -> None:
    admit(ledger, 1, 2)
    with pytest.raises(Refused):
        admit(ledger, 1, 3, serial="SN2", slot="B")
    assert admit(ledger, 3, serial="SN2", slot="B").number == 1


def test_what_never_came_to_admission_is_kept_and_takes_nothing(ledger: Ledger) -> None:
    away = ledger.turn_away(lot=LOT, slot="A", code="ID-SENTINEL", text="all zero", facts=facts(0x123, serial="SN5"))
    assert (away.state, away.code, away.cause, away.serial) == (AttemptState.REFUSED, "ID-SENTINEL", "all zero", "SN5")
    unread = ledger.turn_away(lot=LOT, slot="A", code="unit.read", text="silent", state=AttemptState.FAILED)
    assert unread.state is AttemptState.FAILED
    with pytest.raises(ValueError, match="cannot be passed"):
        ledger.turn_away(lot=LOT, slot="A", code="x", text="y", state=AttemptState.PASSED)
    assert admit(ledger, 0x123, serial="SN5").number == 1
    assert [stranger.id for stranger in ledger.trace("b827eb000123").strangers] == [away.id]


def test_an_interrupted_attempt_is_read_again_and_then_closed(ledger: Ledger) -> None:
    first = admit(ledger, 1, 2)
    ledger.advance(first.id, AttemptState.FLASHING)
    (left,) = ledger.recover()
    assert (left.id, left.state) == (first.id, AttemptState.UNKNOWN)
    assert ledger.recover() == ()
    with pytest.raises(Refused, match="clone"):
        admit(ledger, 1, 2, serial="SN2")
    again = admit(ledger, 1, 2)
    assert again.note.startswith(f"attempt {first.id} was interrupted: the station stopped while")
    assert "flashing" in again.note
    closed = ledger.attempt(first.id)
    assert (closed.state, closed.code) == (AttemptState.FAILED, "ledger.interrupted")
    assert str(again.id) in (closed.cause or "")


def test_recover_touches_its_own_station_only(ledger: Ledger) -> None:
    from pathlib import Path

    mine = admit(ledger, 1)
    with made.opened(Path(ledger.location).parent, "S2") as other:
        theirs = admit(other, 2, serial="SN2")
        assert [attempt.id for attempt in other.recover()] == [theirs.id]
    assert ledger.attempt(mine.id).state is AttemptState.ADMITTED
    with pytest.raises(Refused):
        admit(ledger, 1, slot="B")


def test_work_is_the_lot_and_an_unknown_lot_is_named(ledger: Ledger) -> None:
    assert ledger.assign(facts(1), LOT).lot == LOT
    with pytest.raises(Exception, match=f"There are: {LOT}"):
        ledger.assign(facts(1), "other")


def test_identity_values_are_unique_in_the_database_itself(ledger: Ledger) -> None:
    admit(ledger, 1)
    again = "INSERT INTO identity_values SELECT kind, value, unit, name FROM identity_values"
    with made.bare(ledger) as connection:
        assert "unique" in made.refused(connection, again).lower()


def test_the_key_itself_is_nowhere_in_the_tables(ledger: Ledger) -> None:
    make_pass(ledger, 1, 2)
    assert identity(1).registration_key == RegistrationKey(made.KEY)
    with made.bare(ledger) as connection:
        stored = [str(row) for table in metadata.sorted_tables for row in connection.execute(select(table))]
    assert any("hw-1" in row for row in stored)
    assert not any(made.KEY in row for row in stored)
