"""One card, start to end, on a file that stands for it: what is on it after everything that can go wrong."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from factory.errors import FactoryError
from factory.flashing.card import CardJob, CardResult, Holds, Outcome, Stage
from factory.flashing.card.medium import Medium
from factory.flashing.card.source import image_file
from factory.flashing.errors import FlashError
from factory.images.formats.zstd import zstandard
from tests.flashing.card.bench import (
    MIB,
    OLD,
    card_file,
    holds_nothing,
    noise,
    shown,
    system_image,
    unit_source,
    untouched,
    write,
)

PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "raw": lambda data: data,
    "gz": lambda data: gzip.compress(data, 1),
    "xz": lambda data: lzma.compress(data, preset=0),
    "zst": zstandard,
}


def code(result: CardResult) -> str:
    assert isinstance(result.error, FactoryError)
    assert result.receipt is None
    return result.error.code


@pytest.mark.parametrize("label", ["gpt", "dos"])
@pytest.mark.parametrize("packing", PACKINGS)
def test_system_and_unit(tmp_path: Path, label: str, packing: str) -> None:
    image = system_image(tmp_path / "os.img", label=label)
    packed = tmp_path / "packed"
    packed.write_bytes(PACKINGS[packing](image.read_bytes()))
    reader, unit = card_file(tmp_path / "A"), unit_source()
    stages: list[Stage] = []
    result = write(
        CardJob(reader, image_file(packed), unit, None, 2), progress=lambda _name, stage: stages.append(stage)
    )
    assert (result.outcome, result.holds, result.error) == (Outcome.WRITTEN, Holds.NEW, None)
    content, wanted = Path(reader.path).read_bytes(), bytearray(image.read_bytes())
    start = 5 * MIB
    with unit.opened() as blocks:
        for mapped in unit.ranges or ():
            blocks.read_into(mapped.offset, memoryview(wanted)[start + mapped.offset :][: mapped.length])
            place = start + mapped.offset
            assert content[place : place + mapped.length] == wanted[place : place + mapped.length]
    wanted[start : start + 4 * MIB] = content[start : start + 4 * MIB]
    assert content[: len(wanted)] == wanted  # holes of the system's image are zeros on the card
    assert content[len(wanted) : -MIB] == OLD * (len(content) - len(wanted) - MIB)
    assert not any(content[-MIB:])  # no backup of an older table
    assert shown(Path(reader.path))["partitions"]

    receipt = result.receipt
    assert receipt is not None
    found = hashlib.sha256(b"".join(content[at : at + size] for at, size in receipt.ranges)).hexdigest()
    assert receipt.written == receipt.found == found
    assert list(receipt.ranges) == sorted(receipt.ranges)
    assert receipt.bytes_written == sum(size for _, size in receipt.ranges)
    assert (receipt.method, receipt.medium, receipt.route) == ("card", reader.path, "card:A")
    assert receipt.read_back == "direct read"
    assert {stage.phase for stage in stages} == {"write", "read"}
    assert [stage.done for stage in stages if stage.phase == "write"][-1] == receipt.bytes_written


def test_a_logical_partition_deep_in_a_packed_image(tmp_path: Path) -> None:
    from tests.flashing.card.bench import sfdisk

    image = tmp_path / "os.img"
    image.write_bytes(bytes(24 * MIB))
    sfdisk(image, "label: dos\n,4M\n,,E\n,5M\n,8M\n,\n")
    packed = tmp_path / "os.img.gz"
    packed.write_bytes(gzip.compress(image.read_bytes(), 1))
    reader, unit = card_file(tmp_path / "A"), unit_source()
    assert write(CardJob(reader, image_file(packed), unit, None, 6)).error is None
    listed = shown(Path(reader.path))["partitions"]
    assert isinstance(listed, list)
    start = int(listed[3]["start"]) * 512
    assert Path(reader.path).read_bytes()[start : start + 4096] == noise(4096, 7)


def test_only_the_partition_of_a_card_that_has_its_system(tmp_path: Path) -> None:
    reader = card_file(tmp_path / "A")
    system = system_image(tmp_path / "os.img").read_bytes()
    with Path(reader.path).open("r+b") as stream:
        stream.write(system)
    before = Path(reader.path).read_bytes()
    assert write(CardJob(reader, None, unit_source(), None, 2)).outcome is Outcome.WRITTEN
    after = Path(reader.path).read_bytes()
    assert after[: 5 * MIB] == before[: 5 * MIB]
    assert after[9 * MIB :] == before[9 * MIB :]
    assert after[5 * MIB : 5 * MIB + 4096] == noise(4096, 7)


def test_the_unit_takes_the_card_whole_and_is_no_whole_number_of_sectors(tmp_path: Path) -> None:
    path = tmp_path / "unit.img"
    path.write_bytes(noise(3 * MIB + 777))
    reader = card_file(tmp_path / "A")
    result = write(CardJob(reader, None, image_file(path)))
    assert result.outcome is Outcome.WRITTEN
    content = Path(reader.path).read_bytes()
    assert content[: 3 * MIB + 777] == noise(3 * MIB + 777)
    assert content[3 * MIB + 777 : 3 * MIB + 1024] == bytes(247)  # up to the end of the sector
    assert content[3 * MIB + 1024 : -MIB] == OLD * (len(content) - 4 * MIB - 1024)


@pytest.mark.parametrize("packing", PACKINGS)
def test_an_image_of_exactly_the_card_and_one_byte_more(tmp_path: Path, packing: str) -> None:
    for extra in (0, 1):
        path = tmp_path / "os"
        path.write_bytes(PACKINGS[packing](noise(2 * MIB + extra)))
        reader = card_file(tmp_path / "A", 2 * MIB)
        result = write(CardJob(reader, image_file(path)))
        if not extra:
            assert result.outcome is Outcome.WRITTEN
            assert Path(reader.path).read_bytes() == noise(2 * MIB)
        elif packing == "raw":  # known before
            assert code(result) == "card.small"
            assert untouched(Path(reader.path))
        else:
            assert code(result) == "card.full"
            assert result.holds is Holds.NOTHING
            assert holds_nothing(Path(reader.path))


@pytest.mark.parametrize("packing", ["gz", "xz", "zst"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "followed by something"])
def test_damaged_packing(tmp_path: Path, packing: str, damage: str) -> None:
    data = bytearray(PACKINGS[packing](noise(4 * MIB)))
    if damage == "cut":
        del data[-5:]
    elif damage == "flipped":
        data[-len(data) // 3] ^= 0x10
    else:
        data += b"more"
    path = tmp_path / "os"
    path.write_bytes(data)
    reader = card_file(tmp_path / "A")
    result = write(CardJob(reader, image_file(path)))
    assert code(result) == "card.damaged"
    assert (result.outcome, result.holds) == (Outcome.FAILED, Holds.NOTHING)
    assert holds_nothing(Path(reader.path))


@pytest.mark.parametrize("packing", ["gz", "xz", "zst"])
def test_several_streams_and_padding_are_one_image(tmp_path: Path, packing: str) -> None:
    path = tmp_path / "os"
    path.write_bytes(PACKINGS[packing](noise(MIB)) + PACKINGS[packing](noise(MIB, 2)) + bytes(512))
    reader = card_file(tmp_path / "A")
    assert write(CardJob(reader, image_file(path))).error is None
    assert Path(reader.path).read_bytes()[: 2 * MIB] == noise(MIB) + noise(MIB, 2)


@pytest.mark.parametrize("packing", PACKINGS)
def test_an_image_cut_behind_its_table(tmp_path: Path, packing: str) -> None:
    image = system_image(tmp_path / "os.img").read_bytes()[: 20 * MIB]
    path = tmp_path / "os"
    path.write_bytes(PACKINGS[packing](image))
    reader = card_file(tmp_path / "A")
    result = write(CardJob(reader, image_file(path)))
    if packing == "raw":
        assert code(result) == "card.source"
        assert untouched(Path(reader.path))
    else:
        assert code(result) == "card.damaged"
        assert holds_nothing(Path(reader.path))


@pytest.mark.parametrize(
    ("unit", "partition", "expected"),
    [(unit_source(), 1, "written"), (unit_source(), 4, "card.no-partition")],
)
def test_where_the_unit_goes(tmp_path: Path, unit: object, partition: int, expected: str) -> None:
    reader = card_file(tmp_path / "A")
    job = CardJob(reader, image_file(system_image(tmp_path / "os.img")), unit, None, partition)  # type: ignore[arg-type]
    result = write(job)
    if expected == "written":
        assert result.outcome is Outcome.WRITTEN
    else:
        assert code(result) == expected
        assert untouched(Path(reader.path))


def test_an_image_larger_than_its_partition(tmp_path: Path) -> None:
    path = tmp_path / "unit.img"
    path.write_bytes(noise(4 * MIB + 1))
    reader = card_file(tmp_path / "A")
    result = write(CardJob(reader, image_file(system_image(tmp_path / "os.img")), image_file(path), None, 1))
    assert code(result) == "card.partition-small"
    assert (result.outcome, result.holds) == (Outcome.REFUSED, Holds.BEFORE)
    assert untouched(Path(reader.path))


def test_a_system_whose_partitions_do_not_fit_the_card(tmp_path: Path) -> None:
    reader = card_file(tmp_path / "A", 16 * MIB)
    packed = tmp_path / "os.gz"
    packed.write_bytes(gzip.compress(system_image(tmp_path / "os.img").read_bytes(), 1))
    assert code(write(CardJob(reader, image_file(packed)))) == "card.small"
    assert untouched(Path(reader.path))


class Faulty(Medium):
    """A card that does something wrong at the k-th write or read behind its first MiB."""

    def __init__(self, real: Medium, at: int, what: Callable[[Medium, int, memoryview], None]) -> None:
        super().__init__(real._descriptor, real.name, real.size, real.sector)
        self._left, self._what = at, what
        self.same = True

    def write(self, offset: int, data: memoryview) -> None:
        super().write(offset, data)
        self._left -= 1
        if self._left == 0:
            self._what(self, offset, data)

    def require_same(self) -> None:
        if not self.same:
            raise FlashError("the card was pulled", code="card.pulled")


def _flip(medium: Medium, offset: int, data: memoryview) -> None:
    wrong = bytearray(data[:512])
    wrong[100] ^= 1
    import mmap

    buffer = mmap.mmap(-1, 512)
    buffer[:] = bytes(wrong)
    Medium.write(medium, offset, memoryview(buffer))


def _pull(medium: Medium, _offset: int, _data: memoryview) -> None:
    assert isinstance(medium, Faulty)
    medium.same = False


WRITES = 13
"""What a run makes: the first block and both zones cleared, seven of the body, both zones, the first block."""


def test_a_wrong_bit_anywhere_is_seen(tmp_path: Path) -> None:
    system = image_file(system_image(tmp_path / "os.img"))
    outcomes = []
    for at in range(4, WRITES + 1):
        reader = card_file(tmp_path / "A", 26 * MIB)
        result = write(
            CardJob(reader, system, unit_source(), None, 2), wrapped=lambda medium, at=at: Faulty(medium, at, _flip)
        )
        assert code(result) == "card.mismatch", at
        outcomes.append(result.holds)
        assert result.holds is Holds.NOTHING
        assert holds_nothing(Path(reader.path))
    assert len(outcomes) == WRITES - 3


def test_a_pulled_card_is_never_written_again(tmp_path: Path) -> None:
    system = image_file(system_image(tmp_path / "os.img"))
    seen = set()
    for at in range(1, WRITES + 1):
        reader = card_file(tmp_path / "A", 26 * MIB)
        result = write(
            CardJob(reader, system, unit_source(), None, 2), wrapped=lambda medium, at=at: Faulty(medium, at, _pull)
        )
        assert code(result) == "card.pulled"
        seen.add(result.holds)
        if result.holds is Holds.NOTHING:
            assert holds_nothing(Path(reader.path))
    assert Holds.NEW not in seen
    assert seen >= {Holds.NOTHING, Holds.UNKNOWN}


def test_a_target_that_takes_no_more(tmp_path: Path) -> None:
    """The file's limit stands for a card whose end comes earlier than it says."""
    reader = card_file(tmp_path / "A")
    image = image_file(system_image(tmp_path / "os.img"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20 * MIB, before[1]))
    try:
        result = write(CardJob(reader, image, unit_source(), None, 2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert code(result) == "card.full"
    assert not any(Path(reader.path).read_bytes()[:MIB])
    assert result.holds is Holds.UNKNOWN  # the end of the card could not be cleared: say so


def test_called_off_at_every_block(tmp_path: Path) -> None:
    image = image_file(system_image(tmp_path / "os.img"))
    for number in (1, 3, 8, 12):
        reader, cancel, seen = card_file(tmp_path / "A"), threading.Event(), list[Stage]()

        def progress(_name: str, stage: Stage) -> None:
            seen.append(stage)  # noqa: B023
            if len(seen) == number:  # noqa: B023
                cancel.set()  # noqa: B023

        result = write(CardJob(reader, image, unit_source(), None, 2), cancel=cancel, progress=progress)
        assert (result.outcome, result.holds) == (Outcome.CANCELLED, Holds.NOTHING)
        assert holds_nothing(Path(reader.path))
    called_off = threading.Event()
    called_off.set()
    reader = card_file(tmp_path / "A")
    assert write(CardJob(reader, image), cancel=called_off).holds is Holds.BEFORE
    assert untouched(Path(reader.path))


CHILD = """
import os, signal, sys, threading
from pathlib import Path
from factory.flashing.card import CardJob, flash_card
from factory.flashing.card.medium import Medium, open_file
from factory.flashing.card.source import image_file
from factory.flashing.journal import NullJournal
from factory.config import CardReader
from tests.flashing.card.bench import MIB, card_file, unit_source
folder, image, last = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])

def station(card, at):
    count, real = 0, Medium.write
    def write(self, offset, data):
        nonlocal count
        count += 1
        if count == at:
            real(self, offset, data[: len(data) // 1024 * 512])  # half of it is there
            os.kill(os.getpid(), signal.SIGKILL)
        real(self, offset, data)
    Medium.write = write
    job = CardJob(card, image_file(Path(image)), unit_source(), None, 2)
    result = flash_card(job, NullJournal(), cancel=threading.Event(), progress=lambda *_: None,
                        opener=lambda reader: open_file(Path(reader.path)))
    os._exit(0 if result.outcome == "written" else 1)

for at in range(1, last + 1):
    card = card_file(folder / f"card{at}", 26 * MIB)
    if not (child := os.fork()):
        station(card, at)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_the_station_is_killed_at_every_write(tmp_path: Path) -> None:
    """Never a table without everything behind it: old, nothing, or all of the new."""
    image = system_image(tmp_path / "os.img")
    whole = image.read_bytes()
    argv = [sys.executable, "-c", CHILD, str(tmp_path), str(image), str(WRITES + 1)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=100)
    codes = [int(line) for line in done.stdout.split()]
    assert codes == [-signal.SIGKILL] * WRITES + [0]
    found = []
    for at in range(1, WRITES + 2):
        content = (tmp_path / f"card{at}").read_bytes()
        if content[:512] == OLD * 512:
            found.append("old")
        elif not any(content[:2048]):
            found.append("nothing")
            assert not any(content[:4096]) or at == 1  # half of the first block was cleared
        else:
            found.append("new")
            assert content[4096:MIB] == whole[4096:MIB]
            assert content[9 * MIB : 24 * MIB] == whole[9 * MIB :]
            assert content[5 * MIB : 5 * MIB + 4096] == noise(4096, 7)
    assert found == ["nothing"] * (WRITES - 1) + ["new"] * 2


def test_buffered_writing_says_so_or_refuses(tmp_path: Path) -> None:
    """Without O_DIRECT: what is still in the page cache is not called verified."""
    reader = card_file(tmp_path / "A")
    result = write(CardJob(reader, image_file(system_image(tmp_path / "os.img"))), direct=False)
    if result.error is None:
        assert result.receipt is not None
        assert result.receipt.read_back == "flushed buffers, proved uncached"
        assert "not asked for" in result.note
    else:
        assert result.error.code == "card.not-verifiable"


def test_a_memory_file_system_is_no_medium(tmp_path: Path) -> None:
    import tempfile

    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        reader = card_file(Path(folder) / "A")
        result = write(CardJob(reader, image_file(system_image(tmp_path / "os.img"))), direct=False)
        assert result.error is not None
        assert result.error.code == "card.not-verifiable"
