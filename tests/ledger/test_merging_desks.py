"""Merging what the desks keep: pools, labels, registrations, stages, first articles; and one history told by two."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from factory.errors import FactoryError
from factory.ledger import Kind, Ledger, MergeRefused, Refused
from factory.ledger.pool_tables import pool_leases
from factory.values import CloudState, UnitState
from tests.ledger import made, test_clouds, test_labels, test_pools
from tests.ledger.made import LOT, admit, bare, make_pass
from tests.ledger.test_merging import Two

KIND = Kind("a" * 64, "b" * 64, "")


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    both = Two(tmp_path)
    yield both
    both.close()


def test_pools_of_two_stations_become_one(two: Two) -> None:
    test_pools.bring(two.here, test_pools.run(10, 29))
    test_pools.bring(two.there, test_pools.run(30, 49))
    first = test_pools.give(two.here, "SN1")
    second = test_pools.give(two.there, "SN2")
    test_pools.admit(two.here, first, serial="SN1")
    test_pools.admit(two.there, second, serial="SN2")
    waiting = test_pools.give(two.there, "SN3")
    assert two.here.merge(two.there).conflicts == ()
    (pool,) = two.here.pool_states()
    assert (pool.total, pool.given) == (20, 3)
    # The same unit gets the same cell, whoever asks; nobody else gets it.
    assert test_pools.give(two.here, "SN3").value == waiting.value
    test_pools.refused("pool.foreign", two.here, "SN9", 30, 31)
    assert {leased.station: leased.next for leased in leases(two.here)} == {"S1": 1, "S2": 2}


def leases(ledger: Ledger) -> list:  # type: ignore[type-arg]
    with bare(ledger) as connection:
        return list(connection.execute(select(pool_leases)))


@pytest.mark.usefixtures("both_engines")
def test_one_cell_at_two_units(two: Two) -> None:
    """Two ledgers with the same supplier's file, each leasing from its front: factory floor reference, section 6, 3."""
    for ledger, serial in ((two.here, "SN1"), (two.there, "SN2")):
        test_pools.bring(ledger, test_pools.run(10, 29))
        test_pools.admit(ledger, test_pools.give(ledger, serial), serial=serial)
    with pytest.raises(MergeRefused) as caught:
        two.here.merge(two.there)
    kinds = {one.kind for one in caught.value.conflicts}
    assert kinds == {"unit", "pool"}
    told = next(one for one in caught.value.conflicts if one.kind == "pool")
    assert "was given twice" in told.what and "SN1" in told.here and "SN2" in told.there
    merged = two.here.merge(two.there, quarantine=True)
    assert (merged.aside, merged.quarantined) == (1, ("hw-10",))
    assert [str(one.state) for one in two.here.trace("SN2").strangers] == ["admitted"]


def test_overlapping_ranges_are_told(two: Two) -> None:
    test_pools.bring(two.here, test_pools.run(10, 29))
    test_pools.bring(two.there, test_pools.run(20, 39))
    with pytest.raises(MergeRefused, match="ranges of pools overlap"):
        two.here.merge(two.there)
    two.here.merge(two.there, quarantine=True)
    (pool,) = two.here.pool_states()
    assert pool.total == 10  # what contradicts is not given from here


@pytest.mark.usefixtures("both_engines")
def test_the_same_values_leased_by_both(two: Two) -> None:
    """Nothing was given yet, or only there; but each station would give from its lease without asking."""
    for ledger, station, cells in ((two.here, "S1", 5), (two.there, "S2", 3), (two.there, "S2", 4)):
        if not ledger.pool_states():
            test_pools.bring(ledger, test_pools.run(10, 209))
        ledger.lease_cells("router", "mac", station, cells)
    test_pools.give(two.there, "SN7")
    with pytest.raises(MergeRefused, match="leased by both ledgers") as caught:
        two.here.merge(two.there)
    told = [one for one in caught.value.conflicts if one.what.startswith("the same values")]
    assert ["station S1" in one.here and "station S2" in one.there for one in told] == [True, True]
    two.here.merge(two.there, quarantine=True)
    assert two.here.verify() == ()
    assert [(lease.station, lease.cells) for lease in leases(two.here)] == [("S1", 5)]
    # What was given there from such a lease is known here, and is given to nobody else.
    assert test_pools.numbers(test_pools.give(two.here, "SN1"))[0] != 10
    assert test_pools.numbers(test_pools.give(two.here, "SN7"))[0] == 10
    assert two.here.merge(two.there).is_nothing


