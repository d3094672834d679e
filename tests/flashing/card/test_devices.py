"""Real block devices: loop devices of the kernel, where this machine gives any (it takes root)."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from factory.config import CardReader
from factory.flashing.card import CardJob, CardResult, Holds, Outcome, Stage, flash_card
from factory.flashing.card.source import image_file
from factory.flashing.journal import NullJournal
from tests.flashing.card.bench import MIB, OLD, system_image, unit_source
from tests.programs import require

SIZE = 32 * MIB


def run(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30).stdout.strip()


class Loop:
    """A loop device behind a link, as udev makes them."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.file = folder / "medium"
        self.file.write_bytes(OLD * SIZE)
        done = subprocess.run(
            [require("losetup"), "--find", "--show", *options, str(self.file)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"this machine gives no loop device: {done.stderr.strip()}")
        self.device = done.stdout.strip()
        link = folder / "by-path"
        link.symlink_to(self.device)
        self.reader = CardReader(name="A", path=str(link), fixed=True)

    def write(self, job: CardJob, on: object = None) -> CardResult:
        return flash_card(job, NullJournal(), cancel=threading.Event(), progress=on or _quiet)  # type: ignore[arg-type]


def _quiet(_name: str, _stage: Stage) -> None:
    pass


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    if os.geteuid() != 0:
        pytest.skip("loop devices take root")
    found = Loop(tmp_path)
    try:
        yield found
    finally:
        subprocess.run([require("losetup"), "--detach", found.device], check=False, capture_output=True)


def refused(loop: Loop, code: str) -> None:
    before = loop.file.read_bytes()
    result = loop.write(CardJob(loop.reader, None, unit_source()))
    assert result.error is not None
    assert (result.error.code, result.outcome, result.holds) == (code, Outcome.REFUSED, Holds.BEFORE)
    assert loop.file.read_bytes() == before


def test_written_and_read_back(loop: Loop, tmp_path: Path) -> None:
    image = system_image(tmp_path / "os.img")
    result = loop.write(CardJob(loop.reader, image_file(image), unit_source(), None, 3))
    assert (result.outcome, result.holds, result.error) == (Outcome.WRITTEN, Holds.NEW, None)
    assert result.receipt is not None
    assert result.receipt.read_back == "direct read"
    wanted, found = image.read_bytes(), loop.file.read_bytes()
    assert found[: 13 * MIB] == wanted[: 13 * MIB]
    assert found[17 * MIB : 24 * MIB] == wanted[17 * MIB :]


def test_not_without_being_told(loop: Loop) -> None:
    loop.reader = loop.reader.model_copy(update={"fixed": False})
    refused(loop, "card.fixed")


def test_larger_than_a_card_of_this_bench(loop: Loop) -> None:
    loop.reader = loop.reader.model_copy(update={"max_size": SIZE - 1})
    refused(loop, "card.too-large")


def test_mounted(loop: Loop, tmp_path: Path) -> None:
    run(require("mke2fs"), "-q", loop.device)
    point = tmp_path / "mounted"
    point.mkdir()
    try:
        run("mount", loop.device, str(point))
    except subprocess.CalledProcessError as error:
        pytest.skip(f"nothing may be mounted here: {error.stderr.strip()}")
    try:
        refused(loop, "card.mounted")
    finally:
        run("umount", str(point))
    assert loop.write(CardJob(loop.reader, None, unit_source())).outcome is Outcome.WRITTEN


def test_a_mounted_partition(loop: Loop, tmp_path: Path) -> None:
    """The kernel is told of a partition, whether or not it reads tables."""
    # One may be left of a run that was killed, on a device that is taken again.
    subprocess.run([require("delpart"), loop.device, "1"], check=False, capture_output=True)
    run(require("addpart"), loop.device, "1", "2048", "16384")
    part = Path(f"{loop.device}p1")
    number = Path(f"/sys/block/{Path(loop.device).name}/{part.name}/dev").read_text().strip()
    ours = tmp_path / "p1"
    os.mknod(ours, 0o60600, os.makedev(*map(int, number.split(":"))))
    point = tmp_path / "mounted"
    point.mkdir()
    try:
        run(require("mke2fs"), "-q", str(ours))
        run("mount", str(ours), str(point))
        try:
            refused(loop, "card.mounted")
        finally:
            run("umount", str(point))
        # The whole may be named, a part may not.
        link = tmp_path / "part"
        link.symlink_to(ours)
        whole, loop.reader = loop.reader, CardReader(name="A", path=str(link), fixed=True)
        refused(loop, "card.not-disk")
        loop.reader = whole
    finally:
        run(require("delpart"), loop.device, "1")


def test_swap(loop: Loop) -> None:
    run(require("mkswap"), loop.device)
    try:
        run(require("swapon"), loop.device)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no swap may be added here: {error.stderr.strip()}")
    try:
        refused(loop, "card.system-disk")
    finally:
        run(require("swapoff"), loop.device)


def test_in_use_by_another_program(loop: Loop) -> None:
    descriptor = os.open(loop.device, os.O_RDONLY | os.O_EXCL)
    try:
        refused(loop, "card.busy")
    finally:
        os.close(descriptor)


def test_write_protected(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("loop devices take root")
    loop = Loop(tmp_path, "--read-only")
    try:
        refused(loop, "card.read-only")
    finally:
        run(require("losetup"), "--detach", loop.device)


def test_no_card(loop: Loop) -> None:
    run(require("losetup"), "--detach", loop.device)
    refused(loop, "card.empty")


def test_the_medium_ends_in_mid_write(loop: Loop, tmp_path: Path) -> None:
    """The card's own error, not a bug of ours; the first block is still zeros."""

    def fails(_name: str, stage: Stage) -> None:
        if stage.phase == "write" and stage.done > 8 * MIB:
            os.truncate(loop.file, 8 * MIB)

    job = CardJob(loop.reader, image_file(system_image(tmp_path / "os.img")), unit_source(), None, 2)
    result = loop.write(job, fails)
    assert result.error is not None
    assert result.error.code in ("card.io", "card.full", "card.pulled")
    assert result.outcome is Outcome.FAILED
    assert result.holds is Holds.NOTHING
    assert not any(loop.file.read_bytes()[:MIB])
