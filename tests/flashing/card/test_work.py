"""Block maps, jobs from a product's section, and many cards at once of which one fails."""

from __future__ import annotations

import gzip
import os
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from factory.config.flash_card import CardFlash
from factory.errors import FactoryError, UsageError
from factory.files import FileError
from factory.flashing.card import (
    CardJob,
    CardRefused,
    CardResult,
    DamagedImage,
    Holds,
    Outcome,
    card_job,
    flash_cards,
    system_image,
)
from factory.flashing.card.source import image_file
from factory.flashing.journal import NullJournal
from factory.images import ImageError, read_tree
from factory.images.ext4 import Sparse
from factory.values import Manifest, Receipt
from tests.flashing.card.bench import (
    MIB,
    OLD,
    card_file,
    holds_nothing,
    noise,
    opener,
    sfdisk,
    unit_source,
    untouched,
    write,
)
from tests.images.product import KEY, builder, identity
from tests.programs import require


def mapped_image(folder: Path, *, packed: bool = False) -> Path:
    """24 MiB with a table, of which 2 MiB hold anything, and its block map by bmaptool."""
    image = folder / "os.img"
    with image.open("wb") as stream:
        stream.truncate(24 * MIB)
        sfdisk(image, "label: dos\n,4M\n,8M\n,\n")
        os.pwrite(stream.fileno(), noise(MIB), 2 * MIB)
        os.pwrite(stream.fileno(), noise(MIB, 2), 14 * MIB)
        os.pwrite(stream.fileno(), noise(8192, 3), 6 * MIB)  # beneath the unit's own image
    done = subprocess.run([require("bmaptool"), "create", image], check=True, capture_output=True)
    (folder / "os.img.bmap").write_bytes(done.stdout)
    if not packed:
        return image
    (folder / "os.img.gz").write_bytes(gzip.compress(image.read_bytes(), 1))
    return folder / "os.img.gz"


def flashed(folder: Path, *, partition: int | None = 2, name: str = "os.img") -> CardResult:
    section = CardFlash(os_image=name, partition=partition)
    system = system_image(section, folder)
    return write(CardJob(card_file(folder / "A"), system, unit_source() if partition else None, None, partition))


@pytest.mark.parametrize("packed", [False, True])
def test_only_what_the_map_names(tmp_path: Path, packed: bool) -> None:
    image = mapped_image(tmp_path, packed=packed)
    result = flashed(tmp_path, name=image.name)
    assert (result.outcome, result.error) == (Outcome.WRITTEN, None)
    assert result.receipt is not None
    assert result.receipt.bytes_written < 3 * MIB
    content = (tmp_path / "A").read_bytes()
    assert content[2 * MIB : 3 * MIB] == noise(MIB)
    assert content[14 * MIB : 15 * MIB] == noise(MIB, 2)
    assert content[3 * MIB : 5 * MIB] == OLD * (2 * MIB)  # named by nobody
    assert content[5 * MIB : 5 * MIB + 4096] == noise(4096, 7)
    assert content[6 * MIB : 6 * MIB + 4096] == noise(4096, 7 + MIB)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("place", [100, 2 * MIB + 5, 6 * MIB + 100, 15 * MIB - 1])
def test_a_checksum_of_the_map_that_is_another(tmp_path: Path, packed: bool, place: int) -> None:
    """In the head, in the body, beneath the unit's own image, and in the last byte."""
    mapped_image(tmp_path, packed=packed)
    with (tmp_path / "os.img").open("r+b") as stream:
        before = os.pread(stream.fileno(), 1, place)
        os.pwrite(stream.fileno(), bytes([before[0] ^ 1]), place)
    (tmp_path / "os.img.gz").write_bytes(gzip.compress((tmp_path / "os.img").read_bytes(), 1))
    result = flashed(tmp_path, name="os.img.gz" if packed else "os.img")
    assert isinstance(result.error, DamagedImage)
    assert result.error.code == "card.checksum"
    assert (result.outcome, result.holds) == (Outcome.FAILED, Holds.NOTHING)
    assert holds_nothing(tmp_path / "A")


def test_a_map_that_is_another_images(tmp_path: Path) -> None:
    image = mapped_image(tmp_path)
    with image.open("ab") as stream:
        stream.write(bytes(4096))
    with pytest.raises(CardRefused, match="block map is for"):
        system_image(CardFlash(os_image="os.img"), tmp_path)


def test_a_packed_image_that_ends_within_its_map(tmp_path: Path) -> None:
    image = mapped_image(tmp_path)
    (tmp_path / "os.img.gz").write_bytes(gzip.compress(image.read_bytes()[: 14 * MIB + 5], 1))
    result = flashed(tmp_path, name="os.img.gz")
    assert isinstance(result.error, DamagedImage)
    assert holds_nothing(tmp_path / "A")


def test_a_damaged_map_is_refused(tmp_path: Path) -> None:
    mapped_image(tmp_path)
    path = tmp_path / "os.img.bmap"
    path.write_text(path.read_text().replace("<Range", "<range", 1))
    with pytest.raises(ImageError):
        system_image(CardFlash(os_image="os.img"), tmp_path)
    path.rename(tmp_path / "elsewhere")
    with pytest.raises(ImageError):
        system_image(CardFlash(os_image="os.img", bmap="elsewhere"), tmp_path)


def test_a_system_image_that_is_none(tmp_path: Path) -> None:
    assert system_image(None, tmp_path) is None
    with pytest.raises(FileError):
        system_image(CardFlash(os_image="missing"), tmp_path)
    for head, what in ((b"", "empty"), (b"BZh9", "bzip2"), (b"PK\x03\x04", "zip")):
        (tmp_path / "os").write_bytes(head)
        with pytest.raises(CardRefused, match=what):
            system_image(CardFlash(os_image="os"), tmp_path)