def test_one_unit_with_two_cells_burns_the_second(two: Two) -> None:
    test_pools.bring(two.here, test_pools.run(10, 19))
    test_pools.bring(two.there, test_pools.run(30, 39))
    test_pools.give(two.here, "SN1")
    test_pools.give(two.there, "SN1")
    with pytest.raises(MergeRefused, match=r"one unit \(SN1\) got two values"):
        two.here.merge(two.there)
    two.here.merge(two.there, quarantine=True)
    test_pools.refused("pool.burned", two.here, "SN1", 30, 31)


def test_labels_count_on_and_one_is_live(two: Two) -> None:
    attempt = test_labels.proved(two.here, 1, serial="SN1")
    test_labels.begun(two.here, attempt, 1)
    two.here.failed(attempt.id, "x", "y")
    two.later(2)
    attempt = test_labels.proved(two.there, 1, serial="SN1")
    nonce = test_labels.begun(two.there, attempt, 2, scan=False)
    two.there.label_printed(nonce)
    two.there.passed(attempt.id, made.receipt(), made.proof())
    two.here.merge(two.there)
    (unit,) = two.here.trace("hw-1").units
    labels = two.here.labels_of(unit.unit)
    assert [(one.number, str(one.state)) for one in labels] == [(1, "void"), (2, "printed")]
    live = two.here.live_label(unit.unit)
    assert live is not None and live.nonce == nonce


def passed_with_label(ledger: Ledger, number: int) -> None:
    attempt = test_labels.proved(ledger, 1, serial="SN1")
    nonce = test_labels.begun(ledger, attempt, number, scan=False)
    ledger.label_printed(nonce)
    ledger.passed(attempt.id, made.receipt(), made.proof())


def printed_again(ledger: Ledger, number: int) -> None:
    nonce = test_labels.nonce(number)
    attempt = ledger.label_subject("hw-1").attempt
    ledger.begin_label(attempt, nonce, sha256="a" * 64, printer="p", slot="", scan=False, reason="torn")
    ledger.label_printed(nonce)


@pytest.mark.parametrize(("again_here", "live"), [(False, None), (True, 3)])
def test_a_label_printed_again_elsewhere(two: Two, live: int | None, *, again_here: bool) -> None:
    """Of one attempt nobody knows which label is on the unit; the label of a later attempt stays."""
    passed_with_label(two.here, 1)
    two.there.merge(two.here)
    printed_again(two.there, 2)
    two.later(3)
    if again_here:
        two.here.change_unit("hw-1", UnitState.REWORK, "again")
        passed_with_label(two.here, 3)
    else:
        printed_again(two.here, 3)
    two.here.merge(two.there)
    (unit,) = two.here.trace("hw-1").units
    found = two.here.live_label(unit.unit)
    assert (None if found is None else found.nonce) == (None if live is None else test_labels.nonce(live))
    assert two.here.merge(two.there).is_nothing


def test_registrations(two: Two) -> None:
    attempt = admit(two.there, 1, serial="SN1")
    test_clouds.begun(two.there, "a" * 16, attempt)
    two.here.merge(two.there)
    two.there.settle_registration("a" * 16, CloudState.REGISTERED, device="d-1")
    two.here.merge(two.there)
    assert [(one.state, one.device) for one in two.here.registrations()] == [(CloudState.REGISTERED, "d-1")]
    other = admit(two.here, 2, serial="SN2")
    test_clouds.begun(two.here, "b" * 16, other, sn="SN2")
    more = admit(two.there, 3, serial="SN3")
    test_clouds.begun(two.there, "c" * 16, more, sn="SN2")
    with pytest.raises(MergeRefused, match="the serial number SN2 is registered twice"):
        two.here.merge(two.there)
    merged = two.here.merge(two.there, quarantine=True)
    assert set(merged.quarantined) == {"hw-2", "hw-3"}
    assert [one.token for one in two.here.registrations()] == ["a" * 16, "b" * 16]


