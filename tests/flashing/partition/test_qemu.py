"""The whole method on a Linux unit in QEMU: a real device, a real cache, a real restart, a real loss of power."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import BinaryIO, cast

import pytest

from factory.config import PartitionFlash
from factory.flashing import FlashError, PreflightRefused
from factory.flashing.partition import (
    PartitionPreflight,
    blank,
    flash_partition,
    partition_differs,
    preflight_partition,
    prove_partition,
)
from factory.images import Image
from factory.rehearsal.qemu.plan import Machine
from factory.rehearsal.qemu.unit import QemuUnit
from factory.units import read_facts
from factory.units.deadline import Deadline
from factory.units.protocol import Progress, Sent, Unit
from factory.values import Facts, Receipt
from tests.flashing.partition.rig import MIB, ext4_image, is_clean, is_mountable, read_files
from tests.flashing.rig import IDENTITY, NEW
from tests.qemu import SECTION, Factory, ssh_unit

DISK = "/dev/vdb"


@pytest.fixture(scope="module")
def image() -> Image:
    return ext4_image()


def look(unit: Unit, image: Image, target: str) -> PartitionPreflight:
    return preflight_partition(unit, image, SECTION, PartitionFlash(target=target), deadline=Deadline(120))


def flash(unit: Unit, image: Image, target: str) -> tuple[PartitionPreflight, Facts, Receipt]:
    facts = read_facts(unit, SECTION, deadline=Deadline(60))
    checked = look(unit, image, target)
    return checked, facts, flash_partition(unit, SECTION, checked=checked, facts=facts, deadline=Deadline(200))


def codes(unit: Unit, image: Image, target: str) -> set[str]:
    flash_section = PartitionFlash(target=target)
    with pytest.raises(PreflightRefused) as caught:
        preflight_partition(unit, image, SECTION, flash_section, deadline=Deadline(60))
    return {finding.code for finding in caught.value.findings}


def test_refusals_and_a_partition_written_and_blanked(qemu_unit: QemuUnit, image: Image) -> None:
    unit = ssh_unit(qemu_unit)
    assert codes(unit, image, "/dev/vda") >= {"flash.mounted", "flash.system-disk"}
    assert codes(unit, image, "/dev/ttyS0") == {"flash.not-a-device"}
    assert codes(unit, image, "/dev/none") == {"flash.not-a-device"}
    assert codes(unit, image, "/etc/connectd/hardware_id.txt") == {"flash.not-a-device"}
    assert codes(unit, ext4_image(64 * MIB), "/dev/vdb1") == {"flash.too-small"}
    checked, _, receipt = flash(unit, image, "/dev/vdb2")
    assert receipt.found == receipt.written is not None and "cache" not in receipt.read_back
    assert partition_differs(unit, image, SECTION, PartitionFlash(target="/dev/vdb2"), deadline=Deadline(60)) == []
    run = "mkdir -p /tmp/p && mount -t ext4 /dev/vdb2 /tmp/p && cat /tmp/p/hardware_id.txt"
    assert unit.run(run, deadline=Deadline(30)).require("mounting").stdout == image.contents["hardware_id.txt"]
    assert codes(unit, image, "/dev/vdb2") == {"flash.mounted"}
    assert codes(unit, image, "/dev/vdb") >= {"flash.mounted", "flash.system-disk"}
    assert partition_differs(unit, image, SECTION, PartitionFlash(target="/dev/vdb2"), deadline=Deadline(60)) == []
    assert blank(unit, checked.pending, SECTION, deadline=Deadline(60))
    assert not blank(unit, checked.pending, SECTION, deadline=Deadline(60))
    assert unit.run(run, deadline=Deadline(30)).status != 0
    unit.close()


def test_proved_after_a_restart(qemu_factory: Factory, image: Image) -> None:
    box = qemu_factory()
    unit = ssh_unit(box)
    for name, content in NEW.items():  # connectd on this unit reads another place, which says the same
        command = f"printf %s '{content.decode()}' >/etc/connectd/{name}"
        unit.run(command, deadline=Deadline(30)).require(name)
    checked, facts, receipt = flash(unit, image, DISK)
    proof, again = prove_partition(
        unit, image, IDENTITY, SECTION, PartitionFlash(target=DISK), pending=checked.pending, receipt=receipt,
        reboot="soft", facts=facts, reconnect=lambda deadline: ssh_unit(box, deadline), deadline=Deadline(200),
    )  # fmt: skip
    assert proof.boot_after != proof.boot_before
    assert any(one.startswith(f"{DISK}: hash, ") for one in proof.compared)
    # What it holds is changed behind its back: the proof is refused, and the unit holds no identity any more.
    where = next(offset for offset, length in receipt.ranges if length > MIB // 2) + 8192
    again.run(f"printf x | dd of={DISK} bs=1 seek={where} conv=notrunc; sync", deadline=Deadline(30))
    with pytest.raises(FlashError) as caught:
        prove_partition(
            again, image, IDENTITY, SECTION, PartitionFlash(target=DISK), pending=checked.pending, receipt=receipt,
            reboot="none", facts=read_facts(again, SECTION, deadline=Deadline(60)),
            reconnect=lambda deadline: ssh_unit(box, deadline), deadline=Deadline(200),
        )  # fmt: skip
    assert caught.value.code == "prove.changed" and caught.value.pending is None
    again.close()
    box.kill()
    with box.target.open("rb") as stream:
        assert not any(stream.read(MIB))


class Killer:
    """A unit that loses its power once so much of the stream has gone out."""

    def __init__(self, unit: Unit, box: QemuUnit, after: int) -> None:
        self._unit, self._box, self._after = unit, box, after
        self.route, self.tools = unit.route, unit.tools
        self.run, self.close = unit.run, unit.close

    def put(
        self,
        source: Callable[[int], BinaryIO],
        command: str,
        *,
        deadline: Deadline,
        progress: Progress | None = None,
    ) -> Sent:
        if "written" not in command:
            return self._unit.put(source, command, deadline=deadline, progress=progress)

        def bomb(offset: int) -> BinaryIO:
            return cast(BinaryIO, _Bomb(source(offset), self._box, self._after))

        return self._unit.put(bomb, command, deadline=deadline, progress=progress)


class _Bomb(io.RawIOBase):
    def __init__(self, inner: BinaryIO, box: QemuUnit, after: int) -> None:
        self._inner, self._box, self._left = inner, box, after

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        if self._left <= 0:
            threading.Thread(target=self._box.kill).start()
            self._left = 1 << 60
        data = self._inner.read(min(len(view), 8192)) or b""
        view[: len(data)] = data
        self._left -= len(data)
        return len(data)


def test_the_power_goes_in_the_middle(qemu_factory: Factory) -> None:
    large = ext4_image(8 * MIB, extra={"big.bin": hashlib.shake_256(b"x").digest(3 * MIB)})
    box = qemu_factory()
    for after in (300_000, 5 * MIB // 2):
        unit = ssh_unit(box)
        facts = read_facts(unit, SECTION, deadline=Deadline(60))
        checked = look(unit, large, DISK)
        with pytest.raises(FlashError) as caught:
            flash_partition(
                Killer(unit, box, after),
                SECTION,
                checked=checked,
                facts=facts,
                deadline=Deadline(100),
            )
        assert caught.value.pending == checked.pending
        box.kill()
        with box.target.open("rb") as stream:
            if is_mountable(stream.read(4096)):
                assert is_clean(box.target) and read_files(box.target, large) == large.contents
        box.power_on()
        box.wait_until_settled()
        again = ssh_unit(box)
        blank(again, checked.pending, SECTION, deadline=Deadline(60))
        again.close()


MEMORY = Machine(
    mtd_bytes=4 * MIB,
    left_out=frozenset(("sha256sum", "sha512sum", "sha1sum", "md5sum")),
    extra=frozenset(("flashcp", "flash_erase")),
)


@pytest.mark.timeout(400)
def test_flash_memory_without_any_hash_program(qemu_factory: Factory) -> None:
    """An MTD erased by flashcp, proved after a restart, blanked; then erased by flash_erase, and the power goes."""
    image = ext4_image(2 * MIB, extra={"big.bin": hashlib.shake_256(b"y").digest(MIB // 2)})
    box = qemu_factory(machine=MEMORY)
    unit: Unit = ssh_unit(box)
    assert codes(unit, image, "/dev/mtdblock0") == {"flash.not-a-device"}
    assert codes(unit, image, "/dev/mtd0ro") == {"flash.read-only"}
    assert codes(unit, ext4_image(8 * MIB), "/dev/mtd0") == {"flash.too-small"}
    for name, content in NEW.items():
        command = f"printf %s '{content.decode()}' >/etc/connectd/{name}"
        unit.run(command, deadline=Deadline(30)).require(name)
    facts = read_facts(unit, SECTION, deadline=Deadline(60))
    checked = look(unit, image, "/dev/mtd0")
    only = replace(checked, target=replace(checked.target, tools=checked.target.tools - {"flash_erase"}))
    receipt = flash_partition(unit, SECTION, checked=only, facts=facts, deadline=Deadline(100))
    assert receipt.found == receipt.written is not None
    assert receipt.read_back == "hash of what came back, read of the flash memory, which has no cache"
    assert unit.run("ls /tmp/.factory-ones*", deadline=Deadline(30)).status != 0
    proof, unit = prove_partition(
        unit, image, IDENTITY, SECTION, PartitionFlash(target="/dev/mtd0"), pending=checked.pending, receipt=receipt,
        reboot="soft", facts=facts, reconnect=lambda deadline: ssh_unit(box, deadline), deadline=Deadline(100),
    )  # fmt: skip
    assert any(one.startswith("/dev/mtd0: hash") for one in proof.compared)
    mount = "mkdir -p /tmp/p && mount -t ext4 -o ro /dev/mtdblock0 /tmp/p && cat /tmp/p/hardware_id.txt"
    assert unit.run(mount, deadline=Deadline(30)).require("mounting").stdout == image.contents["hardware_id.txt"]
    assert codes(unit, image, "/dev/mtd0") == {"flash.mounted"}
    assert blank(unit, checked.pending, SECTION, deadline=Deadline(60))
    assert not blank(unit, checked.pending, SECTION, deadline=Deadline(60))
    assert unit.run(mount, deadline=Deadline(30)).status != 0
    facts = read_facts(unit, SECTION, deadline=Deadline(60))
    with pytest.raises(FlashError) as caught:
        flash_partition(Killer(unit, box, 200_000), SECTION, checked=checked, facts=facts, deadline=Deadline(100))
    assert caught.value.pending == checked.pending
    box.kill()
    with (box.folder / "mtd.disk").open("rb") as stream:
        assert not is_mountable(stream.read(4096))