def test_what_does_not_go_together(tmp_path: Path) -> None:
    reader = card_file(tmp_path / "A", MIB)
    (tmp_path / "os").write_bytes(noise(MIB))
    system = image_file(tmp_path / "os")
    with pytest.raises(UsageError, match="nothing to write"):
        card_job(reader, None, None, None)
    with pytest.raises(UsageError, match="unit's own image"):
        card_job(reader, None, CardFlash(os_image="os", partition=2), system)
    with pytest.raises(UsageError, match="no place"):
        card_job(reader, tmp_path / "os", CardFlash(os_image="os"), system)
    (tmp_path / "u.gz").write_bytes(gzip.compress(noise(1000)))
    job = card_job(reader, tmp_path / "u.gz", CardFlash(partition=1), None)
    assert job.unit is not None
    assert job.unit.size == 1000


class Book(NullJournal):
    """Remembers what it was told, and refuses one card."""

    def __init__(self, refuses: str = "", cannot_keep: str = "") -> None:
        self.told: list[tuple[str, str]] = []
        self._refuses, self._cannot_keep = refuses, cannot_keep

    def intent(self, manifest: Manifest | None, place: str, **rest: object) -> None:
        self.told.append(("intent", place))
        if place == self._refuses:
            raise FactoryError("the unit is scrapped", code="ledger.scrapped")

    def flashed(self, manifest: Manifest | None, place: str, receipt: Receipt) -> None:
        self.told.append(("flashed", place))
        if place == self._cannot_keep:
            raise FactoryError("the disk is full", code="ledger.full")

    def failed(
        self, manifest: Manifest | None, place: str, error: FactoryError, data: Mapping[str, object] | None = None
    ) -> None:
        assert data is not None
        self.told.append((f"failed {error.code} {data['holds']}", place))


def test_many_cards_and_each_fails_alone(tmp_path: Path) -> None:
    (tmp_path / "os").write_bytes(noise(9 * MIB))
    (tmp_path / "cut.gz").write_bytes(gzip.compress(noise(9 * MIB), 1)[:-100])
    good, bad = image_file(tmp_path / "os"), image_file(tmp_path / "cut.gz")
    jobs = [CardJob(card_file(tmp_path / name, 12 * MIB), bad if name == "C" else good) for name in "ABCDEF"]
    jobs.append(CardJob(card_file(tmp_path / "small", 8 * MIB), good))
    book = Book(refuses="D", cannot_keep="E")
    results = {one.card.name: one for one in flash_cards(jobs, book, opener=opener())}
    outcomes = {name: (str(one.outcome), str(one.holds)) for name, one in results.items()}
    assert outcomes == {
        "A": ("written", "new"),
        "B": ("written", "new"),
        "C": ("failed", "nothing"),
        "D": ("refused", "before"),
        "E": ("failed", "new"),
        "F": ("written", "new"),
        "small": ("refused", "before"),
    }
    assert untouched(tmp_path / "D")
    assert untouched(tmp_path / "small")
    assert holds_nothing(tmp_path / "C")
    for name in "ABF":
        assert (tmp_path / name).read_bytes()[: 9 * MIB] == noise(9 * MIB)
        assert [what for what, place in book.told if place == name] == ["intent", "flashed"]
    assert [what for what, place in book.told if place == "C"] == ["intent", "failed card.damaged nothing"]
    assert [what for what, place in book.told if place == "small"] == []
    assert ("failed ledger.full new", "E") in book.told


def test_called_off_all_cards_come_back(tmp_path: Path) -> None:
    (tmp_path / "os").write_bytes(noise(9 * MIB))
    system, cancel = image_file(tmp_path / "os"), threading.Event()
    jobs = [CardJob(card_file(tmp_path / name, 12 * MIB), system) for name in "ABC"]
    results = list(
        flash_cards(jobs, NullJournal(), cancel=cancel, progress=lambda _name, _stage: cancel.set(), opener=opener())
    )
    assert {one.outcome for one in results} == {Outcome.CANCELLED}
    for one in results:
        path = Path(one.card.path)
        assert holds_nothing(path) if one.holds is Holds.NOTHING else untouched(path)


@pytest.mark.parametrize("form", ["ext4", "squashfs"])
def test_our_own_image_in_its_partition(tmp_path: Path, form: str) -> None:
    """On a card that held 0xFF, and over what the system's image has there: a clean file system with our files."""
    require("mke2fs" if form == "ext4" else "mksquashfs")
    image = builder(tmp_path, format=form).build(identity())
    mapped_image(tmp_path)
    section = CardFlash(os_image="os.img", partition=2)
    reader = card_file(tmp_path / "A")
    (tmp_path / "A").write_bytes(b"\xff" * (28 * MIB))
    result = write(card_job(reader, image, section, system_image(section, tmp_path)))
    assert result.error is None
    assert result.receipt is not None
    assert result.receipt.image == image.manifest.image
    size = image.body.size if isinstance(image.body, Sparse) else len(image.body or b"")
    part = tmp_path / "part"
    part.write_bytes((tmp_path / "A").read_bytes()[5 * MIB : 5 * MIB + size])
    if form == "ext4":
        subprocess.run([require("e2fsck"), "-fn", part], check=True, capture_output=True)
    found = {member.path: member.content for member in read_tree(part).members if member.content is not None}
    assert found == dict(image.contents)
    assert KEY not in repr(result)


def test_an_archive_is_no_file_system(tmp_path: Path) -> None:
    image = builder(tmp_path, format="tar.gz").build(identity())
    with pytest.raises(UsageError, match="is an archive"):
        card_job(card_file(tmp_path / "A", MIB), image, CardFlash(partition=1), None)