def test_cloud_ids_and_names_of_others(two: Two) -> None:
    test_clouds.with_cloud_id(two.here, 1, "id-1", "SN1")
    test_clouds.with_cloud_id(two.there, 2, "id-1", "SN2")
    with pytest.raises(MergeRefused, match="its cloud id is that of another unit here"):
        two.here.merge(two.there)


def test_a_scrapped_units_name_is_free(two: Two) -> None:
    first = admit(two.here, 1, serial="SN1", name="gate")
    two.here.failed(first.id, "x", "y")
    two.here.change_unit("hw-1", UnitState.SCRAPPED, "broken")
    admit(two.there, 2, serial="SN2", name="Gate")
    assert two.here.merge(two.there).conflicts == ()
    (unit,) = [one for one in two.here.trace("gate").units if one.state == "open"]
    assert ("device-name", "Gate") in unit.values


def test_first_articles_follow(two: Two) -> None:
    attempt = admit(two.there, 1, serial="SN1")
    two.there.claim_article(KIND, attempt.id)
    made.to_proved(two.there, attempt)
    two.there.passed(attempt.id, made.receipt(), made.proof())
    two.here.merge(two.there)
    other = admit(two.here, 2, serial="SN2")
    assert two.here.claim_article(KIND, other.id) is None


# One history, told by one ledger and by two that are merged now and then.


def _pass(ledger: Ledger, number: int) -> None:
    make_pass(ledger, number, serial=f"SN{number}")


def _fail(ledger: Ledger, number: int) -> None:
    ledger.failed(admit(ledger, number, serial=f"SN{number}").id, "x", "y")


def _change(state: UnitState) -> Callable[[Ledger, int], None]:
    def change(ledger: Ledger, number: int) -> None:
        ledger.change_unit(f"hw-{number}", state, "for the test")

    return change


STEPS: dict[str, Callable[[Ledger, int], object]] = {
    "pass": _pass,
    "fail": _fail,
    "rework": _change(UnitState.REWORK),
    "quarantine": _change(UnitState.QUARANTINED),
    "scrap": _change(UnitState.SCRAPPED),
    "release": lambda ledger, number: ledger.release_unit(f"hw-{number}", "for the test"),
}


def _told(ledger: Ledger, number: int) -> object:
    units = ledger.trace(f"hw-{number}").units
    return [
        (
            one.state,
            one.values,
            [(go.number, go.state, go.code) for go in one.attempts],
            [it.kind for it in one.events],
        )
        for one in units
    ]


@settings(max_examples=6, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from([*STEPS]), st.integers(1, 4)),
            st.just(("merge", 0)),
            st.just(("back", 0)),
        ),
        max_size=14,
    )
)
def test_one_history_told_by_two(steps: list[tuple[str, int]]) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        two, one = Two(folder), Two(folder).open("one", "S0")
        for step, number in steps:
            if step in ("merge", "back"):
                into, of = (two.here, two.there) if step == "merge" else (two.there, two.here)
                assert into.merge(of).conflicts == ()
                continue
            outcomes = []
            for ledger in (one, two.here if number % 2 else two.there):
                try:
                    STEPS[step](ledger, number)
                    outcomes.append("done")
                except (Refused, FactoryError) as error:
                    outcomes.append(error.code)
            assert outcomes[0] == outcomes[1]
        two.here.merge(two.there)
        for number in range(1, 5):
            assert _told(two.here, number) == _told(one, number)
        assert {unit.hardware_id for unit in two.here.passed_units(LOT)} == {
            unit.hardware_id for unit in one.passed_units(LOT)
        }
        two.close()
        one.close()
    finally:
        shutil.rmtree(folder)
