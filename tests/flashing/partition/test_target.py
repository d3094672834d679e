"""Which targets are refused, before anything is written; and what a simulated unit proves after its restart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from factory.config import PartitionFlash, UnitSection
from factory.errors import FactoryError
from factory.flashing import FlashError, NotProved, PreflightRefused
from factory.flashing import reboot as reboot_module
from factory.flashing.partition import BlankPending, prove_partition, source_of_image
from factory.flashing.partition.mtd import Mtd, parse_mtd
from factory.flashing.partition.pace import choose, grain_of
from factory.flashing.partition.readback import NOT_YET
from factory.flashing.partition.refusals import target_findings
from factory.flashing.partition.target import Target, Use, is_target
from factory.flashing.reboot import Reboot
from factory.images import Image
from factory.secrets import Secret
from factory.units.deadline import Deadline
from factory.units.protocol import Unit
from factory.values import ConnectdShow, Facts, Proof, Receipt
from tests.flashing.partition.rig import MIB, TARGET, PartitionRig, ext4_image
from tests.flashing.rig import FIRST_BOOT, IDENTITY, NEW, NEXT_BOOT

ROOT = Use("179:2", "179:0", "/")
GOOD = Target(
    "/dev/mmcblk0p3", "block", 8 * MIB, False, frozenset(("dd", "sha256sum")), number="179:3", disk="179:0",
    is_partition=True, uses=(ROOT,),
)  # fmt: skip
NAMED = PartitionFlash(target="/dev/mmcblk0p3")
NOR_NAMED = PartitionFlash(target="/dev/mtd5")
NOR = Mtd(5, "nor", 65536, 1, True, (7,), ())
FLASH = Target(
    "/dev/mtd5", "mtd", 8 * MIB, False, frozenset(("dd", "sha256sum", "flash_erase")), number="31:5", disk="31:5",
    is_partition=True, parts=("31:7",), uses=(Use("31:2", "31:2", "/"),), mtd=NOR,
)  # fmt: skip
OTHER = PartitionFlash(target="/dev/mmcblk0p4")


@pytest.fixture(scope="module")
def image() -> Image:
    return ext4_image()


@pytest.fixture
def rig(tmp_path: Path) -> PartitionRig:
    return PartitionRig(tmp_path / "unit")


WRONG = {
    "absent": (replace(GOOD, kind="absent"), NAMED, "flash.not-a-device"),
    "file": (replace(GOOD, kind="file"), NAMED, "flash.not-a-device"),
    "folder": (replace(GOOD, kind="other"), NAMED, "flash.not-a-device"),
    "tty": (replace(GOOD, kind="character"), NAMED, "flash.not-a-device"),
    "mtdblock": (replace(GOOD, number="31:3"), NAMED, "flash.not-a-device"),
    "no sysfs": (replace(GOOD, number=""), NAMED, "flash.unknown-device"),
    "no size": (replace(GOOD, size=None), NAMED, "flash.unknown-device"),
    "small": (replace(GOOD, size=4 * MIB - 512), NAMED, "flash.too-small"),
    "read-only": (replace(GOOD, read_only=True), NAMED, "flash.read-only"),
    "mounted": (replace(GOOD, uses=(ROOT, Use("179:3", "179:0", "/data"))), NAMED, "flash.mounted"),
    "swap": (replace(GOOD, uses=(ROOT, Use("179:3", "179:0", "swap"))), NAMED, "flash.mounted"),
    "whole disk in use": (replace(GOOD, uses=(Use("179:0", "179:0", "/data"),)), NAMED, "flash.mounted"),
    "below others": (replace(GOOD, holders=("dm-0",)), NAMED, "flash.held"),
    "no mounts": (replace(GOOD, uses=None), NAMED, "flash.mounts"),
    "not named": (GOOD, OTHER, "flash.system-disk"),
    "the disk": (
        replace(GOOD, path="/dev/mmcblk0", number="179:0", is_partition=False, parts=("179:2", "179:3")),
        PartitionFlash(target="/dev/mmcblk0"),
        "flash.system-disk",
    ),
    "no dd": (replace(GOOD, tools=frozenset(("sha256sum",))), NAMED, "flash.tool"),
    "NAND": (replace(FLASH, mtd=replace(NOR, type="nand", page=2048)), NOR_NAMED, "flash.memory"),
    "in pages": (replace(FLASH, mtd=replace(NOR, page=264)), NOR_NAMED, "flash.memory"),
    "nothing erases": (replace(FLASH, tools=GOOD.tools), NOR_NAMED, "flash.tool"),
    "its mtdblock is mounted": (replace(FLASH, uses=(Use("31:5", "31:5", "/data"),)), NOR_NAMED, "flash.mounted"),
    "a part of it is mounted": (replace(FLASH, uses=(Use("31:7", "31:7", "/"),)), NOR_NAMED, "flash.mounted"),
    "not named memory": (FLASH, OTHER, "flash.system-disk"),
    "UBI on it": (replace(FLASH, holders=("ubi0",)), NOR_NAMED, "flash.held"),
    "small memory": (replace(FLASH, size=MIB), NOR_NAMED, "flash.too-small"),
    "read-only memory": (replace(FLASH, read_only=True), NOR_NAMED, "flash.read-only"),
}


@pytest.mark.parametrize("name", WRONG)
def test_refused(name: str, image: Image) -> None:
    target, flash, code = WRONG[name]
    findings = list(target_findings(target, source_of_image(image), UnitSection(), flash))
    assert code in {finding.code for finding in findings}
    assert all(finding.hint for finding in findings)


def test_a_named_partition_of_the_running_disk_is_taken(image: Image) -> None:
    assert not list(target_findings(GOOD, source_of_image(image), UnitSection(), NAMED))
    assert not list(target_findings(FLASH, source_of_image(image), UnitSection(), NOR_NAMED))
    without_hash = replace(GOOD, tools=frozenset(("dd",)))
    assert not list(target_findings(without_hash, source_of_image(image), UnitSection(), NAMED))


def test_what_shares_flash_memory() -> None:
    """A router's memory: the whole chip, its parts, and parts of these; and another chip."""
    chips = [
        "0 /sys/devices/spi/mtd - 16777216", "1 /sys/devices/spi/mtd/mtd0 0 262144",
        "2 /sys/devices/spi/mtd/mtd0 262144 8388608", "3 /sys/devices/spi/mtd/mtd0/mtd2 0 2097152",
        "4 /sys/devices/spi/mtd/mtd0/mtd2 2097152 6291456", "5 /sys/devices/spi/mtd/mtd0 8650752 8126464",
        "6 /sys/devices/other/mtd - 16777216",
    ]  # fmt: skip

    def told(index: int, **changes: list[str]) -> dict[str, list[str]]:
        told = {"mtd": [str(index)], "erasesize": ["65536"], "writesize": ["1"], "type": ["nor"], "flags": ["0xc00"]}
        return {**told, "chip": chips, "ubi": ["4 /sys/class/ubi/ubi0"], **changes}

    def look(index: int) -> Mtd:
        found = parse_mtd(told(index))
        assert found is not None and found.bytewise and found.writeable
        return found

    assert look(0).shares == (1, 2, 3, 4, 5)
    assert look(1).shares == (0,) and look(5).shares == (0,) and look(6).shares == ()
    assert look(2).shares == (0, 3, 4) and look(2).holders == ("ubi0",)
    assert look(3).shares == (0, 2) and look(3).holders == ()
    # Older kernels show the parts beside each other, by their places in a chip that they do not show.
    flat = ["0 /sys/devices/spi/mtd 0 262144", "1 /sys/devices/spi/mtd 262144 8388608",
            "2 /sys/devices/spi/mtd 524288 65536"]  # fmt: skip
    found = parse_mtd(told(2, chip=flat, ubi=[]))
    assert found is not None and found.shares == (1,)
    wrong: tuple[dict[str, list[str]], ...]
    wrong = ({"erasesize": ["0"]}, {"chip": []}, {"flags": ["x"]}, {"chip": ["1 2"]})
    for changes in wrong:
        with pytest.raises((ValueError, KeyError)):
            parse_mtd(told(3, **changes))
    read_only = parse_mtd(told(5, flags=["0x0"]))
    assert read_only is not None and not read_only.writeable


