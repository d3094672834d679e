from __future__ import annotations

import os
import random
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from factory.flashing import FlashError, OtherUnit, finish, flash, restore
from factory.flashing.payload import WORTH_COMPRESSING
from factory.units.deadline import Cancelled, Deadline
from factory.values import Receipt
from tests.flashing.rig import FOLDERS, KEY, NEW, OLD, Picture, Rig, ShellUnit, is_root, picture
from tests.programs import require


def do_flash(rig: Rig, unit: ShellUnit, image: Picture | None = None) -> Receipt:
    image = image or picture()
    checked = rig.checked(unit, image)
    return flash(unit, image, rig.section, checked=checked, facts=rig.facts(), reread=rig.reread, deadline=Deadline(30))


def at_command(wanted: int, action: Callable[[], object]) -> Callable[[int], None]:
    """Something that happens just before the unit gets its command number `wanted`, from 1."""

    def on_command(number: int) -> None:
        if number == wanted:
            action()

    return on_command


def modes(rig: Rig) -> dict[str, int]:
    names = [*NEW, *FOLDERS]
    return {name: stat.S_IMODE((rig.connectd / name).stat().st_mode) for name in names}


def test_writes_the_image_exactly_and_keeps_the_old_content_until_finish(rig: Rig) -> None:
    unit = rig.unit()
    receipt = do_flash(rig, unit)
    assert rig.content() == NEW
    expected = {"bulk_identification_code.txt": 0o644, "hardware_id.txt": 0o644, "registration_key.txt": 0o600}
    assert modes(rig) == expected | dict.fromkeys(FOLDERS, 0o700)
    assert receipt.read_back == "hash, cached"  # simulated: the caches of the host are not ours to drop
    assert receipt.method == "files"
    assert receipt.files == {entry.path: entry.sha256 for entry in picture().manifest.files if entry.sha256}
    assert receipt.bytes_written == sum(map(len, NEW.values()))
    kept = {path.read_bytes() for path in (rig.connectd / ".factory-flash/old").iterdir()}
    assert kept == set(OLD.values())
    finish(unit, rig.checked(unit).pending, deadline=Deadline(10))
    assert [path.name for path in rig.connectd.iterdir() if path.name.startswith(".")] == []
    assert rig.content() == NEW


@pytest.mark.parametrize("program", ["gzip", "zstd"])
def test_a_large_image_is_compressed_where_the_unit_can_unpack_it_and_it_pays(rig: Rig, program: str) -> None:
    require(program)
    for name in {"gzip", program}:
        rig.link(name)
    noise = random.Random(1).randbytes(2 * WORTH_COMPRESSING)
    for content, smaller in ((b"text " * WORTH_COMPRESSING, True), (noise, False)):
        rig.set_old(OLD)
        unit = rig.unit()
        image = picture({"schannel.conf": content})
        sent: list[int] = []
        checked = rig.checked(unit, image)
        flash(
            unit, image, rig.section, checked=checked, facts=rig.facts(), reread=rig.reread, deadline=Deadline(30),
            progress=sent.append,
        )  # fmt: skip
        assert (sent[-1] < len(content) / 10) is smaller
        assert any(f"{program} -dc" in command for command in unit.commands) is smaller
        assert (rig.connectd / "schannel.conf").read_bytes() == content
        restore(unit, checked.pending, deadline=Deadline(20))


def test_needs_few_round_trips(rig: Rig) -> None:
    unit = rig.unit()
    checked = rig.checked(unit)
    before = len(unit.commands)
    flash(unit, picture(), rig.section, checked=checked, facts=rig.facts(), reread=rig.reread, deadline=Deadline(30))
    assert before == 1
    assert len(unit.commands) - before == 3  # stage, move, read back


def test_no_content_stands_in_a_command(rig: Rig) -> None:
    unit = rig.unit()
    do_flash(rig, unit)
    assert not any(KEY in command for command in unit.commands)


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox sh", "busybox tools"])
def test_every_shell_that_units_have(tmp_path: Path, shell: str) -> None:
    program, _, what = shell.partition(" ")
    path = require(program)
    busybox_tools = program == "busybox"
    command = (path, "sh") if what == "sh" else ("/bin/sh",) if what == "tools" else (path,)
    rig = Rig(tmp_path, shell=command, busybox=busybox_tools)
    do_flash(rig, rig.unit())
    assert rig.content() == NEW
    assert modes(rig)["registration_key.txt"] == 0o600


