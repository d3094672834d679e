from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from factory.errors import FactoryError, UsageError
from factory.flashing import Persistence, PreflightRefused, RestorePending, finish, preflight
from factory.units.deadline import Deadline
from tests.flashing.rig import FOLDERS, Picture, Rig, picture


def refused(rig: Rig, image: Picture | None = None, **changes: object) -> PreflightRefused:
    """The refusal, after a check that nothing was changed."""
    section = rig.section.model_copy(update=changes)
    before = rig.tree()
    with pytest.raises(PreflightRefused) as caught:
        preflight(rig.unit(), image or picture(), section, deadline=Deadline(20))
    assert rig.tree() == before
    return caught.value


def codes(error: PreflightRefused) -> list[str]:
    return [finding.code for finding in error.findings]


def test_a_good_unit_passes_and_nothing_is_changed(rig: Rig) -> None:
    before = rig.tree()
    checked = rig.checked(rig.unit())
    assert checked.verdict == Persistence.YES
    assert checked.folder == str(rig.connectd)
    assert checked.free is not None and checked.free > 0
    assert checked.as_json()["persistence"] == "yes"
    assert rig.tree() == before


@pytest.mark.parametrize("kind", ["tmpfs", "ramfs", "squashfs"])
def test_not_persistent_refuses_even_when_declared(rig: Rig, kind: str) -> None:
    rig.set_mounts(f"none {rig.root} {kind} rw 0 0")
    error = refused(rig, persistence="declared")
    assert codes(error) == ["flash.not-persistent"]
    assert kind in error.message


def test_read_only_refuses(rig: Rig) -> None:
    rig.set_mounts(f"/dev/sda1 {rig.root} ext4 ro 0 0")
    assert "read-only" in refused(rig).message


def test_unknown_refuses_unless_declared(rig: Rig) -> None:
    rig.set_mounts(f"share {rig.root} 9p rw 0 0")
    error = refused(rig)
    assert codes(error) == ["flash.persistence-unknown"]
    assert 'persistence = "declared"' in error.hint
    section = rig.section.model_copy(update={"persistence": "declared"})
    checked = preflight(rig.unit(), picture(), section, deadline=Deadline(20))
    assert checked.verdict == Persistence.UNKNOWN


def test_one_folder_in_memory_is_enough_to_refuse(rig: Rig) -> None:
    (rig.connectd / "active").mkdir()
    rig.set_mounts(f"/dev/sda1 {rig.root} ext4 rw 0 0", f"tmpfs {rig.connectd}/active tmpfs rw 0 0")
    error = refused(rig)
    assert codes(error) == ["flash.not-persistent"]
    assert error.findings[0].place == "active"


def test_a_mount_below_that_no_file_of_ours_lies_on_is_judged_too(rig: Rig) -> None:
    (rig.connectd / "other").mkdir()
    rig.set_mounts(f"/dev/sda1 {rig.root} ext4 rw 0 0", f"tmpfs {rig.connectd}/other tmpfs rw 0 0")
    assert codes(refused(rig)) == ["flash.not-persistent"]


def test_a_symlink_leads_to_where_the_file_really_lies(rig: Rig) -> None:
    volatile = rig.base / "volatile"
    volatile.mkdir()
    (rig.connectd / "hardware_id.txt").unlink()
    (rig.connectd / "hardware_id.txt").symlink_to(volatile / "id.txt")
    rig.set_mounts(f"/dev/sda1 {rig.root} ext4 rw 0 0", f"tmpfs {volatile} tmpfs rw 0 0")
    assert refused(rig).findings[0].place == "hardware_id.txt"


@pytest.mark.parametrize(("name", "target"), [("hardware_id.txt", "etc/passwd"), ("active", "usr/bin")])
def test_a_link_into_the_system_is_refused_and_what_it_leads_to_stays(rig: Rig, name: str, target: str) -> None:
    victim = rig.root / target
    (victim if name == "active" else victim.parent).mkdir(parents=True, exist_ok=True)
    if name != "active":
        victim.write_text("root:x:0:0\n")
        (rig.connectd / name).unlink()
    (rig.connectd / name).symlink_to(victim)
    error = refused(rig, clear=True)
    assert codes(error) == ["flash.link"]
    assert "belongs to the system" in error.message
    assert victim.exists()


