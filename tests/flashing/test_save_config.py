"""Units whose connectd folder forgets: saved by the unit's own program, restored at boot, proved after it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from factory.flashing import FlashError, NotProved, PreflightRefused, RestorePending, finish, flash, prove, restore
from factory.flashing.plan import CODE_FILE
from factory.units.deadline import Deadline
from factory.units.protocol import Unit, UnitGone
from factory.values import Proof, Receipt
from tests.flashing.rig import FOLDERS, IDENTITY, KEY, NEW, NEXT_BOOT, OLD, Rig, picture

KIT = Path(__file__).parents[2] / "templates/persistence"
FACTORY = {"bulk_identification_code.txt": b"missing.\n", "hardware_id.txt": b"default.\n"}
TOOLS = ("cmp", "cp", "find", "sort")


class Volatile:
    """A rig whose connectd folder is a tmpfs, with the kit installed: every boot begins with the firmware's files."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.boots = 0
        for tool in TOOLS:
            rig.link(tool)
        (rig.root / "data").mkdir()
        kit = f"export CONNECTD_DIR={rig.connectd} CONNECTD_KEPT={rig.root}/data/connectd\n. {KIT}/connectd_persistence"
        rig.script("kit", kit)
        rig.script("connectd_save_config", "kit save")
        rig.script("reboot", f"echo {NEXT_BOOT} > proc/sys/kernel/random/boot_id")
        rig.section = rig.section.model_copy(update={"persistence": "save-config"})
        rig.set_mounts(f"/dev/mmcblk0p2 {rig.root} ext4 rw 0 0", f"tmpfs {rig.connectd} tmpfs rw 0 0")
        self.boot()

    def boot(self) -> None:
        rig = self.rig
        shutil.rmtree(rig.connectd)
        rig.connectd.mkdir()
        for name, content in FACTORY.items():
            (rig.connectd / name).write_bytes(content)
        done = rig.unit().run("kit restore", deadline=Deadline(20))
        assert done.status == 0, done
        self.boots += 1
        rig.set_boot(f"{self.boots:08d}-1111-4111-8111-111111111111")

    def reconnect(self, deadline: Deadline) -> Unit:
        self.boot()
        return self.rig.unit()

    def flash(self, unit: Unit | None = None) -> tuple[Receipt, RestorePending]:
        rig, unit = self.rig, unit or self.rig.unit()
        checked = rig.checked(rig.unit())
        self.pending = checked.pending
        receipt = flash(
            unit, picture(), rig.section, checked=checked, facts=rig.facts(), reread=rig.reread, deadline=Deadline(30)
        )
        return receipt, checked.pending

    def prove(self) -> Proof:
        rig = self.rig
        facts = rig.facts()
        proof, _ = prove(
            rig.unit(), picture(), IDENTITY, rig.section, reboot="soft", pending=self.pending, facts=facts,
            reconnect=self.reconnect, reread=rig.reread, deadline=Deadline(20),
        )  # fmt: skip
        return proof

    @property
    def registers_as_new(self) -> bool:
        content = self.rig.content()
        return content.get(CODE_FILE) == NEW[CODE_FILE]


@pytest.fixture
def volatile(rig: Rig) -> Volatile:
    return Volatile(rig)


def test_everything_is_back_after_the_restart(volatile: Volatile) -> None:
    receipt, pending = volatile.flash()
    assert receipt.saved == "status 0, no output"
    assert receipt.as_json()["saved"] == receipt.saved
    proof = volatile.prove()
    assert "registration_key.txt" in proof.compared
    assert "services/" in proof.compared
    finish(volatile.rig.unit(), pending, deadline=Deadline(20))
    volatile.boot()
    assert volatile.rig.content() == NEW
    assert (volatile.rig.connectd / "registration_key.txt").stat().st_mode & 0o777 == 0o600
    assert {(volatile.rig.connectd / name).stat().st_mode & 0o777 for name in FOLDERS} == {0o700}
    assert not list(volatile.rig.connectd.glob(".factory*"))


def test_the_record_goes_through_the_ledger(volatile: Volatile) -> None:
    _, pending = volatile.flash()
    assert pending.saving is not None
    assert RestorePending.from_json(pending.as_json()) == pending
    assert KEY not in str(pending.as_json())
    bad = pending.as_json() | {"saving": {**pending.saving.as_json(), "program": "rm"}}
    with pytest.raises(FlashError.__mro__[1], match="pending restore"):
        RestorePending.from_json(bad)


@pytest.mark.parametrize(
    ("body", "says"),
    [(None, "the unit has none"), ("# an OEM may edit this file\n\nexit 0", "it does nothing")],
)
def test_a_unit_that_cannot_save_is_refused_untouched(volatile: Volatile, body: str | None, says: str) -> None:
    if body is None:
        volatile.rig.remove("connectd_save_config")
    else:
        volatile.rig.script("connectd_save_config", body)
    before = volatile.rig.tree()
    with pytest.raises(PreflightRefused) as caught:
        volatile.rig.checked(volatile.rig.unit())
    assert caught.value.code == "flash.save-config"
    assert says in caught.value.message
    assert "docs/persistence.md" in caught.value.hint
    assert volatile.rig.tree() == before


