"""Pools: ranges come in whole, cells go out once, the same unit gets the same one."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from factory.errors import UsageError
from factory.ledger import Ledger, Refused
from factory.ledger.pool_imports import PoolTaken
from factory.ledger.pool_records import Given, PlacedRun, PoolFile, Want
from factory.values import AttemptState, Facts, UnitState, Work
from factory.values.pools import Numbered, PoolKind, PoolSpec, Run
from tests.ledger import made
from tests.ledger.made import LOT, opened

SPEC = PoolSpec("router", "mac", PoolKind.MAC, count=2, align=2, low_water=3, lease=4, offsets={"eth0": 0, "eth1": 1})
SERIALS = PoolSpec("router", "sn", PoolKind.SERIAL, lease=3)


def run(first: int, last: int) -> Run:
    return Run.of(*(Numbered.parse(PoolKind.MAC, made.mac(number).plain) for number in (first, last)))


def serials(first: str, last: str) -> Run:
    return Run.of(Numbered.parse(PoolKind.SERIAL, first), Numbered.parse(PoolKind.SERIAL, last))


def bring(ledger: Ledger, *runs: Run, spec: PoolSpec = SPEC) -> None:
    file = PoolFile("reel.csv", hashlib.sha256(repr(runs).encode()).hexdigest())
    ledger.import_pool(spec, file, [PlacedRun(run, f"line {number}") for number, run in enumerate(runs, 1)])


def fresh(serial: str) -> Facts:
    """A unit without an address."""
    return made.facts(serial=serial)


def give(ledger: Ledger, key: str, *shows: int, spec: PoolSpec = SPEC, facts: Facts | None = None) -> Given:
    shown = {f"eth{at}": Numbered.parse(PoolKind.MAC, made.mac(one).plain) for at, one in enumerate(shows)}
    (given,) = ledger.give_cells([Want(spec, key, shown)], facts or made.facts(*shows, serial=key), slot="A")
    return given


def numbers(given: Given) -> list[int]:
    return [int(value[6:], 16) for value in given.values]


def admit(ledger: Ledger, given: Given, *, serial: str, state: AttemptState | None = None) -> int:
    """Admit the unit with what it was given."""
    macs = numbers(given)
    attempt = ledger.admit(
        made.identity(*macs, serial=serial),
        made.facts(*macs, serial=serial),
        lot=LOT,
        slot="A",
        fingerprint=made.FINGERPRINT,
        work=Work(LOT, cells=((str(given.kind), given.value),)),
    )
    if state is AttemptState.PASSED:
        made.to_proved(ledger, attempt)
        ledger.passed(attempt.id, made.receipt(), made.proof())
    elif state is AttemptState.FAILED:
        ledger.failed(attempt.id, "test", "for the test")
    return attempt.id


def refused(code: str, ledger: Ledger, key: str, *shows: int) -> str:
    """What a unit with this key that shows these addresses is told."""
    with pytest.raises(Refused) as caught:
        give(ledger, key, *shows)
    assert caught.value.code == code, caught.value
    assert caught.value.hint
    return caught.value.message


@pytest.fixture
def any_ledger(both_engines: str, tmp_path: Path) -> Iterator[Ledger]:
    with opened(tmp_path) as ledger:
        yield ledger
        assert ledger.verify() == ()


def test_the_same_unit_gets_the_same_cell_and_another_the_next(any_ledger: Ledger, tmp_path: Path) -> None:
    ledger = any_ledger
    bring(ledger, run(0x11, 0x20))  # the odd one and the last are left over
    first = give(ledger, "SN1")
    assert (numbers(first), first.fresh) == ([0x12, 0x13], True)
    again = give(ledger, "SN1")
    assert (again.values, again.fresh) == (first.values, False)
    assert give(ledger, "SN1", 0x12, 0x13).values == first.values
    assert give(ledger, "SN1", 0x13, 0x12).values == first.values  # half written, or the wrong way round
    with opened(tmp_path, "S2") as other:
        assert give(other, "SN1").values == first.values
        assert numbers(give(other, "SN2")) == [0x1A, 0x1B]  # from its own lease
    assert numbers(give(ledger, "SN3")) == [0x14, 0x15]
    (state,) = ledger.pool_states()
    assert (state.total, state.given, state.burned, state.free) == (7, 3, 0, 0)
    assert state.leased == {"S1": 2, "S2": 2}
    assert (state.remaining, state.is_low) == (4, False)


def test_two_stations_empty_a_pool_together_and_are_told(any_ledger: Ledger, tmp_path: Path) -> None:
    ledger = any_ledger
    bring(ledger, run(0x10, 0x1F), run(0x30, 0x31))
    with opened(tmp_path, "S2") as other:
        got = [give(ledger if turn % 2 else other, f"K{turn}") for turn in range(8)]
        got.append(give(other, "K8"))
        assert sorted(number for given in got for number in numbers(given)) == [*range(0x10, 0x20), 0x30, 0x31]
        message = refused("pool.exhausted", ledger, "K9")
        assert "pool mac is used up" in message
        assert give(ledger, "K3").values == got[3].values  # who has one keeps it
    bring(ledger, run(0x40, 0x4F))
    assert numbers(give(ledger, "K9")) == [0x40, 0x41]


def test_exhausted_names_who_holds_the_rest(ledger: Ledger) -> None:
    bring(ledger, run(0x10, 0x13))
    assert ledger.lease_cells("router", "mac", "S9", 5) == 2
    with pytest.raises(Refused) as caught:
        give(ledger, "SN1")
    assert caught.value.code == "pool.exhausted"
    assert "2 at station S9" in (caught.value.hint or "")


def test_a_value_that_nobody_has_yet_says_where_it_comes_from(ledger: Ledger) -> None:
    bring(ledger, run(0x10, 0x13))
    found = ledger.trace(made.mac(0x12).colons)
    assert found.found
    assert [(one.product, one.pool, one.file, one.place) for one in found.pools] == [
        ("router", "mac", "reel.csv", "line 1")
    ]
    assert not ledger.trace(made.mac(0x14).colons).found
    assert ledger.trace("no value of any pool").pools == ()


@pytest.mark.parametrize("state", [None, AttemptState.FAILED, AttemptState.PASSED])
def test_an_admitted_unit_owns_its_cell(ledger: Ledger, state: AttemptState | None) -> None:
    bring(ledger, run(0x10, 0x1F))
    given = give(ledger, "SN1")
    attempt = admit(ledger, given, serial="SN1", state=state)
    (unit,) = ledger.trace("SN1").units
    assert [event.attempt for event in unit.events if event.kind == "pool.bound"] == [attempt]
    told = ledger.trace(made.mac(0x11).colons)
    assert "pool.given" in [event.kind for event in (*told.events, *told.units[0].events)]
    assert give(ledger, "SN1", 0x10, 0x11).values == given.values  # nothing would be written: admission judges it
    if state is AttemptState.FAILED:
        assert give(ledger, "SN1").values == given.values  # it lost them: written again
    elif state is None:
        assert "is in work" in refused("pool.in-work", ledger, "SN1")
    else:
        assert "hw-16 is passed" in refused("pool.key-passed", ledger, "SN1")
        ledger.change_unit("SN1", UnitState.REWORK, "lost its addresses")
        assert give(ledger, "SN1").values == given.values


def test_the_key_says_that_a_unit_without_a_serial_is_the_same(ledger: Ledger) -> None:
    bring(ledger, run(0x10, 0x1F))
    for number in (1, 2):
        given = give(ledger, "cpu-7", facts=made.facts())
        attempt = ledger.admit(
            made.identity(*numbers(given)),
            made.facts(*numbers(given)),
            lot=LOT,
            slot="A",
            fingerprint=None,
            work=Work(LOT, cells=(("mac", given.value),)),
        )
        assert attempt.number == number
        ledger.failed(attempt.id, "test", "for the test")
    with pytest.raises(Refused) as caught:
        ledger.admit(made.identity(0x10, 0x11), made.facts(0x10, 0x11), lot=LOT, slot="A", fingerprint=None)
    assert caught.value.code == "ledger.same-unit?"


def test_a_unit_that_shows_what_is_not_its_own_is_refused(ledger: Ledger) -> None:
    bring(ledger, run(0x10, 0x1F), run(0x100, 0x102))
    admit(ledger, give(ledger, "SN1"), serial="SN1", state=AttemptState.PASSED)
    give(ledger, "SN2")
    message = refused("pool.foreign", ledger, "SN3", 0x10, 0x11)
    assert "gave that to unit hw-16 (key SN1), which was in slot A of station S1" in message
    message = refused("pool.foreign", ledger, "SN3", 0xFF, 0x13)
    assert "00:00:13 at eth1" in message
    assert "the unit with key SN2 in slot A" in message
    assert "00:00:1a at eth0 of pool mac, which was never given" in refused("pool.not-given", ledger, "SN3", 0x1A)
    assert "never given" in refused("pool.not-given", ledger, "SN3", 0x102)  # left over: in the range, in no cell
    admit(ledger, Given("", PoolKind.MAC, "", (made.mac(0x200).plain,), fresh=True), serial="SN7")
    assert "owns what this unit shows" in refused("pool.known-unit", ledger, "SN8", 0x200)
    assert "owns what this unit shows" in refused("pool.known-unit", ledger, "SN7")
    (state,) = ledger.pool_states()
    assert (state.given, state.remaining) == (2, 7)


def test_a_scrapped_unit_takes_its_cell_along(ledger: Ledger) -> None:
    bring(ledger, run(0x10, 0x1F))
    admit(ledger, give(ledger, "SN1"), serial="SN1", state=AttemptState.PASSED)
    admit(ledger, give(ledger, "SN2"), serial="SN2", state=AttemptState.PASSED)
    ledger.change_unit("SN1", UnitState.SCRAPPED, "dropped")
    ledger.change_unit("SN2", UnitState.QUARANTINED, "smells")
    (state,) = ledger.pool_states()
    assert (state.given, state.burned, state.remaining) == (0, 2, 6)
    assert "is scrapped" in refused("pool.key-closed", ledger, "SN1")
    assert "is quarantined" in refused("pool.key-closed", ledger, "SN2")
    ledger.release_unit("SN2", "was the neighbour")
    (state,) = ledger.pool_states()
    assert (state.given, state.burned) == (1, 1)
    assert numbers(give(ledger, "SN3")) == [0x14, 0x15]


def test_burned_values_go_to_nobody(ledger: Ledger) -> None:
    bring(ledger, run(0x10, 0x1B))
    given = give(ledger, "SN1")
    ledger.burn(made.mac(0x11).colons, "written to two boards")
    assert "written to two boards" in refused("pool.burned", ledger, "SN1", 0x10, 0x11)
    ledger.burn(made.mac(0x12).plain, "on a sample")  # leased, before its turn
    ledger.burn(made.mac(0x1A).colons, "on a sample")  # in no lease yet
    (state,) = ledger.pool_states()
    assert (state.total, state.given, state.burned, state.leased, state.free) == (6, 0, 3, {"S1": 2}, 1)
    assert state.remaining == 3
    others = [numbers(give(ledger, key))[0] for key in ("SN1", "SN2", "SN3")]
    assert others == [0x14, 0x16, 0x18]
    assert numbers(given) == [0x10, 0x11]
    refused("pool.exhausted", ledger, "SN4")
    (state,) = ledger.pool_states()
    assert (state.given, state.burned, state.remaining) == (3, 3, 0)
    for value, said in (
        (made.mac(0x11).colons, "burned already"),
        (made.mac(0x999).colons, "no pool"),
        ("SN-77", "no pool"),
        ("", "no pool"),
    ):
        with pytest.raises(UsageError, match=said):
            ledger.burn(value, "again")
    with pytest.raises(UsageError, match="reason"):
        ledger.burn(made.mac(0x14).colons, " ")


def test_a_live_units_value_is_not_burned_by_hand(ledger: Ledger) -> None:
    bring(ledger, run(0x10, 0x1B))
    admit(ledger, give(ledger, "SN1"), serial="SN1", state=AttemptState.PASSED)
    with pytest.raises(Refused, match="is that of unit hw-16, which is passed") as caught:
        ledger.burn(made.mac(0x10).colons, "why not")
    assert caught.value.code == "pool.in-use"
    ledger.change_unit("SN1", UnitState.SCRAPPED, "dropped")
    ledger.burn(made.mac(0x10).colons, "scrapped")


def test_a_value_that_a_unit_brought_along_is_passed_over(ledger: Ledger) -> None:
    bring(ledger, run(0x10, 0x1B))
    # A product without pools made a unit that shows an address of the range.
    ledger.admit(
        made.identity(0x11, serial="OLD"),
        made.facts(0x11, serial="OLD"),
        lot=LOT,
        slot="A",
        fingerprint=made.FINGERPRINT,
    )
    assert numbers(give(ledger, "SN1")) == [0x12, 0x13]
    (state,) = ledger.pool_states()
    assert (state.given, state.burned) == (1, 1)
    assert "hw-17 has it" in refused("pool.burned", ledger, "SN2", 0x10)


def test_a_stray_value_is_burned(ledger: Ledger) -> None:
    bring(ledger, run(0x10, 0x1B))
    give(ledger, "SN1")
    ledger.burn_stray(made.mac(0x15).plain, "a unit shows it")
    ledger.burn_stray(made.mac(0x15).plain, "a unit shows it")
    ledger.burn_stray(made.mac(0x10).plain, "a unit shows it")  # somebody has it: told elsewhere
    ledger.burn_stray(made.mac(0x777).plain, "a unit shows it")
    ledger.burn_stray("no value at all", "a unit shows it")
    (state,) = ledger.pool_states()
    assert (state.given, state.burned) == (1, 1)
    assert [numbers(give(ledger, f"K{turn}"))[0] for turn in range(3)] == [0x12, 0x16, 0x18]


def test_imports_that_overlap_are_refused_whole(any_ledger: Ledger) -> None:
    ledger = any_ledger
    bring(ledger, run(0x10, 0x1F))
    made.admit(ledger, 0x205, serial="SN1")
    other = replace(SPEC, product="camera", name="lan", count=1, align=1)
    with pytest.raises(PoolTaken) as caught:
        bring(ledger, run(0x300, 0x310), run(0x1F, 0x2F), run(0x200, 0x20F), spec=other)
    assert len(caught.value.reasons) == 2
    assert "line 2 (b8:27:eb:00:00:1f to b8:27:eb:00:00:2f) overlaps b8:27:eb:00:00:10 to" in caught.value.reasons[0]
    assert "of pool mac of product router, imported from reel.csv line 1" in caught.value.reasons[0]
    assert "which unit hw-517 owns: slot A of station S1" in caught.value.reasons[1]
    assert [state.name for state in ledger.pool_states()] == ["mac"]
    bring(ledger, run(0x20, 0x2F), spec=other)
    with pytest.raises(UsageError, match=r"reel\.csv was imported already, as reel\.csv at 20") as again:
        bring(ledger, run(0x10, 0x1F))
    assert again.value.code == "pool.imported"
    for low, high in ((0x10, 0x10), (0x0F, 0x40), (0x18, 0x19)):
        with pytest.raises(PoolTaken):
            bring(ledger, run(low, high))


def test_of_two_imports_at_once_that_overlap_one_wins(any_ledger: Ledger, tmp_path: Path) -> None:
    def import_at(station: int) -> str:
        with opened(tmp_path, f"S{station}") as ledger:
            try:
                bring(ledger, run(0x10 + station, 0x2F), spec=replace(SPEC, name=f"lan{station}"))
            except PoolTaken as refusal:
                return refusal.code
            return "won"

    with ThreadPoolExecutor(3) as threads:
        assert sorted(threads.map(import_at, (2, 3, 4))) == ["pool.overlap", "pool.overlap", "won"]
    assert len(any_ledger.pool_states()) == 1


def test_serials_overlap_by_value_and_not_by_number(any_ledger: Ledger) -> None:
    ledger = any_ledger
    bring(ledger, serials("SN0001", "SN0500"), serials("SN001", "SN500"), spec=SERIALS)
    made.admit(ledger, 1, serial="AX07")
    with pytest.raises(PoolTaken, match=r"AX01 to AX09.* has AX07, which unit hw-1 owns"):
        bring(ledger, serials("AX01", "AX09"), spec=SERIALS)
    with pytest.raises(PoolTaken, match="SN0500"):
        bring(ledger, serials("SN0500", "SN0501"), spec=SERIALS)
    wants = [Want(SERIALS, f"cpu{turn}", {}, writes=False) for turn in range(4)]
    given = [ledger.give_cells([want], made.facts(turn + 50), slot="A")[0] for turn, want in enumerate(wants)]
    assert [one.values for one in given] == [("SN0001",), ("SN0002",), ("SN0003",), ("SN0004",)]


def test_a_pool_stays_what_it_was(ledger: Ledger) -> None:
    bring(ledger, run(0x10, 0x1F))
    for changed in (replace(SPEC, count=4), replace(SPEC, align=4), replace(SERIALS, name="mac")):
        with pytest.raises(UsageError) as caught:
            ledger.bind_pools([changed])
        assert caught.value.code == "pool.changed"
        with pytest.raises(UsageError):
            ledger.give_cells([Want(changed, "SN1")], fresh("SN1"), slot="A")
    with pytest.raises(UsageError) as caught:
        ledger.bind_pools([replace(SPEC, name="wlan")])
    assert caught.value.code == "pool.unknown"
    (state,) = ledger.bind_pools([replace(SPEC, low_water=9)])
    assert (state.low_water, state.is_low) == (9, True)
    (finding,) = [one for one in ledger.doctor() if one.code == "POOL-LOW"]
    assert "values for 8 more units, and 9 is its low water" in finding.message
    with pytest.raises(UsageError, match="no room for one unit"):
        bring(ledger, run(0x101, 0x102))


def test_a_cell_of_another_unit_is_refused_at_admission(ledger: Ledger) -> None:
    bring(ledger, run(0x10, 0x1F))
    given = give(ledger, "SN1")
    admit(ledger, given, serial="SN1", state=AttemptState.PASSED)
    with pytest.raises(Refused) as caught:
        ledger.admit(
            made.identity(0x500, serial="SN5"),
            made.facts(0x500, serial="SN5"),
            lot=LOT,
            slot="B",
            fingerprint=None,
            work=Work(LOT, cells=(("mac", given.value),)),
        )
    assert caught.value.code == "pool.cell-taken"
    clone = Given("mac", PoolKind.MAC, "SN9", given.values, fresh=False)
    with pytest.raises(Refused) as caught:
        admit(ledger, clone, serial="SN9")
    assert caught.value.code == "ledger.clone"


def test_verify_sees_what_no_writer_leaves(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger, opened(tmp_path, "S2") as other:
        bring(ledger, run(0x10, 0x1F))
        give(ledger, "SN1")
        give(other, "SN2")
        assert ledger.verify() == ()
        with made.bare(ledger) as connection:
            connection.execute(text("UPDATE pool_leases SET first = first - 2, next = 9 WHERE station = 'S2'"))
            connection.execute(text("UPDATE pool_ranges SET taken = 99"))
        found = [finding for finding in ledger.verify() if finding.code == "LEDGER-POOL"]
        words = ("99 of its", "9 of its 4", "leased to station S1 too")
        assert [[word in one.message for word in words] for one in found] == [
            [True, False, False],
            [False, True, False],
            [False, False, True],
        ]


def test_the_rate_is_that_of_the_last_cells_up_to_now(tmp_path: Path) -> None:
    from datetime import UTC, datetime, timedelta

    from factory.ledger import open_ledger

    clock = [datetime(2026, 11, 1, 8, tzinfo=UTC)]
    with open_ledger("ledger.db", folder=tmp_path, station="S1", clock=lambda: clock[0]) as ledger:
        bring(ledger, run(0x10, 0x1F))
        for turn in range(4):
            give(ledger, f"K{turn}")
            clock[0] += timedelta(hours=8)
        (state,) = ledger.pool_states()
        assert state.per_day == pytest.approx(3 / (32 / 24))
        assert state.days_left == pytest.approx(4 / (3 / (32 / 24)))
        clock[0] -= timedelta(days=400)  # a clock that went back tells no rate that is below nothing
        (state,) = ledger.pool_states()
        assert state.per_day == pytest.approx(3.0)


_OPS = st.lists(
    st.one_of(
        st.tuples(st.just("give"), st.integers(0, 9), st.integers(1, 2)),
        st.tuples(st.just("burn"), st.integers(0, 29), st.just(0)),
        st.tuples(st.just("lease"), st.integers(1, 3), st.integers(1, 2)),
        st.tuples(st.just("import"), st.integers(0, 4), st.just(0)),
    ),
    min_size=5,
    max_size=40,
)


@settings(deadline=None, max_examples=8)
@given(_OPS)
def test_whatever_is_done_each_value_goes_to_one_unit_and_the_counts_add_up(ops: list[tuple[str, int, int]]) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        opened(Path(folder), "S1") as one,
        opened(Path(folder), "S2") as two,
    ):
        bring(one, run(0, 11))
        owner: dict[str, str] = {}
        for what, number, station in ops:
            ledger = two if station == 2 else one
            try:
                if what == "give":
                    given = give(ledger, f"K{number}")
                    assert owner.setdefault(given.value, f"K{number}") == f"K{number}"
                elif what == "burn":
                    ledger.burn(made.mac(number).plain, "by hand")
                    owner[made.mac(number - number % 2).plain] = "nobody"
                elif what == "lease":
                    ledger.lease_cells("router", "mac", f"S{station}", number)
                else:
                    bring(ledger, run(12 + 4 * number, 15 + 4 * number))
            except (Refused, PoolTaken, UsageError) as refusal:
                assert refusal.code in (
                    "pool.exhausted",
                    "pool.overlap",
                    "pool.imported",
                    "pool.unknown-value",
                    "usage",
                )
        (state,) = one.pool_states()
        assert state.given + state.burned + state.remaining == state.total
        assert state.burned == sum(owner == "nobody" for owner in owner.values())
        assert min(state.free, *state.leased.values(), 0) == 0
        assert one.verify() == ()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("UPDATE pool_cells SET \"key\" = 'SN7' WHERE state = 'given'", "belongs to the unit with key 'SN7'"),
        ("UPDATE pool_cells SET value = 'b827eb00001e' WHERE state = 'given'", "no event says so"),
        ("UPDATE pool_cells SET value = '{}' WHERE state = 'given'", "no event says so"),
        ("UPDATE pool_cells SET state = 'given', \"key\" = 'SN7' WHERE state = 'burned'", "belongs to the unit"),
        ("UPDATE pool_cells SET state = 'free'", "nothing that a value can be"),
        ("DELETE FROM pool_cells WHERE state = 'burned'", "no pool knows any more"),
        ("UPDATE pool_ranges SET taken = 1", "can be leased once more"),
    ],
)
def test_a_value_that_counts_as_free_and_is_not_is_told(change: str, what: str, tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        bring(ledger, run(10, 29))
        give(ledger, "SN1")
        ledger.burn("b8:27:eb:00:00:0c", "scratched")
        assert ledger.verify() == ()
        with made.bare(ledger) as connection:
            connection.execute(text(change))
        assert what in "; ".join(str(finding) for finding in ledger.verify() if finding.code == "LEDGER-POOL")


def test_a_unit_whose_value_was_burned_in_quarantine_stays_there(any_ledger: Ledger) -> None:
    ledger = any_ledger
    bring(ledger, run(10, 29))
    admit(ledger, give(ledger, "SN1"), serial="SN1", state=AttemptState.PASSED)
    ledger.change_unit("hw-10", UnitState.QUARANTINED, "two of them were seen")
    ledger.burn("b8:27:eb:00:00:0b", "two of them were seen")
    with pytest.raises(Refused, match="was burned") as caught:
        ledger.release_unit("hw-10", "it was the other one")
    assert (caught.value.code, caught.value.hint != "") == ("unit.burned", True)
    ledger.change_unit("hw-10", UnitState.SCRAPPED, "for good")


@pytest.mark.parametrize("column", ["next", "cells", "first"])
def test_a_lease_with_a_damaged_number_is_told(column: str, tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        bring(ledger, run(10, 29))
        give(ledger, "SN1")
        with made.bare(ledger) as connection:
            connection.execute(text(f"UPDATE pool_leases SET {column} = 'x'"))
        assert f"its column {column} holds" in "; ".join(str(finding) for finding in ledger.verify())