def test_a_symlinked_file_without_readlink_is_refused(rig: Rig) -> None:
    rig.remove("readlink")
    (rig.connectd / "hardware_id.txt").unlink()
    (rig.connectd / "hardware_id.txt").symlink_to("registration_key.txt")
    error = refused(rig)
    assert codes(error)[0] == "flash.link"
    assert "readlink" in error.hint


def test_two_names_for_one_file_are_refused(rig: Rig) -> None:
    (rig.connectd / "hardware_id.txt").unlink()
    (rig.connectd / "hardware_id.txt").symlink_to("registration_key.txt")
    assert "same file" in refused(rig).message


def test_a_file_that_is_a_mount_point_is_refused(rig: Rig) -> None:
    target = rig.connectd / "hardware_id.txt"
    rig.set_mounts(f"/dev/sda1 {rig.root} ext4 rw 0 0", f"/dev/sda2 {target} ext4 rw 0 0")
    assert codes(refused(rig)) == ["flash.mount-point"]


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("name", ["A1B2", ".hidden", "..odd", "blank in it\nand more"])
def test_anything_in_the_five_folders_refuses(rig: Rig, folder: str, name: str) -> None:
    (rig.connectd / folder).mkdir()
    (rig.connectd / folder / name).symlink_to("nowhere")
    error = refused(rig)
    assert codes(error) == ["flash.leftover"]
    assert error.findings[0].place == folder
    assert "clear = true" in error.hint
    assert "\n" not in error.message


def pid_file(rig: Rig) -> None:
    (rig.root / "var/run/connectd").mkdir(parents=True)
    (rig.root / "var/run/connectd/A1B2.pid").write_text("4711\n")


def process(rig: Rig, name: str) -> None:
    (rig.root / "proc/4711").mkdir(exist_ok=True)
    (rig.root / "proc/4711/comm").write_text(f"{name}\n")


@pytest.mark.parametrize("name", ["connectd", "connectd.x86_64", "connectd_contro"])
def test_a_running_connectd_refuses(rig: Rig, name: str) -> None:
    process(rig, name)
    assert codes(refused(rig)) == ["flash.running"]


def test_other_processes_do_not_matter(rig: Rig) -> None:
    process(rig, "connectd_schanne")
    rig.checked(rig.unit())


def test_a_pid_file_refuses(rig: Rig) -> None:
    pid_file(rig)
    assert "A1B2.pid" in refused(rig).message


def test_every_reason_is_told_at_once(rig: Rig) -> None:
    pid_file(rig)
    (rig.connectd / "active").mkdir()
    (rig.connectd / "active/A1B2").touch()
    rig.set_mounts(f"tmpfs {rig.root} tmpfs rw 0 0")
    error = refused(rig)
    assert codes(error) == ["flash.not-persistent", "flash.running", "flash.leftover"]
    assert "and 2 more" in error.message


def test_clear_stops_keeps_a_copy_and_empties(rig: Rig) -> None:
    pid_file(rig)
    process(rig, "connectd.arm")
    rig.script("connectd_control", '[ "$*" = "stop all" ] && rm -r proc/4711')
    rig.link("find")
    for folder in ("active", "dfiles"):
        (rig.connectd / folder).mkdir()
        (rig.connectd / folder / ".hidden 1").write_text(folder)
        (rig.connectd / folder / "A1B2").symlink_to("/nowhere")
    section = rig.section.model_copy(update={"clear": True})
    unit = rig.unit()
    checked = preflight(unit, picture(), section, deadline=Deadline(20))
    assert checked.cleared == f"{rig.connectd}/.factory-cleared/1"
    copy = Path(checked.cleared)
    assert (copy / "active/.hidden 1").read_text() == "active"
    assert (copy / "dfiles/A1B2").is_symlink()
    assert list((rig.connectd / "active").iterdir()) == []
    assert copy.stat().st_mode & 0o777 == 0o700
    finish(unit, checked.pending, deadline=Deadline(10))
    assert not list(rig.connectd.glob(".factory*"))


def test_clear_never_kills_and_refuses_what_still_runs(rig: Rig) -> None:
    pid_file(rig)
    process(rig, "connectd.arm")
    rig.script("connectd_control", "exit 1")
    section = rig.section.model_copy(update={"clear": True})
    with pytest.raises(PreflightRefused) as caught:
        preflight(rig.unit(), picture(), section, deadline=Deadline(20))
    assert codes(caught.value) == ["flash.running"]
    assert "could not stop it" in caught.value.hint