def test_a_save_that_fails_is_told_and_undone(volatile: Volatile) -> None:
    volatile.rig.script("connectd_save_config", f"cat etc/connectd/registration_key.txt; echo no {KEY}; exit 3")
    with pytest.raises(FlashError) as caught:
        volatile.flash()
    assert caught.value.code == "flash.save-config"
    assert "status 3: *** no ***" in caught.value.message
    assert "docs/persistence.md" in caught.value.hint
    # The save fails on the way back too: until one succeeds nobody knows what the next start brings.
    assert caught.value.pending == volatile.pending
    assert volatile.rig.content() == FACTORY
    volatile.rig.script("connectd_save_config", "kit save")
    assert restore(volatile.rig.unit(), volatile.pending, deadline=Deadline(20)) is True
    volatile.boot()
    assert volatile.rig.content() == FACTORY


def test_a_program_that_only_says_that_it_saves_is_found_by_the_restart(volatile: Volatile) -> None:
    volatile.rig.script("connectd_save_config", "echo saved")
    receipt, _ = volatile.flash()
    assert receipt.saved == "status 0, saved"
    with pytest.raises(NotProved) as caught:
        volatile.prove()
    assert caught.value.code == "prove.not-saved"
    assert "docs/persistence.md" in caught.value.hint
    assert caught.value.pending is None
    assert volatile.rig.content() == FACTORY


def test_the_way_back_before_a_restart_saves_the_old_content_again(volatile: Volatile) -> None:
    volatile.rig.set_old(OLD)
    volatile.rig.unit().run("kit save", deadline=Deadline(20))
    _, pending = volatile.flash()
    assert restore(volatile.rig.unit(), pending, deadline=Deadline(20)) is True
    assert volatile.rig.content() == OLD
    volatile.boot()
    assert volatile.rig.content() == OLD, "the next start does not bring the new content back"
    assert restore(volatile.rig.unit(), pending, deadline=Deadline(20)) is False


def test_a_proof_that_fails_after_the_restart_leaves_no_identity(volatile: Volatile) -> None:
    """The old content lay beside the new in memory and is gone: the unit may not keep the new one either."""
    _, pending = volatile.flash()
    volatile.boot()
    assert volatile.registers_as_new
    assert restore(volatile.rig.unit(), pending, deadline=Deadline(20)) is True
    assert volatile.rig.content() == {}
    volatile.boot()
    assert volatile.rig.content() == FACTORY
    assert restore(volatile.rig.unit(), pending, deadline=Deadline(20)) is False


@pytest.mark.parametrize("restarted", [False, True])
def test_power_lost_or_cable_cut_in_the_middle_is_owed_and_taken_away_again(
    volatile: Volatile, *, restarted: bool
) -> None:
    rig = volatile.rig
    seen = set()
    for step in range(12, 200, 14):
        shutil.rmtree(rig.root / "data")
        (rig.root / "data").mkdir()
        volatile.boot()
        try:
            volatile.flash(rig.cutting_unit(step))
        except FlashError as error:
            assert isinstance(error.__cause__, UnitGone)
        else:
            break
        if restarted:
            volatile.boot()
        seen.add(volatile.registers_as_new)
        restore(rig.unit(), volatile.pending, deadline=Deadline(20))
        assert not volatile.registers_as_new, step
        volatile.boot()
        assert volatile.rig.content() == FACTORY, step
    assert seen == {False} if restarted else {False, True}


@pytest.mark.parametrize("step", range(1, 60, 4))
def test_the_way_back_can_be_cut_and_taken_again(volatile: Volatile, step: int) -> None:
    _, pending = volatile.flash()
    volatile.boot()
    try:
        restore(volatile.rig.cutting_unit(step), pending, deadline=Deadline(20))
    except UnitGone:
        if step % 8 == 1:
            volatile.boot()
        restore(volatile.rig.unit(), pending, deadline=Deadline(20))
    volatile.boot()
    assert volatile.rig.content() == FACTORY
    assert not list(volatile.rig.connectd.glob(".factory*"))


def test_a_save_of_theirs_that_takes_everything_does_not_bring_the_staging_folder_back(volatile: Volatile) -> None:
    rig = volatile.rig
    rig.script("connectd_save_config", "rm -rf data/all; cp -pR etc/connectd data/all")
    rig.script("kit", "[ ! -d data/all ] || { rm -rf etc/connectd; cp -pR data/all etc/connectd; }")
    _, pending = volatile.flash()
    volatile.prove()
    assert (rig.connectd / ".factory-flash").is_dir()
    finish(rig.unit(), pending, deadline=Deadline(20))
    volatile.boot()
    assert rig.content() == NEW
    assert not (rig.connectd / ".factory-flash").exists()


def test_a_read_only_folder_is_refused_all_the_same(volatile: Volatile) -> None:
    volatile.rig.set_mounts(f"/dev/mmcblk0p2 {volatile.rig.root} squashfs ro 0 0")
    with pytest.raises(PreflightRefused) as caught:
        volatile.rig.checked(volatile.rig.unit())
    assert caught.value.code == "flash.not-persistent"
