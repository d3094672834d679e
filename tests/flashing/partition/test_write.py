"""What is written: everything that matters, over whatever was there, read back from the medium."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from factory.config import PartitionFlash
from factory.errors import UsageError
from factory.flashing import FlashError
from factory.flashing.partition import Source, flash_partition, preflight_source, source_of_file, source_of_image
from factory.flashing.partition.readback import NOT_YET
from factory.units.deadline import Deadline
from factory.units.protocol import Progress, Sent
from tests.flashing.partition.rig import MIB, TARGET, PartitionRig, ext4_image, is_clean, raw_image, read_files
from tests.programs import require
from tests.units.local import LocalUnit


@pytest.fixture
def rig(tmp_path: Path) -> PartitionRig:
    return PartitionRig(tmp_path / "unit")


def test_an_ext4_build_onto_what_is_all_ones(rig: PartitionRig) -> None:
    image = ext4_image(extra={"zeros.bin": bytes(9000), "empty": b""})
    receipt = rig.write(rig.unit(), image)
    assert is_clean(rig.device)
    assert read_files(rig.device, image) == image.contents
    assert receipt.method == "partition" and receipt.medium == TARGET and receipt.image == image.manifest.image
    assert receipt.read_back.startswith(("hash, direct read", NOT_YET))
    assert receipt.bytes_written == sum(length for _, length in receipt.ranges) < 4 * MIB
    data = rig.device.read_bytes()
    assert receipt.written == hashlib.sha256(b"".join(data[at : at + n] for at, n in receipt.ranges)).hexdigest()
    assert len(data) == rig.size


def test_free_blocks_are_left_alone_and_do_not_matter(rig: PartitionRig) -> None:
    rig.size = 20 * MIB
    rig.fill()
    image = ext4_image(16 * MIB)
    rig.write(rig.unit(), image)
    assert rig.device.read_bytes().count(b"\xff" * 4096) > 2000
    assert is_clean(rig.device) and read_files(rig.device, image) == image.contents


def test_a_hole_in_any_other_file_is_zeros_to_be_written(rig: PartitionRig, tmp_path: Path) -> None:
    path = tmp_path / "os.img"
    with path.open("wb") as stream:
        stream.write(b"A" * 5000)
        stream.seek(3 * MIB)
        stream.write(b"B" * 1234)
        stream.truncate(5 * MIB - 100)
    receipt = _write(rig, source_of_file(path))
    assert rig.content(5 * MIB - 100) == path.read_bytes()
    assert receipt[0] == ((4096, 5 * MIB - 4096), (0, 4096)) and rig.content(5 * MIB)[-100:] == bytes(100)


@pytest.mark.parametrize("seed", range(6))
def test_any_bytes_at_any_size(rig: PartitionRig, seed: int) -> None:
    draw = random.Random(seed)
    size = draw.randrange(512, rig.size)
    body = bytearray(size)
    for _ in range(draw.randrange(12)):
        at, length = draw.randrange(size), draw.choice([1, 511, 4096, 70_000, 600_000])
        body[at : at + length] = draw.randbytes(min(length, size - at))
    rig.write(rig.unit(), raw_image(bytes(body)))
    assert rig.content(size) == body


@pytest.mark.parametrize("compress", ["gzip", "zstd", "none"])
def test_compressed(rig: PartitionRig, compress: str) -> None:
    require({"gzip": "gunzip", "zstd": "zstd", "none": "dd"}[compress])
    rig.flash = PartitionFlash(target=TARGET, compress=compress)  # type: ignore[arg-type]
    body = random.Random(1).randbytes(MIB) + b"abc" * MIB
    unit = rig.unit()
    rig.write(unit, raw_image(body))
    assert rig.content(len(body)) == body
    sign = {"gzip": "gunzip -c |", "zstd": "zstd -dc |", "none": "while read -r k"}[compress]
    assert any(sign in one for one in unit.commands)


def test_without_full_blocks_each_run_has_its_own_stream(rig: PartitionRig) -> None:
    image = ext4_image()
    unit = rig.unit()
    checked = rig.checked(unit, image)
    target = replace(checked.target, tools=checked.target.tools - {"fullblock"})
    rig.write(unit, image, replace(checked, target=target))
    assert is_clean(rig.device) and read_files(rig.device, image) == image.contents


def test_busybox_alone(rig: PartitionRig, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "dd", "sha256sum", "ls", "cat", "sync", "sleep", "tr", "wc", "gunzip"):
        (tools / name).symlink_to(require("busybox"))
    unit = rig.unit(PATH=str(tools))
    image = ext4_image()
    rig.write(unit, image)
    assert is_clean(rig.device) and read_files(rig.device, image) == image.contents


class Fading(LocalUnit):
    """A unit whose storage loses a bit after it was written."""

    at = 0

    def put(
        self,
        source: Callable[[int], BinaryIO],
        command: str,
        *,
        deadline: Deadline,
        progress: Progress | None = None,
    ) -> Sent:
        sent = super().put(source, command, deadline=deadline, progress=progress)
        if "written" in command:
            with (self._folder / TARGET).open("r+b") as stream:
                stream.seek(self.at)
                byte = stream.read(1)[0]
                stream.seek(self.at)
                stream.write(bytes([byte ^ 1]))
        return sent


@pytest.mark.parametrize("at", [0, 1080, 2 * 4096 + 5])
def test_a_bit_that_changed_behind_its_back_is_seen(rig: PartitionRig, at: int) -> None:
    unit = Fading(rig.root)
    unit.at = at
    with pytest.raises(FlashError) as caught:
        rig.write(unit, ext4_image())
    assert caught.value.code == "flash.read-back" and caught.value.pending is None
    assert not any(rig.content(MIB))


def _write(rig: PartitionRig, source: Source) -> tuple[tuple[tuple[int, int], ...]]:
    unit = rig.unit()
    checked = preflight_source(unit, source, "3" * 64, rig.section, rig.flash, deadline=Deadline(60))
    receipt = flash_partition(
        unit, rig.section, checked=checked, facts=rig.facts(), deadline=Deadline(60), reread=rig.reread
    )
    return (receipt.ranges,)


def test_what_is_no_file_system_is_refused(rig: PartitionRig) -> None:
    image = raw_image(b"x")
    with pytest.raises(UsageError):
        source_of_image(replace(image, manifest=replace(image.manifest, format="tar")))
