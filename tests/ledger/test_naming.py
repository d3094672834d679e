"""Device names: one unit each, whatever the case; a unit may get another, and the old one is still found."""

from __future__ import annotations

import re
import sqlite3

import pytest

from factory.ledger import Ledger, Refused
from factory.ledger.store import LostRace
from factory.values import AttemptState, UnitState
from tests.ledger import made
from tests.ledger.made import admit, make_pass

pytestmark = pytest.mark.usefixtures("both_engines")


def _names(ledger: Ledger, value: str) -> list[str]:
    return [name for unit in ledger.trace(value).units for kind, name in unit.values if kind == "device-name"]


@pytest.mark.parametrize("ending", ["in work", "failed", "passed", "unknown"])
def test_a_name_that_another_unit_has_refuses_and_names_both(ledger: Ledger, ending: str) -> None:
    first = make_pass(ledger, 1) if ending == "passed" else admit(ledger, 1)
    if ending == "failed":
        ledger.failed(first.id, "x", "y")
    if ending == "unknown":
        ledger.recover()
    first = ledger.attempt(first.id)
    with pytest.raises(Refused) as caught:
        admit(ledger, 2, serial="SN2", slot="B", name="ROUTER 1")
    refusal = caught.value
    assert refusal.code == "ledger.name-taken"
    for named in ('"ROUTER 1" is taken', '(there "router 1")', "unit hw-1", first.place(), "unit hw-2", "slot B of"):
        assert named in refusal.message
    assert "clone" not in refusal.message + refusal.hint
    assert "identity.device_name" in refusal.hint
    assert "{{ hardware_id }}" in refusal.hint
    assert refusal.other == first
    assert refusal.attempt is not None
    assert (refusal.attempt.state, refusal.attempt.unit) == (AttemptState.REFUSED, None)
    assert ledger.attempt(refusal.attempt.id).cause == refusal.message
    # Nothing was taken: with a name of its own it is a new unit.
    assert admit(ledger, 2, serial="SN2", slot="B").number == 1


def test_a_clone_is_called_a_clone_though_it_has_the_name_too(ledger: Ledger) -> None:
    first = admit(ledger, 1, 2)
    ledger.failed(first.id, "x", "y")
    for macs, serial in (((1, 3), "SN1"), ((1, 2), "SN2")):
        with pytest.raises(Refused) as caught:
            admit(ledger, *macs, serial=serial, name="router 1")
        assert caught.value.code == "ledger.clone"
    with pytest.raises(Refused) as caught:
        admit(ledger, 1, 2, serial=None)
    assert caught.value.code == "ledger.same-unit?"


def test_a_later_attempt_renames_its_unit_and_the_old_name_is_found_and_free(ledger: Ledger) -> None:
    first = admit(ledger, 1, name="Gate")
    ledger.failed(first.id, "x", "y")
    again = admit(ledger, 1, name="Door")
    assert (again.unit, again.number) == (first.unit, 2)
    for value in ("Gate", "gate", "GATE", "Door", "door"):
        assert _names(ledger, value) == ["Door"]
    (event,) = [
        event
        for event in ledger.trace("door").units[0].events
        if event.attempt == again.id and "identity" in event.data
    ]
    assert event.data["name_before"] == "Gate"
    ledger.failed(again.id, "x", "y")
    other = admit(ledger, 2, serial="SN2", slot="B", name="gate")
    assert _names(ledger, "Gate") == ["Door", "gate"]
    with pytest.raises(Refused, match="unit hw-2 has it") as caught:
        admit(ledger, 1, name="GATE")
    assert caught.value.code == "ledger.name-taken"
    assert caught.value.other == other
    assert _names(ledger, "hw-1") == ["Door"]
    # Another spelling of its own name is its own.
    assert admit(ledger, 1, name="DOOR").number == 3
    assert _names(ledger, "hw-1") == ["DOOR"]


def test_a_scrapped_units_name_is_free(ledger: Ledger) -> None:
    first = admit(ledger, 1, name="gate")
    ledger.failed(first.id, "x", "y")
    ledger.change_unit("hw-1", UnitState.SCRAPPED, "burned")
    second = admit(ledger, 2, serial="SN2", name="Gate")
    assert _names(ledger, "hw-2") == ["Gate"]
    assert [unit.unit for unit in ledger.trace("gate").units] == [first.unit, second.unit]


def test_the_database_itself_keeps_names_and_leases_single(ledger: Ledger) -> None:
    first = admit(ledger, 1, name="Gate")
    admit(ledger, 2, serial="SN2", slot="B")
    values = "INSERT INTO identity_values (kind, value, unit, name) VALUES ('device-name', :value, :unit, '')"
    with made.bare(ledger) as connection:
        taken = made.refused(connection, values, value="gate", unit=99)
        assert re.search(r"unique.*(kind.*value|identity_values_pkey)", taken, re.IGNORECASE)
        second = made.refused(connection, values, value="door", unit=first.unit)
        assert re.search(r"unique.*(identity_values\.unit|identity_values_one_name)", second, re.IGNORECASE)
        leased = made.refused(connection, "UPDATE attempts SET unit = :unit", unit=first.unit)
        assert re.search(r"unique.*(attempts\.unit|attempts_lease)", leased, re.IGNORECASE)


def test_only_a_scrapped_unit_can_lose_its_name(ledger: Ledger) -> None:
    from factory.ledger import naming
    from factory.values import DeviceName

    admit(ledger, 1, name="Gate")
    second = admit(ledger, 2, serial="SN2", slot="B")
    assert second.unit is not None
    with pytest.raises((sqlite3.IntegrityError, LostRace)), ledger._store.writing() as writer:
        naming.give(writer, second.unit, DeviceName.parse("GATE"))
    assert (_names(ledger, "hw-1"), _names(ledger, "hw-2")) == (["Gate"], ["router 2"])


def test_of_many_slots_with_one_name_one_wins(ledger: Ledger) -> None:
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    barrier = Barrier(8)

    def connect(number: int) -> str:
        barrier.wait(10)
        try:
            admit(ledger, number, serial=f"SN{number}", slot=str(number), name=["gate", "Gate"][number % 2])
        except Refused as refusal:
            return refusal.code
        return "won"

    with ThreadPoolExecutor(8) as pool:
        outcomes = sorted(pool.map(connect, range(1, 9)))
    assert outcomes == ["ledger.name-taken"] * 7 + ["won"]
