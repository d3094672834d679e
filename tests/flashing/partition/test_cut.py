"""Whatever is cut, and whenever: the partition holds the old content, the new one, or no file system at all."""

from __future__ import annotations

import hashlib
import io
import random
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.flashing import FlashError, OtherUnit, PreflightRefused
from factory.flashing.partition import BlankPending, blank, flash_partition
from factory.flashing.partition.plan import Order, body_orders, late_orders, make_plan
from factory.flashing.partition.source import source_of_image
from factory.images import Image
from factory.units.deadline import Cancelled, Deadline
from factory.units.protocol import Progress, Sent, Unit, UnitGone
from factory.values import Facts
from tests.flashing.partition.rig import MIB, TARGET, PartitionRig, ext4_image, is_clean, is_mountable, read_files
from tests.flashing.rig import NEXT_BOOT
from tests.programs import require
from tests.units.local import LocalUnit


@pytest.fixture
def rig(tmp_path: Path) -> PartitionRig:
    return PartitionRig(tmp_path / "unit")


@pytest.fixture(scope="module")
def image() -> Image:
    return ext4_image(extra={"more.bin": random.Random(3).randbytes(300_000)})


class Cut(LocalUnit):
    """A unit whose cable is pulled once so many bytes of the image's stream went over it."""

    after = 0
    cause: type[Exception] = UnitGone

    def put(
        self,
        source: Callable[[int], BinaryIO],
        command: str,
        *,
        deadline: Deadline,
        progress: Progress | None = None,
    ) -> Sent:
        if "written" not in command:
            return super().put(source, command, deadline=deadline, progress=progress)
        payload = (source(0).read() or b"")[: self.after]
        super().put(lambda _: io.BytesIO(payload), command, deadline=deadline)
        self.gone = self.cause is UnitGone
        raise self.cause("the cable was pulled")


def test_the_cable_is_pulled_at_every_kth_block(rig: PartitionRig, image: Image) -> None:
    old = ext4_image(extra={"hardware_id.txt": b"oldunit\n"})
    old_bytes = bytes(old.body.whole())  # type: ignore[union-attr]
    stream = 0
    for after in [*range(0, 420, 35), *range(420, 400_000, 12 * 4096 + 7), 1 << 24]:
        rig.fill(old_bytes)
        unit = Cut(rig.root)
        unit.after = after
        with pytest.raises(FlashError) as caught:
            rig.write(unit, image)
        assert caught.value.code == "unit.gone"
        assert isinstance(caught.value.pending, BlankPending)
        if is_mountable(rig.content(4096)):
            held = read_files(rig.device, image if after > 1000 else old)
            assert held in (dict(image.contents), dict(old.contents))
            assert is_clean(rig.device)
        else:
            stream += 1
        # The next contact with the unit blanks it, whatever it holds; once more does no harm.
        again = rig.unit()
        blank(again, caught.value.pending, rig.section, deadline=Deadline(20))
        assert not blank(again, caught.value.pending, rig.section, deadline=Deadline(20))
        assert not any(rig.content(MIB)) and len(rig.device.read_bytes()) == rig.size
    assert stream > 10


def test_called_off_in_the_middle_it_is_blanked_at_once(rig: PartitionRig, image: Image) -> None:
    unit = Cut(rig.root)
    unit.after, unit.cause = 100_000, Cancelled
    with pytest.raises(Cancelled):
        rig.write(unit, image)
    assert not any(rig.content(MIB))


def test_copies_of_an_old_superblock_go_as_well(rig: PartitionRig, image: Image) -> None:
    rig.size = 20 * MIB
    rig.fill()
    subprocess.run([require("mke2fs"), "-q", "-F", "-b", "1024", rig.device], check=True, capture_output=True)
    copy = 8193 * 1024
    assert rig.device.read_bytes()[copy + 56 : copy + 58] == b"\x53\xef"
    unit = Cut(rig.root)
    unit.after = 100_000
    with pytest.raises(FlashError):
        rig.write(unit, image)
    check = [require("e2fsck"), "-fn", str(rig.device)]
    assert subprocess.run(check, capture_output=True, check=False).returncode == 8
    assert subprocess.run([*check, "-b", "8193"], capture_output=True, check=False).returncode == 8


