"""Cut at any step a unit holds the old files, the new ones, or cannot register."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from factory.flashing import FlashError, Preflight, finish, flash, restore
from factory.flashing.moves import move_script
from factory.flashing.plan import CODE_FILE
from factory.units.deadline import Deadline
from factory.units.protocol import UnitGone
from tests.flashing.rig import FOLDERS, NEW, OLD, Rig, ShellUnit, picture

LIMIT = 200


def do_flash(rig: Rig, unit: ShellUnit, checked: Preflight) -> None:
    flash(unit, picture(), rig.section, checked=checked, facts=rig.facts(), reread=rig.reread, deadline=Deadline(30))


def begin(rig: Rig) -> None:
    rig.set_old(OLD)
    for name in FOLDERS[:2]:
        (rig.connectd / name).mkdir(mode=0o750)


def cut_at_each_step(rig: Rig) -> Iterator[tuple[int, Preflight]]:
    """Flash again and again from the same beginning, cut one step later each time; ends after an uncut flash."""
    for step in range(LIMIT):
        begin(rig)
        checked = rig.checked(rig.unit())
        try:
            do_flash(rig, rig.cutting_unit(step), checked)
        except FlashError as error:
            assert isinstance(error.__cause__, UnitGone)
            assert error.pending == checked.pending
            yield step, checked
        else:
            assert step > 20
            return
    pytest.fail("the flash never came to its end")


def state(rig: Rig) -> str:
    """What the unit could do now. A unit with a code can register, with whatever else lies there."""
    content = rig.content()
    if CODE_FILE not in content:
        return "cannot register"
    assert content in (OLD, NEW), f"a mix that can register: {sorted(content)}"
    return "old" if content == OLD else "new"


def test_no_cut_leaves_a_mix_and_every_cut_can_be_undone(rig: Rig) -> None:
    found = []
    for step, checked in cut_at_each_step(rig):
        found.append(state(rig))
        modes = {name: (rig.connectd / name).stat().st_mode & 0o777 for name in FOLDERS[:2]}
        restore(rig.unit(), checked.pending, deadline=Deadline(20))
        assert rig.content() == OLD, step
        assert sorted(path.name for path in rig.connectd.iterdir()) == sorted([*OLD, *FOLDERS[:2]]), step
        assert {(rig.connectd / name).stat().st_mode & 0o777 for name in modes} == {0o750}
        assert restore(rig.unit(), checked.pending, deadline=Deadline(20)) is False  # again: nothing more to do
    order = [name for position, name in enumerate(found) if position == 0 or found[position - 1] != name]
    assert order == ["old", "cannot register", "new"]


def test_the_way_back_can_be_cut_too(rig: Rig) -> None:
    stages: dict[str, tuple[int, Preflight]] = {}
    for step, checked in cut_at_each_step(rig):
        stages.setdefault(state(rig), (step, checked))
    for name, (first, checked) in stages.items():
        begin(rig)
        with pytest.raises(FlashError):
            do_flash(rig, rig.cutting_unit(first), checked)
        assert state(rig) == name
        saved = shutil.copytree(rig.connectd, rig.base / f"cut-{first}")
        for step in range(LIMIT):
            shutil.rmtree(rig.connectd)
            shutil.copytree(saved, rig.connectd)
            try:
                restore(rig.cutting_unit(step), checked.pending, deadline=Deadline(20))
            except UnitGone:
                state(rig)
                restore(rig.unit(), checked.pending, deadline=Deadline(20))
                assert rig.content() == OLD
            else:
                break
    assert set(stages) == {"old", "cannot register", "new"}


def test_finish_cut_anywhere_never_brings_part_of_the_old_back(rig: Rig) -> None:
    seen = set()
    for step in range(LIMIT):
        rig.set_old(OLD)
        checked = rig.checked(rig.unit())
        do_flash(rig, rig.unit(), checked)
        try:
            finish(rig.cutting_unit(step), checked.pending, deadline=Deadline(20))
        except UnitGone:
            assert rig.content() == NEW
            restore(rig.unit(), checked.pending, deadline=Deadline(20))
            assert rig.content() in (OLD, NEW)
            seen.add(rig.content() == OLD)
            assert not list(rig.connectd.glob(".factory*"))
        else:
            break
    assert seen == {True, False}


def test_across_two_mounts(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    data = rig.base / "data"
    data.mkdir()
    rig.set_mounts(f"/dev/mmcblk0p2 {rig.root} ext4 rw 0 0", f"/dev/mmcblk0p3 {data} ext4 rw 0 0")
    for step in range(0, LIMIT, 3):
        rig.set_old(OLD)
        (data / "id").write_bytes(OLD["hardware_id.txt"])
        (rig.connectd / "hardware_id.txt").unlink()
        (rig.connectd / "hardware_id.txt").symlink_to(data / "id")
        checked = rig.checked(rig.unit())
        assert len(checked.stagings) == 2
        try:
            do_flash(rig, rig.cutting_unit(step), checked)
        except FlashError:
            state(rig)
            restore(rig.unit(), checked.pending, deadline=Deadline(20))
            assert rig.content() == OLD
            assert [path.name for path in data.iterdir()] == ["id"]
        else:
            break
    assert rig.content() == NEW


def test_a_unit_without_old_files_is_empty_again(rig: Rig) -> None:
    rig.set_old({})
    checked = rig.checked(rig.unit())
    do_flash(rig, rig.unit(), checked)
    assert restore(rig.unit(), checked.pending, deadline=Deadline(20)) is True
    assert list(rig.connectd.iterdir()) == []


def test_a_move_that_still_runs_finds_nothing_more_to_move_once_the_way_back_was_taken(rig: Rig) -> None:
    """The line was cut, the script goes on alone on the unit while the next contact restores."""
    plan = rig.checked(rig.unit())
    with pytest.raises(FlashError):
        do_flash(rig, rig.cutting_unit(14), plan)
    digests = {index: plan.digest.of(NEW[plan.destinations[index].entry.path]) for index in plan.files if plan.digest}
    script = move_script(plan, digests)
    restore(rig.unit(), plan.pending, deadline=Deadline(20))
    late = rig.unit().run(script, deadline=Deadline(20))
    assert late.status != 0
    assert rig.content() == OLD


def test_the_next_flash_takes_the_way_back_by_itself_without_any_ledger(rig: Rig) -> None:
    for _step, checked in cut_at_each_step(rig):
        if state(rig) == "cannot register":
            assert checked.interrupted is False
            break
    again = rig.checked(rig.unit(), picture({"oem_settings": b"ours\n"}))
    assert again.interrupted is True
    unit = rig.unit()
    do_flash(rig, unit, rig.checked(unit))
    assert rig.content() == NEW
    kept = {path.read_bytes() for path in (rig.connectd / ".factory-flash/old").iterdir()}
    assert kept == set(OLD.values())


def test_an_interrupted_flash_that_the_preflight_did_not_see_is_not_overwritten(rig: Rig) -> None:
    checked = rig.checked(rig.unit())
    do_flash(rig, rig.unit(), checked)
    with pytest.raises(FlashError) as caught:
        do_flash(rig, rig.unit(), checked)
    assert caught.value.code == "flash.interrupted"
    assert rig.content() == OLD  # the first flash was undone on the way out


def test_cut_again_while_the_earlier_flash_is_undone(rig: Rig) -> None:
    with pytest.raises(FlashError):
        do_flash(rig, rig.cutting_unit(18), rig.checked(rig.unit()))
    checked = rig.checked(rig.unit())
    assert checked.interrupted
    with pytest.raises(FlashError) as caught:
        do_flash(rig, rig.cutting_unit(2), checked)
    assert caught.value.pending == checked.pending
    state(rig)
    assert restore(rig.unit(), checked.pending, deadline=Deadline(20)) is True
    assert rig.content() == OLD