def test_clear_touches_nothing_on_a_unit_that_is_refused_anyway(rig: Rig) -> None:
    (rig.connectd / "active").mkdir()
    (rig.connectd / "active/A1B2").touch()
    rig.set_mounts(f"tmpfs {rig.root} tmpfs rw 0 0")
    refused(rig, clear=True)


def test_a_full_disk_is_refused(rig: Rig) -> None:
    rig.script("df", "echo Filesystem 1024-blocks Used Available Capacity Mounted on; echo /dev/x 100 80 20 80% /")
    error = refused(rig)
    assert codes(error) == ["flash.space"]
    assert "20480 bytes are free" in error.message


def test_a_unit_without_df_is_not_judged_by_it(rig: Rig) -> None:
    rig.remove("df")
    assert rig.checked(rig.unit()).free is None


@pytest.mark.parametrize("tool", ["mv", "sync", "chmod", "mkdir"])
def test_a_missing_program_is_named(rig: Rig, tool: str) -> None:
    rig.remove(tool)
    assert f"the unit has no {tool}" in refused(rig).message


def test_replacing_a_package_file_needs_a_hash_program(rig: Rig) -> None:
    rig.remove("sha256sum")
    (rig.connectd / "oem_settings").touch()
    error = refused(rig, picture({"oem_settings": b"ours\n"}))
    assert codes(error) == ["flash.tool"]
    assert "sha256sum" in error.hint


def test_binary_content_needs_a_hash_program(rig: Rig) -> None:
    rig.remove("sha256sum")
    assert codes(refused(rig, picture({"schannel.conf": b"a\0b"}))) == ["flash.tool"]


def test_a_folder_in_the_place_of_a_file_is_refused(rig: Rig) -> None:
    (rig.connectd / "hardware_id.txt").unlink()
    (rig.connectd / "hardware_id.txt").mkdir()
    assert "is no file on the unit" in refused(rig).message


def test_a_file_in_the_place_of_a_folder_is_refused(rig: Rig) -> None:
    (rig.connectd / "active").touch()
    assert "is no folder on the unit" in refused(rig).message


def test_connectd_dir_that_is_a_file_is_refused(rig: Rig) -> None:
    assert "flash.kind" in codes(refused(rig, connectd_dir="etc/connectd/hardware_id.txt"))


def test_a_table_of_mounts_that_is_not_there_is_refused(rig: Rig) -> None:
    assert codes(refused(rig, mounts_file="proc/none")) == ["flash.mounts"]


def test_an_image_without_the_code_is_refused(rig: Rig) -> None:
    good = picture()
    files = tuple(entry for entry in good.manifest.files if not entry.path.startswith("bulk"))
    image = Picture(replace(good.manifest, files=files), good.contents)
    with pytest.raises(UsageError, match="bulk_identification_code"):
        preflight(rig.unit(), image, rig.section, deadline=Deadline(20))


@pytest.mark.parametrize("path", ["../passwd", "/etc/passwd", "a//b", ".factory-flash/x"])
def test_an_image_that_leaves_its_place_is_refused(rig: Rig, path: str) -> None:
    with pytest.raises(UsageError, match="cannot be flashed"):
        preflight(rig.unit(), picture({path: b"x"}), rig.section, deadline=Deadline(20))


def test_the_debt_survives_json() -> None:
    pending = RestorePending(
        ("/etc/connectd/.factory-flash", "/data/.factory-flash"), "0" * 64, "/etc/connectd/.factory-cleared"
    )
    assert RestorePending.from_json(pending.as_json()) == pending


GOOD: dict[str, object] = {
    "schema": "factory.restore/1",
    "staging": ["/etc/.factory-flash"],
    "image": "x",
    "cleared": "/etc/.factory-cleared",
}


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "factory.restore/9"},
        {"staging": []},
        {"staging": ["/etc"]},
        {"staging": ["etc/.factory-flash"]},
        {"staging": ["/etc/../.factory-flash"]},
        {"staging": "/etc/.factory-flash"},
        {"image": None},
        {"cleared": "/etc"},
        {"cleared": None},
    ],
)
def test_a_damaged_debt_is_refused_for_it_names_folders_to_delete(change: dict[str, object]) -> None:
    assert RestorePending.from_json(GOOD)
    with pytest.raises(FactoryError, match="pending restore"):
        RestorePending.from_json(GOOD | change)