@pytest.mark.parametrize("path", ["", "/etc/passwd", "/dev/../etc/x", "dev/x", "/dev/a b", "/dev/x\n", "/dev/$(x)"])
def test_paths_that_name_no_device(path: str) -> None:
    assert not is_target(path, simulated=False)


def test_on_a_simulated_unit(rig: PartitionRig, image: Image) -> None:
    def codes() -> set[str]:
        with pytest.raises(PreflightRefused) as caught:
            rig.checked(rig.unit(), image)
        return {finding.code for finding in caught.value.findings}

    rig.set_mounts(f"{TARGET} /mnt ext4 rw 0 0")
    assert codes() == {"flash.mounted"}
    (rig.root / "proc/mounts").unlink()
    assert codes() == {"flash.mounts"}
    rig.device.write_bytes(b"\xff" * MIB)
    assert codes() == {"flash.mounts", "flash.too-small"}
    rig.device.unlink()
    assert codes() == {"flash.not-a-device"}
    rig.flash = PartitionFlash(target="/dev/null")
    assert codes() == {"flash.not-a-device"}
    assert not rig.device.exists()


def test_longer_than_the_flash_may_take(rig: PartitionRig, image: Image) -> None:
    rig.section = rig.section.model_copy(update={"timeouts": rig.section.timeouts.model_copy(update={"flash": 1e-6})})
    with pytest.raises(PreflightRefused) as caught:
        rig.checked(rig.unit(), image)
    assert caught.value.code == "flash.too-slow" and "kB/s" in caught.value.message


