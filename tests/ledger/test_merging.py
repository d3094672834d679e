"""Two ledgers become one: everything of both is told afterwards, and nothing of either is overwritten."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from factory.errors import UsageError
from factory.ledger import (
    BY_MAC,
    Binding,
    Ledger,
    LedgerError,
    MergeRefused,
    OrderFile,
    OrderKey,
    OrderRow,
    open_ledger,
)
from factory.ledger.columns import metadata
from factory.ledger.merging.tables import MERGED, NOT_MERGED, OWN_RULES
from factory.values import AttemptState, RowState, UnitState
from tests.ledger import made
from tests.ledger.made import BINDING, LOT, admit, bare, make_pass, url_of


class Two:
    """Two ledgers, `here` and `there`; each opened as a station of its own, at clocks that can be set."""

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        self._folder = folder
        self.now = datetime(2026, 11, 20, 12, tzinfo=UTC)
        self.here = self.open("here", "S1")
        self.there = self.open("there", "S2")

    def open(self, name: str, station: str) -> Ledger:
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        ledger = open_ledger(url_of(folder), folder=folder, station=station, operator="Kim", clock=self.clock)
        ledger.bind_lot(LOT, BINDING)
        return self._stack.enter_context(ledger)

    def clock(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def later(self, hours: float) -> None:
        self.now += timedelta(hours=hours)

    def close(self) -> None:
        assert self.here.verify() == ()
        assert self.there.verify() == ()
        self._stack.close()


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    both = Two(tmp_path)
    yield both
    both.close()


def state_of(ledger: Ledger, value: str) -> str:
    (unit,) = ledger.trace(value).units
    return unit.state


def snapshot(ledger: Ledger) -> dict[str, list[tuple[object, ...]]]:
    with bare(ledger) as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in metadata.sorted_tables
        }


def fail(ledger: Ledger, *macs: int, serial: str | None = "SN1", written: bool = True) -> None:
    attempt = admit(ledger, *macs, serial=serial)
    if written:
        ledger.advance(attempt.id, AttemptState.FLASHING, image=made.IMAGE)
    ledger.failed(attempt.id, "flash.damaged", "the cable")


def refused(two: Two) -> MergeRefused:
    before = snapshot(two.here)
    with pytest.raises(MergeRefused) as caught:
        two.here.merge(two.there)
    assert snapshot(two.here) == before
    assert caught.value.exit_code == 1
    return caught.value


def test_every_table_is_merged_or_is_not_for_a_reason() -> None:
    listed = [spec.table for spec in MERGED]
    every = {*listed, *OWN_RULES, *NOT_MERGED}
    missing = set(metadata.tables.values()) - every
    assert not missing, f"say in ledger/merging/tables.py what a merge does with {missing}"
    assert len(listed) == len(set(listed)) and len(every) == len(listed) + len(OWN_RULES) + len(NOT_MERGED)
    numbered = {(spec.table, spec.number) for spec in MERGED}
    numbered |= {(table, "id") for table in OWN_RULES if "id" in table.c}
    for spec in MERGED:
        columns = set(spec.table.c.keys())
        assert {*spec.key, *spec.refs} <= columns
        # Whatever holds another row's number must be told so.
        for column in spec.table.c:
            for foreign in column.foreign_keys:
                if (foreign.column.table, foreign.column.name) in numbered:
                    assert spec.refs[column.name] == foreign.column.table.name, column


@pytest.mark.usefixtures("both_engines")
def test_the_whole_life_is_told_from_both(two: Two) -> None:
    make_pass(two.here, 1, serial="SN1")
    fail(two.there, 2, serial="SN2")
    passed = make_pass(two.there, 2, serial="SN2", hook=True)
    two.there.hook_result(passed.id, ok=False, detail="no network")
    two.there.turn_away(lot=LOT, slot="B", code="identity", text="no MAC", facts=made.facts(9))
    two.there.remember_host_key(
        policy="per-unit", slot="A", algorithm="ed25519", fingerprint="k", macs=("b827eb000002",)
    )
    cut = admit(two.there, 3, serial="SN3")
    two.there.advance(cut.id, AttemptState.FLASHING, image=made.IMAGE)
    two.there.leave_restore(cut.id, {"schema": "factory.restore/1"})
    two.there.failed(cut.id, "unit.gone", "it went away")

    merged = two.here.merge(two.there)

    assert (merged.units, merged.followed, merged.aside, merged.attempts, merged.conflicts) == (2, 0, 0, 4, ())
    (unit,) = two.here.trace("b8:27:eb:00:00:02").units
    assert [(one.number, str(one.state), one.station) for one in unit.attempts] == [
        (1, "failed", "S2"),
        (2, "passed", "S2"),
    ]
    theirs = two.there.trace("b827eb000002").units[0]
    assert [(one.kind, one.seq, dict(one.data)) for one in unit.events] == [
        (one.kind, one.seq, dict(one.data)) for one in theirs.events
    ]
    assert unit.values == theirs.values
    assert [one.hardware_id for one in two.here.passed_units(LOT)] == ["hw-1", "hw-2"]
    assert [one.hardware_id for one in two.here.hooks_to_repeat()] == ["hw-2"]
    assert [one.hardware_id for one in two.here.pending_restores(made.facts(3, serial="SN3"))] == ["hw-3"]
    assert [one.fingerprint for one in two.here.host_keys_of(["b827eb000002"])] == ["k"]
    assert [str(one.state) for one in two.here.trace("b827eb000009").strangers] == ["refused"]
    with pytest.raises(Exception, match="already passed"):
        admit(two.here, 2, serial="SN2")
    assert two.here.verify() == ()


@pytest.mark.usefixtures("both_engines")
def test_merging_again_changes_nothing_and_later_only_what_is_new(two: Two) -> None:
    make_pass(two.here, 1, serial="SN1")
    attempt = admit(two.there, 2, serial="SN2")
    two.there.advance(attempt.id, AttemptState.FLASHING, image=made.IMAGE)
    assert not two.here.merge(two.there).is_nothing
    before = snapshot(two.here)
    assert two.here.merge(two.there).is_nothing
    assert snapshot(two.here) == before
    # The attempt was under way: what came next follows.
    two.there.failed(attempt.id, "x", "y")
    make_pass(two.there, 2, serial="SN2")
    make_pass(two.there, 3, serial="SN3")
    two.there.change_unit("hw-3", UnitState.REWORK, "scratched")
    merged = two.here.merge(two.there)
    assert (merged.units, merged.followed, merged.attempts) == (1, 1, 2)
    assert [str(one.state) for one in two.here.trace("hw-2").units[0].attempts] == ["failed", "passed"]
    assert (state_of(two.here, "hw-2"), state_of(two.here, "hw-3")) == ("passed", "rework")
    # And the other way round: each then knows all.
    back = two.there.merge(two.here)
    assert (back.units, back.attempts) == (1, 1)
    assert state_of(two.there, "hw-1") == "passed"
    assert two.here.merge(two.there).attempts == 0


def test_a_unit_that_was_tried_at_both_is_one_unit(two: Two) -> None:
    fail(two.here, 1, serial="SN1")
    two.later(2)
    make_pass(two.there, 1, serial="SN1")
    merged = two.here.merge(two.there)
    assert (merged.units, merged.followed) == (0, 1)
    (unit,) = two.here.trace("hw-1").units
    assert [(one.number, str(one.state), one.station) for one in unit.attempts] == [
        (1, "failed", "S1"),
        (2, "passed", "S2"),
    ]
    assert unit.state == "passed" and [one.hardware_id for one in two.here.passed_units(LOT)] == ["hw-1"]


def test_an_unknown_attempt_is_settled_by_what_came_later(two: Two) -> None:
    left = admit(two.here, 1, serial="SN1")
    two.here.close()
    two.here = two.open("here", "S1")
    two.here.recover()
    two.later(2)
    make_pass(two.there, 1, serial="SN1")
    two.here.merge(two.there)
    settled = two.here.attempt(left.id)
    assert settled.state is AttemptState.FAILED and "read again in attempt" in (settled.cause or "")
    assert two.here.doctor() == ()


@pytest.mark.parametrize("written", [True, False])
def test_which_wrote_last_must_be_known(two: Two, *, written: bool) -> None:
    make_pass(two.there, 1, serial="SN1")
    two.later(0.2)  # less than clocks may differ
    fail(two.here, 1, serial="SN1", written=written)
    if written:
        conflict = refused(two).conflicts[0]
        assert "nobody knows which came last" in conflict.what
        assert "station S1" in conflict.here and "station S2" in conflict.there
    else:
        two.here.merge(two.there)
        assert state_of(two.here, "hw-1") == "passed"


def test_conflicts_show_both_sides_and_nothing_is_written(two: Two) -> None:
    make_pass(two.here, 1, serial="SN1")  # passed on both sides
    make_pass(two.there, 1, serial="SN1")
    fail(two.here, 2, 3, serial="SN2")  # in part
    fail(two.there, 2, serial="SN2b")
    fail(two.here, 4, serial="SN4")  # another board
    fail(two.there, 4, serial="SN4b")
    fail(two.here, 5, serial=None)  # nobody can tell
    fail(two.there, 5, serial=None)
    admit(two.here, 6, serial="SN6")  # in work
    fail(two.there, 6, serial="SN6")
    admit(two.here, 7, serial="SN7", name="gate")  # a name
    admit(two.there, 8, serial="SN8", name="Gate")
    fail(two.there, 9, serial="SN9")  # this one is fine
    error = refused(two)
    what = {one.what.rpartition(": ")[2] if "serial SN4 here" not in one.what else "board" for one in error.conflicts}
    assert what == {
        "it is passed here, and was written there",
        "only a part of the values is the same",
        "board",
        "no board serial tells whether these are two units or one",
        "it is in work here and was failed there",
    } | {one.what.partition(": ")[2] for one in error.conflicts if "name is that of another" in one.what}
    assert len(error.conflicts) == 6
    first = error.conflicts[0]
    assert "passed, hardware id hw-1" in first.here and "slot A of station S1" in first.here
    assert "slot A of station S2" in first.there
    assert "slot A of station S2" in str(error) and "--quarantine" in error.hint


@pytest.mark.usefixtures("both_engines")
def test_quarantine_keeps_both_and_lets_the_rest_in(two: Two) -> None:
    make_pass(two.here, 1, serial="SN1")
    make_pass(two.there, 1, serial="SN1")
    make_pass(two.there, 2, serial="SN2")
    merged = two.here.merge(two.there, quarantine=True)
    assert (merged.units, merged.aside, merged.quarantined, len(merged.conflicts)) == (1, 1, ("hw-1",), 1)
    assert (state_of(two.here, "hw-1"), state_of(two.here, "hw-2")) == ("quarantined", "passed")
    found = two.here.trace("hw-1")
    assert [(one.station, str(one.state)) for one in found.units[0].attempts] == [("S1", "passed")]
    assert [(one.station, str(one.state), one.unit) for one in found.strangers] == [("S2", "passed", None)]
    told = [one for one in found.units[0].events if one.kind == "merge.conflict"]
    assert len(told) == 1 and "station S2" in str(told[0].data["there"]) and "station S1" in str(told[0].data["here"])
    assert [one.hardware_id for one in two.here.passed_units(LOT)] == ["hw-2"]
    assert two.here.verify() == ()
    before = snapshot(two.here)
    assert two.here.merge(two.there, quarantine=True).is_nothing
    assert two.here.merge(two.there).is_nothing
    assert snapshot(two.here) == before
    # A person decides; what the other ledger tells of it later still goes aside.
    two.here.release_unit("hw-1", "compared: ours is right")
    two.there.change_unit("hw-1", UnitState.REWORK, "again")
    make_pass(two.there, 1, serial="SN1")
    later = two.here.merge(two.there)
    assert (later.conflicts, later.aside) == ((), 1)
    assert state_of(two.here, "hw-1") == "passed"
    assert [one.hardware_id for one in two.here.passed_units(LOT)] == ["hw-1", "hw-2"]


def test_a_unit_in_work_stays_in_quarantine_when_its_attempt_passes(two: Two) -> None:
    attempt = admit(two.here, 1, serial="SN1")
    fail(two.there, 1, serial="SN1")
    two.here.merge(two.there, quarantine=True)
    made.to_proved(two.here, attempt)
    two.here.passed(attempt.id, made.receipt(), made.proof())
    assert state_of(two.here, "hw-1") == "quarantined"
    assert two.here.passed_units(LOT) == ()
    two.here.release_unit("hw-1", "compared")
    assert state_of(two.here, "hw-1") == "passed"


def test_other_host_keys_for_the_same_addresses_are_two_boards(two: Two) -> None:
    for ledger, key in ((two.here, "one"), (two.there, "two")):
        ledger.remember_host_key(policy="per-unit", slot="A", algorithm="a", fingerprint=key, macs=("b827eb000001",))
        fail(ledger, 1, serial="SN1")
        two.later(2)
    assert "SSH host key is one here and two there" in refused(two).conflicts[0].what


def test_a_lot_of_another_product(two: Two, tmp_path: Path) -> None:
    other = Binding("router", "e" * 64, "b" * 64, 1)
    two.there.bind_lot(LOT, other, accept_reason="a new template")
    make_pass(two.there, 1, serial="SN1")
    # It was changed there, from what it is here: the other ledger's is the newer one.
    two.here.merge(two.there)
    assert two.here.lot(LOT).binding == other
    third = two.open("third", "S3")
    third.bind_lot("L2", BINDING)
    two.here.bind_lot("L2", other)
    with pytest.raises(MergeRefused, match="lot L2 is made otherwise: product sha256"):
        two.here.merge(third)
    two.here.merge(third, quarantine=True)
    assert two.here.lot("L2").binding == other


def order(ledger: Ledger, *macs: int, file: str = "order.csv", sha256: str = "f" * 64) -> None:
    rows = [
        OrderRow(n, {"mac": made.mac(m).colons}, (OrderKey(BY_MAC, made.mac(m).plain),)) for n, m in enumerate(macs, 2)
    ]
    ledger.import_order(OrderFile(LOT, "router", file, sha256, "order"), rows)


def with_row(ledger: Ledger, mac: int) -> None:
    facts = made.facts(mac, serial=f"SN{mac}")
    work = ledger.assign(facts, LOT, required=True)
    identity = made.identity(mac, serial=f"SN{mac}")
    ledger.admit(identity, facts, lot=LOT, slot="A", fingerprint=made.FINGERPRINT, work=work)


def test_the_same_order_at_both_is_one_order(two: Two) -> None:
    order(two.here, 1, 2, 3)
    order(two.there, 1, 2, 3)
    order(two.there, 4, file="more.csv", sha256="e" * 64)
    with_row(two.here, 1)
    with_row(two.there, 2)
    with_row(two.there, 4)
    two.here.merge(two.there)
    with bare(two.here) as connection:
        rows = connection.execute(select(metadata.tables["order_rows"])).all()
    assert sorted((row.number, row.unit is not None) for row in rows) == [(2, True), (2, True), (3, True), (4, False)]
    assert dict(two.here.assign(made.facts(3), LOT, required=True).order) == {"mac": made.mac(3).colons}


def test_a_row_that_says_something_else(two: Two) -> None:
    order(two.here, 1, 2)
    order(two.there, 2, file="other.csv", sha256="e" * 64)
    with_row(two.there, 2)
    (conflict,) = refused(two).conflicts
    assert conflict.kind == "order" and "other.csv row 2" in conflict.what and "mac b827eb000002" in conflict.what
    merged = two.here.merge(two.there, quarantine=True)
    assert merged.quarantined == ("hw-2",)


def export(ledger: Ledger, name: str, number: int, *units: int) -> None:
    ledger.mark_exported(LOT, [made_upload(name, number, units)])


def made_upload(name: str, number: int, units: tuple[int, ...]):  # type: ignore[no-untyped-def]
    from factory.ledger import UploadFile

    return UploadFile(name, number, name[0] * 64, units)


@pytest.mark.usefixtures("both_engines")
def test_uploads_follow_and_two_of_one_number_are_a_conflict(two: Two) -> None:
    first = make_pass(two.there, 1, serial="SN1")
    assert first.unit is not None
    export(two.there, "a.csv", 1, first.unit)
    two.here.merge(two.there)
    (listed,) = two.here.passed_units(LOT)
    assert (listed.upload, listed.row) == ("a.csv", RowState.EXPORTED)
    # What the portal said there since, and a unit that was made again and exported again.
    two.there.confirm_rows(LOT, {first.unit: RowState.PREREGISTERED}, source="test")
    two.there.change_unit("hw-1", UnitState.REWORK, "again")
    again = make_pass(two.there, 1, serial="SN1")
    assert again.unit is not None
    export(two.there, "b.csv", 2, again.unit)
    two.here.merge(two.there)
    (listed,) = two.here.passed_units(LOT)
    assert (listed.upload, listed.row) == ("b.csv", RowState.EXPORTED)
    # Both go on by themselves.
    mine = make_pass(two.here, 5, serial="SN5")
    theirs = make_pass(two.there, 6, serial="SN6")
    assert mine.unit is not None and theirs.unit is not None
    export(two.here, "c.csv", 3, mine.unit)
    export(two.there, "d.csv", 3, theirs.unit)
    (conflict,) = refused(two).conflicts
    assert conflict.what == "two uploads are number 3 of lot 2026-11"
    merged = two.here.merge(two.there, quarantine=True)
    assert merged.quarantined == ("hw-6",)
    assert {one.hardware_id for one in two.here.passed_units(LOT)} == {"hw-1", "hw-5"}


def test_a_row_that_both_have_changed(two: Two) -> None:
    first = make_pass(two.there, 1, serial="SN1")
    assert first.unit is not None
    export(two.there, "a.csv", 1, first.unit)
    two.here.merge(two.there)
    (own,) = two.here.passed_units(LOT)
    two.there.confirm_rows(LOT, {first.unit: RowState.ONLINE}, source="test")
    two.here.confirm_rows(LOT, {own.unit: RowState.PREREGISTERED}, source="test")
    (conflict,) = refused(two).conflicts
    assert conflict.what == "row 1 of a.csv was changed here and there"
    assert "preregistered" in conflict.here and "online" in conflict.there


def test_a_unit_made_anew_elsewhere_is_published_anew(two: Two) -> None:
    make_pass(two.there, 1, serial="SN1")
    two.here.merge(two.there)
    (unit,) = two.here.passed_units(LOT)
    export(two.here, "a.csv", 1, unit.unit)
    two.there.change_unit("hw-1", UnitState.REWORK, "again")  # which knows nothing of the upload
    make_pass(two.there, 1, serial="SN1")
    two.here.merge(two.there)
    (again,) = two.here.passed_units(LOT)
    assert (again.row, again.upload) == (RowState.NEEDS_REPUBLISH, "a.csv")
    export(two.here, "b.csv", 2, again.unit)
    told = [one for one in two.here.trace("hw-1").units[0].events if one.kind == "upload.withdrawn"]
    assert [one.data["upload"] for one in told] == ["a.csv"]


def test_offices_have_nothing_to_do_with_each_other(tmp_path: Path) -> None:
    with (
        open_ledger("a.db", folder=tmp_path) as here,
        open_ledger("b.db", folder=tmp_path) as there,
        open_ledger("c.db", folder=tmp_path) as third,
    ):
        here.bind_lot("L1", BINDING)
        there.bind_lot("L2", BINDING)
        third.bind_lot("L3", BINDING)
        third.merge(there)
        merged = here.merge(third)
        assert {one.name.partition("~")[0] for one in merged.chains} == {"office"}
        assert here.merge(there).is_nothing  # it came by way of the third
        assert here.verify() == ()
        there.bind_lot("L4", BINDING)
        assert here.merge(there).events == 1
        assert here.verify() == ()


def test_two_programs_of_one_name(two: Two) -> None:
    impostor = two.open("third", "S1")
    make_pass(impostor, 3, serial="SN3")
    make_pass(two.here, 1, serial="SN1")
    with pytest.raises(MergeRefused, match="two programs call themselves station S1"):
        two.here.merge(impostor)
    merged = two.here.merge(impostor, quarantine=True)
    assert merged.units == 1 and merged.chains[0].name.startswith("S1~")
    make_pass(two.here, 2, serial="SN2")
    assert two.here.verify() == ()


def test_a_copy_that_was_worked_on_is_never_merged(two: Two, tmp_path: Path) -> None:
    make_pass(two.here, 1, serial="SN1")
    copy = tmp_path / "copy.db"
    two.here.backup(copy)
    make_pass(two.here, 2, serial="SN2")
    with open_ledger(str(copy), station="S1", clock=two.clock) as other:
        assert two.here.merge(other).is_nothing  # an older copy of ours
        make_pass(other, 3, serial="SN3")
        for quarantine in (False, True):
            with pytest.raises(MergeRefused, match="goes on in two ways after event"):
                two.here.merge(other, quarantine=quarantine)
    assert not two.here.trace("hw-3").found


def test_an_older_copy_is_brought_up_by_the_newer_one(two: Two, tmp_path: Path) -> None:
    fail(two.here, 1, serial="SN1")
    copy = tmp_path / "copy.db"
    two.here.backup(copy)
    make_pass(two.here, 1, serial="SN1")
    make_pass(two.here, 2, serial="SN2")
    with open_ledger(str(copy), station="office", clock=two.clock) as older:
        older.merge(two.here)
        assert [one.hardware_id for one in older.passed_units(LOT)] == ["hw-1", "hw-2"]
        assert older.verify() == ()


def test_what_cannot_be_merged(two: Two, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not merged into itself"):
        two.here.merge(two.here)
    make_pass(two.there, 1, serial="SN1")
    copy = tmp_path / "copy.db"
    two.there.backup(copy)
    import sqlite3

    with sqlite3.connect(copy) as bare_copy:
        bare_copy.execute("UPDATE units SET state = 'scrapped'")
        bare_copy.execute("UPDATE attempts SET state = 'failed' WHERE state = 'passed'")
    with open_ledger(str(copy)) as damaged, pytest.raises(LedgerError, match="is not whole, so nothing"):
        two.here.merge(damaged)