@pytest.mark.parametrize("missing", [("tar",), ("sha256sum",), ("tar", "sha256sum"), ("df",), ("readlink",)])
def test_works_without(rig: Rig, missing: tuple[str, ...]) -> None:
    rig.remove(*missing)
    receipt = do_flash(rig, rig.unit())
    assert rig.content() == NEW
    assert receipt.read_back == ("comparison, cached" if "sha256sum" in missing else "hash, cached")


def test_a_weaker_hash_is_named_in_the_receipt(rig: Rig) -> None:
    rig.remove("sha256sum")
    rig.link("md5sum")
    assert do_flash(rig, rig.unit()).read_back == "md5 hash, cached"


@pytest.mark.skipif(not is_root(), reason="ownership can be changed by root only")
def test_everything_belongs_to_root_where_we_are_root(rig: Rig) -> None:
    for name in FOLDERS:
        (rig.connectd / name).mkdir()
        os.chown(rig.connectd / name, 1000, 1000)
    os.chown(rig.connectd / "hardware_id.txt", 1000, 1000)
    do_flash(rig, rig.unit())
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in rig.connectd.rglob("*")}
    assert (0, 0) in owners
    assert {(rig.connectd / name).stat().st_uid for name in [*NEW, *FOLDERS]} == {0}


def test_symlinked_destinations_keep_their_links_and_other_mounts_get_their_own_staging(rig: Rig) -> None:
    data = rig.base / "data"
    data.mkdir()
    (data / "hw id.txt").write_bytes(OLD["hardware_id.txt"])
    (rig.connectd / "hardware_id.txt").unlink()
    (rig.connectd / "hardware_id.txt").symlink_to(data / "hw id.txt")
    (data / "live").mkdir()
    (rig.connectd / "active").symlink_to(data / "live")
    escaped = str(data).replace(" ", "\\040")
    rig.set_mounts(f"/dev/mmcblk0p2 {rig.root} ext4 rw 0 0", f"/dev/mmcblk0p3 {escaped} ext4 rw 0 0")
    unit = rig.unit()
    checked = rig.checked(unit)
    assert [staging.path for staging in checked.stagings] == [
        f"{rig.connectd}/.factory-flash",
        f"{data}/.factory-flash",
    ]
    do_flash(rig, unit)
    assert (rig.connectd / "hardware_id.txt").is_symlink()
    assert (data / "hw id.txt").read_bytes() == NEW["hardware_id.txt"]
    assert stat.S_IMODE((data / "live").stat().st_mode) == 0o700
    finish(unit, checked.pending, deadline=Deadline(10))
    assert sorted(path.name for path in data.iterdir()) == ["hw id.txt", "live"]


def test_package_files_leave_the_hash_of_their_original(rig: Rig) -> None:
    import hashlib

    (rig.connectd / "oem_settings").write_bytes(b"original\n")
    receipt = do_flash(rig, rig.unit(), picture({"oem_settings": b"ours\n", "schannel.conf": b"x\n"}))
    assert receipt.kept == {"oem_settings": hashlib.sha256(b"original\n").hexdigest()}
    assert (rig.connectd / "oem_settings").stat().st_mode & 0o777 == 0o755


def test_a_missing_connectd_dir_is_made(rig: Rig) -> None:
    import shutil

    shutil.rmtree(rig.root / "etc")
    do_flash(rig, rig.unit())
    assert rig.content() == NEW
    assert stat.S_IMODE(rig.connectd.stat().st_mode) == 0o755


def fails_and_leaves_everything_as_it_was(rig: Rig, code: str) -> FlashError:
    before = rig.tree()
    with pytest.raises(FlashError) as caught:
        do_flash(rig, rig.unit())
    assert caught.value.code == code
    assert caught.value.pending is None
    assert caught.value.hint
    assert rig.tree() == before
    return caught.value


def test_disk_full_while_staging(rig: Rig) -> None:
    rig.script("tar", 'cat > /dev/null; echo "tar: new/0: Cannot write: No space left on device" >&2; exit 2')
    error = fails_and_leaves_everything_as_it_was(rig, "flash.disk-full")
    assert "No space left" in error.message


def test_read_only_while_staging(rig: Rig) -> None:
    rig.wrap("mkdir", 'case "$*" in *factory-flash*) echo "mkdir: Read-only file system" >&2; exit 1;; esac')
    fails_and_leaves_everything_as_it_was(rig, "flash.read-only")