def test_compression_is_chosen_by_the_link(image: Image) -> None:
    source = source_of_image(ext4_image(16 * MIB, extra={"text": b"many words of one kind " * 400_000}))
    both = frozenset(("zstd", "gunzip"))
    length = sum(size for _, size in source.ranges)

    def chosen(rate: float, tools: frozenset[str] = both, wanted: str = "auto", *, serial: bool = False) -> str:
        return choose(source, tools, wanted, rate, length, serial=serial)[0]

    assert chosen(1e6) == "zstd" and chosen(1e6, frozenset(("gunzip",))) == "gzip"
    assert chosen(1e9) == chosen(1e6, frozenset()) == chosen(1e6, wanted="none") == chosen(8e3, serial=True) == "none"
    assert chosen(1e9, wanted="gzip") == "gzip"
    assert grain_of(8e3) == 4096 and grain_of(1e9) == MIB


def prove(
    rig: PartitionRig, image: Image, receipt: Receipt, pending: BlankPending, reboot: Reboot, *,
    show: ConnectdShow | None = None, root: str | None = None, unseen: bool = False,
) -> tuple[Proof, Unit]:  # fmt: skip
    """`show` is what the unit's connectd says about itself, None where it has none."""

    def reread(unit: Unit, deadline: Deadline) -> Facts:
        return replace(rig.reread(unit, deadline), connectd=show)

    return prove_partition(
        rig.unit(), image, IDENTITY, rig.section, rig.flash.model_copy(update={"unseen": unseen}), pending=pending,
        receipt=receipt, reboot=reboot, facts=replace(rig.facts(), boot_id=FIRST_BOOT),
        reconnect=lambda _: rig.unit(), deadline=Deadline(20), power=_Power(rig), reread=reread, root=root,
    )  # fmt: skip


class _Power:
    def __init__(self, rig: PartitionRig) -> None:
        self.rig = rig

    def off(self, *, deadline: Deadline) -> None:
        self.rig.set_boot(NEXT_BOOT)

    def on(self, *, deadline: Deadline) -> None:
        """It is on again."""


SHOW = ConnectdShow(
    NEW["hardware_id.txt"].decode().strip(), Secret(NEW["registration_key.txt"].decode().strip()),
    NEW["bulk_identification_code.txt"].decode().strip(),
)  # fmt: skip


@pytest.fixture
def written(rig: PartitionRig, image: Image, monkeypatch: pytest.MonkeyPatch) -> tuple[BlankPending, Receipt]:
    """What is owed and the receipt, once the device was written."""
    monkeypatch.setattr(reboot_module, "OFF_SECONDS", 0.0)
    unit = rig.unit()
    pending = rig.checked(unit, image).pending
    return pending, rig.write(unit, image)


def mount(rig: PartitionRig, image: Image, point: str) -> None:
    """What a unit does that mounts the device when it boots: its files are there, and its table says so."""
    rig.set_mounts("/dev/mmcblk0p2 / ext4 rw 0 0", f"{TARGET} /{point} ext4 rw 0 0")
    for entry in image.manifest.files:
        path = rig.root / point / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if entry.is_folder:
            path.mkdir(exist_ok=True)
        else:
            path.write_bytes(image.contents[entry.path])
        path.chmod(entry.mode)


def fails(rig: PartitionRig, image: Image, written: tuple[BlankPending, Receipt], **more: Any) -> NotProved:
    """A proof that fails, and leaves a unit without an identity."""
    with pytest.raises(NotProved) as caught:
        prove(rig, image, written[1], written[0], "power", **more)
    assert not any(rig.content(MIB)) and caught.value.pending is None
    return caught.value