def test_the_units_own_dd_fails(rig: PartitionRig, image: Image, tmp_path: Path) -> None:
    """The k-th dd finds the disk full: the attempt fails and nothing is left that could be mounted."""
    tools, counter = tmp_path / "bin", tmp_path / "counter"
    tools.mkdir()
    full = 'echo "dd: writing: No space left on device" >&2; exit 1'
    (tools / "dd").write_text(
        f'#!/bin/sh\ncase "$*" in *of=*notrunc*) read -r n <{counter}; echo $((n-1)) >{counter}\n'
        f'[ $n -ne 0 ] || {{ {full}; }};; esac\nexec {require("dd")} "$@"\n'
    )
    (tools / "dd").chmod(0o755)
    unit = rig.unit(PATH=f"{tools}:/usr/bin:/bin:/usr/sbin:/sbin")
    failed = 0
    for number in range(0, 40, 3):
        rig.fill()
        checked = rig.checked(unit, image)
        counter.write_text(f"{number}\n")
        try:
            rig.write(unit, image, checked)
        except FlashError as error:
            assert error.code == "flash.disk-full" and error.pending is None
            assert not any(rig.content(MIB))
            failed += 1
        else:
            assert is_clean(rig.device)
    assert failed > 2


def test_another_unit_answers_after_the_write(rig: PartitionRig, image: Image) -> None:
    unit = rig.unit()
    checked = rig.checked(unit, image)
    facts = rig.facts()
    reads = iter([facts, replace(facts, serial="board-2")])

    def reread(_unit: Unit, _deadline: Deadline) -> Facts:
        return next(reads)

    before = len(unit.commands)
    with pytest.raises(OtherUnit) as caught:
        flash_partition(unit, rig.section, checked=checked, facts=facts, deadline=Deadline(60), reread=reread)
    assert caught.value.pending == checked.pending and len(unit.commands) > before


def test_another_unit_answers_before_the_write(rig: PartitionRig, image: Image) -> None:
    unit = rig.unit()
    checked = rig.checked(unit, image)
    facts = rig.facts()
    rig.set_boot(NEXT_BOOT)
    before = rig.device.read_bytes()
    with pytest.raises(OtherUnit):
        flash_partition(unit, rig.section, checked=checked, facts=facts, deadline=Deadline(60), reread=rig.reread)
    assert rig.device.read_bytes() == before


def test_mounted_between_the_look_and_the_write(rig: PartitionRig, image: Image) -> None:
    unit = rig.unit()
    checked = rig.checked(unit, image)
    rig.set_mounts(f"{TARGET} /mnt ext4 rw 0 0")
    before = rig.device.read_bytes()
    with pytest.raises(PreflightRefused):
        rig.write(unit, image, checked)
    assert rig.device.read_bytes() == before


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_the_power_goes_and_what_was_not_synced_is_lost_in_any_part(
    image: Image, stop: int, rnd: random.Random
) -> None:
    """A model of the medium: what came before a sync is there, of what came after it any part."""
    size = 6 * MIB
    plan = make_plan(source_of_image(image), TARGET, size, grain=64 * 1024)
    old = bytearray(b"\xff" * size)
    old[1080:1082] = b"\x53\xef"
    medium, whole = bytearray(old), False
    pending: list[Order] = []
    late: dict[int, bytes] = {}
    with plan.source.opened() as read:
        work = list(body_orders(plan, read, hashlib.sha256(), late))
    body = len(work)
    work += late_orders(plan, late)
    for number, order in enumerate(work[: stop % len(work) + 1]):
        if order.kind in "se":
            for one in pending:
                apply(medium, one)
            pending, whole = [], number == len(work) - 1
        else:
            pending.append(order)
        if number < body:
            assert medium[1080:1082] != b"\x53\xef" or medium[4096:] == old[4096:]
    for one in pending:
        apply(medium, one, part=rnd)
    with plan.source.opened() as read:
        # A first block that was torn is no superblock: its checksum is wrong.
        body = all(medium[at : at + n] == read(at, n).ljust(n, b"\0") for at, n in plan.body)
        new = body and all(medium[at : at + n] == read(at, n).ljust(n, b"\0") for at, n in plan.late)
    if medium[1080:1082] == b"\x53\xef":
        assert body or medium[4096:] == old[4096:]
    assert new or not whole


def apply(medium: bytearray, order: Order, part: random.Random | None = None) -> None:
    """Carry an order out, sector by sector, or only some of its sectors."""
    at, length = order.block * order.seek, order.block * order.count
    data = bytes(order.data) if order.kind == "d" else bytes(length)
    for start in range(0, length, 512):
        if part is None or part.random() < 0.5:
            medium[at + start : at + start + 512] = data[start : start + 512]
