"""Two stations that know nothing of each other and reach the same unit."""

from __future__ import annotations

import io

import pytest

from factory.flashing import FlashError, finish, flash, restore
from factory.flashing.moves import stage_script
from factory.flashing.pending import LOCK
from factory.flashing.plan import Preflight
from factory.flashing.station_lock import OtherStation, lock, lock_script
from factory.units.deadline import Deadline
from factory.values import Receipt
from tests.flashing.rig import FIRST_BOOT, NEW, NEXT_BOOT, OLD, Rig, ShellUnit, picture


def flashed(rig: Rig, checked: Preflight, owner: str, unit: ShellUnit | None = None) -> Receipt:
    return flash(
        unit or rig.unit(), picture(), rig.section, checked=checked, facts=rig.facts(), reread=rig.reread,
        deadline=Deadline(20), owner=owner,
    )  # fmt: skip


def refused(rig: Rig, checked: Preflight) -> OtherStation:
    before = rig.tree()
    with pytest.raises(OtherStation) as caught:
        flashed(rig, checked, "S2")
    assert rig.tree() == before, "what the other one does is not touched"
    assert caught.value.code == "flash.other-station"
    assert caught.value.pending is None
    return caught.value


def set_uptime(rig: Rig, seconds: float) -> None:
    (rig.root / "proc/uptime").write_text(f"{seconds:.2f} 1.00\n")


def test_the_second_station_is_refused_at_every_stage_of_the_first(rig: Rig) -> None:
    checked = rig.checked(rig.unit())
    lock(rig.unit(), checked.stagings[0].path, rig.section, "S1 at bench-1", deadline=Deadline(5))
    assert '"S1_at_bench-1" is flashing this unit' in refused(rig, checked).message
    flashed(rig, checked, "S1 at bench-1")
    refused(rig, checked)
    refused(rig, rig.checked(rig.unit()))  # it sees an interrupted flash, which is none
    assert rig.content() == NEW
    finish(rig.unit(), checked.pending, deadline=Deadline(5))
    assert not list(rig.connectd.glob(".factory*"))
    flashed(rig, rig.checked(rig.unit()), "S2")


def test_the_way_back_gives_the_unit_free(rig: Rig) -> None:
    checked = rig.checked(rig.unit())
    flashed(rig, checked, "S1")
    restore(rig.unit(), checked.pending, deadline=Deadline(5))
    assert not list(rig.connectd.glob(f"{LOCK}.*"))
    flashed(rig, rig.checked(rig.unit()), "S2")


def test_a_lock_of_an_earlier_boot_is_none(rig: Rig) -> None:
    lock(rig.unit(), rig.checked(rig.unit()).stagings[0].path, rig.section, "S1", deadline=Deadline(5))
    assert [path.name for path in rig.connectd.glob(f"{LOCK}.*")] == [f"{LOCK}.{FIRST_BOOT}"]
    rig.set_boot(NEXT_BOOT)
    flashed(rig, rig.checked(rig.unit()), "S2")
    assert [path.name for path in rig.connectd.glob(f"{LOCK}.*")] == [f"{LOCK}.{NEXT_BOOT}"]


def test_a_lease_ends_by_the_units_own_uptime(rig: Rig) -> None:
    set_uptime(rig, 100)
    checked = rig.checked(rig.unit())
    lock(rig.unit(), checked.stagings[0].path, rig.section, "S1", deadline=Deadline(5))
    set_uptime(rig, 150)
    refused(rig, checked)
    set_uptime(rig, 100_000)
    flashed(rig, checked, "S2")
    assert rig.content() == NEW


def test_whoever_lost_the_lock_moves_nothing(rig: Rig) -> None:
    """The first station slept longer than its lease, and the second has begun meanwhile."""
    set_uptime(rig, 100)
    checked = rig.checked(rig.unit())
    unit = rig.unit()
    lost: list[int] = []

    def steal(number: int) -> None:
        if not lost and unit.commands[-1] != unit.commands[0]:
            lost.append(number)
            set_uptime(rig, 100_000)
            script = stage_script(checked, 0, "cat > new/0", lock_script(checked.stagings[0].path, rig.section, "S2"))
            rig.unit().put(lambda _: io.BytesIO(b"theirs"), script, deadline=Deadline(5))

    unit.on_command = steal
    with pytest.raises(OtherStation, match='"S2" is flashing'):
        flashed(rig, checked, "S1", unit)
    assert rig.content() == OLD
    assert (rig.connectd / ".factory-flash/new/0").read_bytes() == b"theirs"


def test_the_same_station_takes_its_unit_up_again_after_a_crash(rig: Rig) -> None:
    with pytest.raises(FlashError):
        flashed(rig, rig.checked(rig.unit()), "S1", rig.cutting_unit(18))
    again = rig.checked(rig.unit())
    assert again.interrupted
    flashed(rig, again, "S1")
    assert rig.content() == NEW


def test_whoever_lost_the_lock_during_the_restart_does_not_finish(rig: Rig) -> None:
    """After a restart the unit is anybody's: the proof locks it again, and the end asks whether it still is."""
    checked = rig.checked(rig.unit())
    flashed(rig, checked, "S1")
    home = checked.stagings[0].path
    rig.set_boot(NEXT_BOOT)
    lock(rig.unit(), home, rig.section, "S2", deadline=Deadline(5))
    before = rig.tree()
    with pytest.raises(OtherStation):
        lock(rig.unit(), home, rig.section, "S1", deadline=Deadline(5))
    with pytest.raises(OtherStation):
        finish(rig.unit(), checked.pending, deadline=Deadline(5), section=rig.section, owner="S1")
    assert rig.tree() == before