def test_a_device_that_nothing_shows_to_be_read_is_not_proved(
    rig: PartitionRig, image: Image, written: tuple[BlankPending, Receipt]
) -> None:
    error = fails(rig, image, written)
    assert error.code == "prove.unseen" and f"{TARGET} is not mounted" in error.message and "unseen" in error.hint


def test_where_the_product_wants_no_more_the_proof_says_that_the_unit_was_not_asked(
    rig: PartitionRig, image: Image, written: tuple[BlankPending, Receipt]
) -> None:
    proof, _ = prove(rig, image, written[1], written[0], "power", unseen=True)
    assert proof.boot_after == NEXT_BOOT and any(one.startswith(TARGET) for one in proof.compared)
    assert proof.warnings == (f"the unit itself was not asked who it is: {TARGET} is not mounted",)
    assert proof.as_json()["warnings"] == list(proof.warnings)
    rig.set_boot(FIRST_BOOT)
    with rig.device.open("r+b") as stream:
        stream.seek(4096 * 2)
        stream.write(b"\x77")
    assert fails(rig, image, written, unseen=True).code == "prove.forgot"


def test_seen_by_connectds_own_words(rig: PartitionRig, image: Image, written: tuple[BlankPending, Receipt]) -> None:
    proof, _ = prove(rig, image, written[1], written[0], "power", show=SHOW)
    assert proof.connectd and "connectd_control show" in proof.compared and not proof.warnings
    rig.set_boot(FIRST_BOOT)
    assert fails(rig, image, written, show=replace(SHOW, hardware_id="another"), unseen=True).code == "prove.show"


@pytest.mark.parametrize("point", ["etc/connectd", "etc"])
def test_seen_where_connectd_reads_it(
    rig: PartitionRig, image: Image, written: tuple[BlankPending, Receipt], point: str
) -> None:
    mount(rig, image, point)
    mount_of_all = "etc/connectd"
    if point == "etc":
        # A table that names a folder above, as after a bind mount: what counts is what lies where connectd reads.
        mount(rig, image, mount_of_all)
        rig.set_mounts(f"{TARGET} /etc ext4 rw 0 0")
    proof, _ = prove(rig, image, written[1], written[0], "power")
    assert "etc/connectd/hardware_id.txt" in proof.compared and not proof.warnings
    rig.set_boot(FIRST_BOOT)
    (rig.root / "etc/connectd/hardware_id.txt").write_text("another\n")
    if point == "etc":
        assert fails(rig, image, written).code == "prove.unseen"
    else:
        assert fails(rig, image, written).code == "prove.forgot"


@pytest.mark.parametrize("point", ["mnt/data", "etc"])
def test_mounted_where_connectd_does_not_read(
    rig: PartitionRig, image: Image, written: tuple[BlankPending, Receipt], point: str
) -> None:
    mount(rig, image, point)
    error = fails(rig, image, written)
    assert error.code == "prove.unseen" and f"mounted at {point}" in error.message and "etc/connectd" in error.message


def test_what_was_read_from_the_cache_alone_is_never_proved_without_a_restart(rig: PartitionRig, image: Image) -> None:
    unit = rig.unit()
    pending = rig.checked(unit, image).pending
    receipt = replace(rig.write(unit, image), read_back=NOT_YET, found=None)
    with pytest.raises(NotProved) as caught:
        prove(rig, image, receipt, pending, "none")
    assert caught.value.code == "prove.cached" and not any(rig.content(MIB))


def test_what_is_owed_travels_through_json(rig: PartitionRig) -> None:
    pending = BlankPending("/dev/mmcblk0p3", 8 * MIB, "1" * 64)
    assert BlankPending.from_json(pending.as_json()) == pending
    for change in ({"schema": "x"}, {"target": "/etc/passwd"}, {"size": 0}, {"size": "8"}, {"target": "/dev/../etc"}):
        with pytest.raises(FactoryError):
            BlankPending.from_json({**pending.as_json(), **change})


def test_another_device_is_not_blanked(rig: PartitionRig) -> None:
    from factory.flashing.partition import blank

    before = rig.device.read_bytes()
    with pytest.raises(FlashError) as caught:
        blank(rig.unit(), BlankPending(TARGET, rig.size + 512, "1" * 64), rig.section, deadline=Deadline(20))
    assert caught.value.pending is not None and rig.device.read_bytes() == before