def test_disk_full_while_moving(rig: Rig) -> None:
    body = 'case "$*" in *new/*hardware_id*) echo "mv: No space left on device" >&2; exit 1;; esac'
    rig.wrap("mv", body)
    fails_and_leaves_everything_as_it_was(rig, "flash.disk-full")


@pytest.mark.parametrize("hashes", [True, False])
def test_damage_on_the_way_is_found_before_anything_is_moved(rig: Rig, hashes: bool) -> None:
    if not hashes:
        rig.remove("sha256sum")
    rig.script("tar", "cat > /dev/null; for i in 0 1 2 3 4 5 6 7; do echo damaged > new/$i; done; echo > undo.new")
    before = rig.tree()
    with pytest.raises(FlashError) as caught:
        do_flash(rig, rig.unit())
    assert caught.value.code == "flash.damaged"
    assert rig.tree() == before


def test_a_medium_that_keeps_something_else_is_found_by_the_read_back(rig: Rig) -> None:
    unit = rig.unit()
    target = rig.connectd / "registration_key.txt"
    unit.on_command = at_command(4, lambda: target.write_bytes(b"rotten\n"))
    with pytest.raises(FlashError) as caught:
        do_flash(rig, unit)
    assert caught.value.code == "flash.read-back"
    assert "registration_key.txt holds something else" in caught.value.message
    assert rig.content() == OLD


def test_a_mode_that_does_not_stay_is_found(rig: Rig) -> None:
    unit = rig.unit()
    target = rig.connectd / "registration_key.txt"
    unit.on_command = at_command(4, lambda: target.chmod(0o644))
    with pytest.raises(FlashError, match="has mode 0644, not 0600"):
        do_flash(rig, unit)
    assert rig.content() == OLD


def test_swapped_before_nothing_is_touched(rig: Rig) -> None:
    unit = rig.unit()
    checked = rig.checked(unit)
    before = rig.tree()
    other = rig.facts(serial="board-2")
    with pytest.raises(OtherUnit, match="serial was board-1 and is board-2") as caught:
        flash(
            unit,
            picture(),
            rig.section,
            checked=checked,
            facts=rig.facts(),
            reread=lambda _u, _d: other,
            deadline=Deadline(30),
        )
    assert caught.value.pending is None
    assert rig.tree() == before


def test_swapped_after_leaves_a_debt_and_no_further_command(rig: Rig) -> None:
    unit = rig.unit()
    checked = rig.checked(unit)
    answers = iter([rig.facts(), rig.facts(boot_id="33333333-3333-4333-8333-333333333333")])
    with pytest.raises(OtherUnit, match="restarted or swapped") as caught:
        flash(
            unit,
            picture(),
            rig.section,
            checked=checked,
            facts=rig.facts(),
            reread=lambda _u, _d: next(answers),
            deadline=Deadline(30),
        )
    assert caught.value.pending == checked.pending
    assert len(unit.commands) == 4


def test_called_off_in_the_middle_puts_the_old_content_back(rig: Rig) -> None:
    unit = rig.unit()
    deadline = Deadline(30)
    checked = rig.checked(unit)
    before = rig.tree()
    unit.on_command = at_command(3, deadline.cancel.set)
    with pytest.raises(Cancelled):
        flash(unit, picture(), rig.section, checked=checked, facts=rig.facts(), reread=rig.reread, deadline=deadline)
    assert rig.tree() == before


def test_progress_counts_the_payload(rig: Rig) -> None:
    unit = rig.unit()
    rig.remove("tar")
    seen: list[int] = []
    checked = rig.checked(rig.unit())
    flash(
        rig.unit(),
        picture(),
        rig.section,
        checked=checked,
        facts=rig.facts(),
        reread=rig.reread,
        deadline=Deadline(30),
        progress=seen.append,
    )
    assert unit.commands == []
    assert seen == sorted(seen)
    assert len(seen) == 4  # three files and the undo script, one by one


def test_the_receipt_says_whether_the_caches_were_dropped(rig: Rig) -> None:
    """A unit that is not simulated: its own kernel is asked, and only its consent is called a read of the medium."""
    unit = rig.unit()
    checked = rig.checked(unit)
    section = rig.section.model_copy(update={"simulated": False})
    receipt = flash(
        unit, picture(), section, checked=checked, facts=rig.facts(), reread=rig.reread, deadline=Deadline(30)
    )
    dropped = os.access("/proc/sys/vm/drop_caches", os.W_OK)
    assert receipt.read_back == ("hash after drop_caches" if dropped else "hash, cached")
