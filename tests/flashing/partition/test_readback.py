"""Reading back: by the first way that reaches the medium, and never called verified when it was the cache."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from factory.config import UnitSection
from factory.flashing import PreflightRefused
from factory.flashing.partition import Target, blank, flash_partition, let_go, onto_partition, source_of_image
from factory.flashing.partition.readback import NOT_YET, ReadBack, read_ranges
from factory.flashing.station_lock import OtherStation
from factory.units.deadline import Deadline
from factory.units.protocol import Progress, Sent, Unit
from factory.values import Receipt
from tests.flashing.partition.rig import MIB, PartitionRig, ext4_image, is_clean, read_files
from tests.flashing.rig import NEXT_BOOT
from tests.programs import require
from tests.units.local import LocalUnit


@pytest.fixture
def rig(tmp_path: Path) -> PartitionRig:
    return PartitionRig(tmp_path / "unit")


class Kernel(LocalUnit):
    """A unit whose dd cannot read directly. Its kernel's count of sectors read is a file, which grows at a read only
    after the buffers were flushed (`flushes`) or the caches dropped (`drops`).
    """

    def put(
        self,
        source: Callable[[int], BinaryIO],
        command: str,
        *,
        deadline: Deadline,
        progress: Progress | None = None,
    ) -> Sent:
        mine = command.replace("/sys/dev/block/8:1/stat", "stat").replace("/proc/sys/vm/drop_caches", "drop_caches")
        return super().put(source, mine, deadline=deadline, progress=progress)


def kernel(rig: PartitionRig, folder: Path, *, flushes: bool, drops: bool) -> Kernel:
    tools = folder / "tools"
    tools.mkdir()
    real, empty = require("dd"), rig.root / "empty"
    read = f"read -r a b n c <{rig.root}/stat; echo 0 0 $((n+100000)) 0 >{rig.root}/stat; rm -f {empty}"
    dropped = (
        f'[ "$(cat {rig.root}/drop_caches)" = 3 ] && {{ : >{empty}; : >{rig.root}/drop_caches; }}' if drops else ":"
    )
    (tools / "dd").write_text(
        f'#!/bin/sh\ncase "$*" in *iflag=direct*) exit 1;; esac\n{dropped}\n'
        f'[ -e {empty} ] && {{ {read}; }}\nexec {real} "$@"\n'
    )
    (tools / "blockdev").write_text("#!/bin/sh\n" + (f": >{empty}\n" if flushes else "exit 1\n"))
    (tools / "sync").write_text("#!/bin/sh\n")
    for name in ("dd", "blockdev", "sync"):
        (tools / name).chmod(0o755)
    (rig.root / "stat").write_text("0 0 5 0\n")
    (rig.root / "drop_caches").write_text("")
    return Kernel(rig.root, env={"PATH": f"{tools}:/usr/bin:/bin"})


@pytest.mark.parametrize(
    ("flushes", "drops", "fresh", "way"),
    [
        (True, False, False, "flushed buffers, proved by the kernel's count of what was read"),
        (False, True, False, "dropped caches, proved by the kernel's count of what was read"),
        (False, False, False, None),
        (False, False, True, "after the reboot"),
    ],
)
@pytest.mark.parametrize("tools", [("sha256sum",), ()])
def test_the_first_way_that_reaches_the_medium(
    rig: PartitionRig, tmp_path: Path, flushes: bool, drops: bool, fresh: bool, way: str | None, tools: tuple[str, ...]
) -> None:
    body = random.Random(5).randbytes(2 * MIB)
    rig.fill(body)
    unit = kernel(rig, tmp_path, flushes=flushes, drops=drops)
    target = Target("dev/partition", "file", rig.size, False, frozenset(tools), number="8:1", counted=True)
    ranges = ((4096, 1024 * 1024 + 512), (1536 * 1024, 512), (0, 4096))
    read = read_ranges(unit, target, ranges, UnitSection(), fresh=fresh, deadline=Deadline(30))
    assert read.way == way
    assert read.found == hashlib.sha256(b"".join(body[at : at + length] for at, length in ranges)).hexdigest()


def test_without_a_hash_program_all_of_it_comes_back(rig: PartitionRig, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "dd", "ls", "cat", "sync", "tr", "wc", "mkdir", "rm"):
        (tools / name).symlink_to(require(name))
    image = ext4_image()
    unit = rig.unit(PATH=str(tools))
    receipt = rig.write(unit, image)
    assert is_clean(rig.device) and read_files(rig.device, image) == image.contents
    assert receipt.read_back in ("hash of what came back, direct read", NOT_YET)
    short = rig.section.timeouts.model_copy(update={"flash": 1e-6})
    rig.section = rig.section.model_copy(update={"timeouts": short})
    with pytest.raises(PreflightRefused) as caught:
        rig.checked(unit, image)
    assert caught.value.code == "flash.too-slow" and "no hash program" in caught.value.message


def test_the_body_is_compared_before_the_head_is_written(rig: PartitionRig, monkeypatch: pytest.MonkeyPatch) -> None:
    image = ext4_image()
    with source_of_image(image).opened() as read:
        head = read(0, 4096)
    seen: list[bool] = []

    def looking(unit: Unit, *rest: Any, **named: Any) -> ReadBack:
        seen.append(rig.content(4096) == head)
        return read_ranges(unit, *rest, **named)

    monkeypatch.setattr(onto_partition, "read_ranges", looking)
    rig.write(rig.unit(), image)
    assert seen == [False, True]


def test_two_stations_and_one_unit(rig: PartitionRig) -> None:
    image, unit = ext4_image(), rig.unit()
    checked = rig.checked(unit, image)

    def write(owner: str) -> Receipt:
        return flash_partition(
            unit, rig.section, checked=checked, facts=rig.facts(), deadline=Deadline(60), reread=rig.reread, owner=owner
        )

    write("S1")
    before = rig.device.read_bytes()
    with pytest.raises(OtherStation) as caught:
        write("S2")
    assert '"S1" is flashing this unit' in caught.value.message and caught.value.pending is None
    with pytest.raises(OtherStation) as caught:
        blank(unit, checked.pending, rig.section, deadline=Deadline(20), owner="S2")
    assert caught.value.pending == checked.pending
    with pytest.raises(OtherStation):
        let_go(unit, rig.section, "S2", deadline=Deadline(20))
    assert rig.device.read_bytes() == before
    write("S1")  # the same station again, after a crash
    let_go(unit, rig.section, "S1", deadline=Deadline(20))
    write("S2")
    assert blank(unit, checked.pending, rig.section, deadline=Deadline(20), owner="S2")
    write("S1")
    rig.set_boot(NEXT_BOOT)  # a restart ends every lock
    checked = rig.checked(unit, image)
    write("S2")
