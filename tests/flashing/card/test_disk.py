"""Which disk is a card: everything that is refused, on a /sys and a /proc of the test's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from factory.config import CardReader
from factory.flashing.card import CardRefused, Host, find_disk
from factory.flashing.card import disk as disk_module
from factory.flashing.card.bench_check import card_findings
from factory.flashing.card.disk import gone

GIB = 1024**3
USB = "devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb"
SATA = "devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda"
SD = "devices/platform/soc/mmc_host/mmc0/mmc0:aaaa/block/mmcblk0"


class Computer:
    """A computer with one disk behind a link; the device itself is said to be a block device of number 8:16."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, place: str = USB, number: str = "8:16") -> None:
        self.host = Host(folder / "sys", folder / "proc")
        self.number = number
        self.block = self.host.sys / place
        (self.host.sys / "dev" / "block").mkdir(parents=True)
        (self.host.proc / "self").mkdir(parents=True)
        self.add(self.block, number, size=str(8 * GIB // 512), removable="1", ro="0", diskseq="9")
        self.mounts("")
        (self.host.proc / "swaps").write_text("Filename Type Size Used Priority\n")
        device = folder / "sdb"
        device.touch()
        self.link = folder / "by-path"
        self.link.symlink_to(device)
        self.devices = {str(device): number}
        self.reader = CardReader(name="A", path=str(self.link), max_size=32 * GIB)
        real = Path.stat

        def stat(path: Path, **options: object) -> os.stat_result:
            given = self.devices.get(str(path))
            if given is None:
                return real(path, **options)  # type: ignore[arg-type]
            major, minor = given.split(":")
            fields = list(os.stat_result(range(10)))
            fields[0] = 0o060660
            return os.stat_result(fields, {"st_rdev": os.makedev(int(major), int(minor))})

        monkeypatch.setattr(Path, "stat", stat)

    def add(self, folder: Path, number: str, **files: str) -> Path:
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / name).write_text(text + "\n")
        (folder / "dev").write_text(number + "\n")
        (folder / "holders").mkdir()
        (folder / "slaves").mkdir()
        (self.host.sys / "dev" / "block" / number).symlink_to(folder)
        return folder

    def partition(self, number: str = "8:17") -> Path:
        return self.add(self.block / f"{self.block.name}1", number, partition="1")

    def mounts(self, text: str) -> None:
        (self.host.proc / "self" / "mountinfo").write_text(text)

    def find(self) -> disk_module.Disk:
        return find_disk(self.reader, self.host)

    def refusal(self) -> str:
        with pytest.raises(CardRefused) as refused:
            self.find()
        assert "card A" in refused.value.message
        assert refused.value.hint
        return refused.value.code


@pytest.fixture
def computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Computer:
    return Computer(tmp_path, monkeypatch)


def test_a_card_on_usb(computer: Computer) -> None:
    found = computer.find()
    assert (found.size, found.sequence, found.number) == (8 * GIB, "9", os.makedev(8, 16))
    (computer.block / "removable").write_text("0\n")  # a USB disk says that it is fixed
    assert computer.find() == found


def test_an_sd_card_and_an_emmc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    computer = Computer(tmp_path, monkeypatch, SD)
    (computer.block / "removable").write_text("0\n")
    (computer.block / "device").mkdir()
    (computer.block / "device" / "type").write_text("SD\n")
    computer.find()
    (computer.block / "device" / "type").write_text("MMC\n")
    assert computer.refusal() == "card.fixed"


@pytest.mark.parametrize("place", [SATA, "devices/virtual/block/loop0", "devices/virtual/block/dm-0"])
def test_a_fixed_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    computer = Computer(tmp_path, monkeypatch, place)
    if "virtual" not in place:
        (computer.block / "removable").write_text("0\n")
    assert computer.refusal() == "card.fixed"
    computer.reader = computer.reader.model_copy(update={"fixed": True})
    computer.find()


def test_no_reader_and_no_card(computer: Computer) -> None:
    (computer.block / "size").write_text("0\n")
    assert computer.refusal() == "card.empty"
    assert not list(card_findings([computer.reader], computer.host))
    (computer.host.sys / "dev" / "block" / "8:16").unlink()
    assert computer.refusal() == "card.absent"
    computer.link.unlink()
    assert computer.refusal() == "card.absent"
    computer.link.symlink_to("/nowhere/at/all")
    assert computer.refusal() == "card.absent"
    assert [one.code for one in card_findings([computer.reader], computer.host)] == ["card.absent"]


def test_too_large(computer: Computer) -> None:
    (computer.block / "size").write_text(f"{32 * GIB // 512}\n")
    computer.find()
    (computer.block / "size").write_text(f"{32 * GIB // 512 + 1}\n")
    assert computer.refusal() == "card.too-large"


def test_write_protected(computer: Computer) -> None:
    (computer.block / "ro").write_text("1\n")
    assert computer.refusal() == "card.read-only"


def test_a_name_that_changes_with_the_order_of_plugging(computer: Computer, tmp_path: Path) -> None:
    computer.reader = computer.reader.model_copy(update={"path": str(tmp_path / "sdb")})
    assert computer.refusal() == "card.path"


def test_a_partition_and_a_file(computer: Computer, tmp_path: Path) -> None:
    (computer.block / "partition").write_text("1\n")
    assert computer.refusal() == "card.not-disk"
    del computer.devices[str(tmp_path / "sdb")]
    assert computer.refusal() == "card.not-device"


@pytest.mark.parametrize("number", ["8:16", "8:17"])
def test_mounted(computer: Computer, number: str) -> None:
    computer.partition()
    computer.mounts(
        "22 1 254:0 / / rw - ext4 /dev/vda rw\n"
        f"30 22 {number} / /media/boot\\040fs rw,relatime shared:1 - vfat none rw\n"
    )
    assert computer.refusal() == "card.mounted"


def test_mounted_under_a_number_of_its_own(computer: Computer, tmp_path: Path) -> None:
    """btrfs: only the source tells."""
    computer.mounts(f"30 22 0:44 / /data rw - btrfs {tmp_path / 'sdb'} rw\n")
    assert computer.refusal() == "card.mounted"


def test_swap(computer: Computer, tmp_path: Path) -> None:
    with (computer.host.proc / "swaps").open("a") as stream:
        stream.write(f"{tmp_path / 'sdb'} partition 100 0 -2\n")
    assert computer.refusal() == "card.system-disk"


@pytest.mark.parametrize("of_partition", [False, True])
def test_held_by_raid_or_device_mapper(computer: Computer, of_partition: bool) -> None:
    folder = computer.partition() if of_partition else computer.block
    (folder / "holders" / "dm-3").mkdir()
    assert computer.refusal() == "card.busy"


def test_the_disk_of_the_station(computer: Computer) -> None:
    """Through a partition and a layer of encryption, and not mounted under its own name."""
    root = Path("/").stat().st_dev
    part = computer.partition()
    number = f"{os.major(root)}:{os.minor(root)}"
    layer = computer.add(computer.host.sys / "devices/virtual/block/dm-0", number)
    (layer / "slaves" / "sdb1").symlink_to(part)
    assert computer.refusal() == "card.system-disk"


def test_another_card_is_seen(computer: Computer) -> None:
    found = computer.find()
    assert not gone(found, computer.host)
    (computer.block / "diskseq").write_text("10\n")
    assert gone(found, computer.host)
    (computer.block / "diskseq").write_text("9\n")
    (computer.block / "size").write_text("0\n")
    assert gone(found, computer.host)


def test_this_computer_is_readable(tmp_path: Path) -> None:
    """The real /sys and /proc: whatever this machine runs from is refused."""
    root = Path("/").stat().st_dev
    link = Path("/sys/dev/block") / f"{os.major(root)}:{os.minor(root)}"
    if not link.exists():
        pytest.skip("/ has no block device here")
    device = Path("/dev") / link.resolve().name
    if not device.exists():
        pytest.skip("the device of / has no node here")
    (tmp_path / "link").symlink_to(device)
    with pytest.raises(CardRefused):
        find_disk(CardReader(name="A", path=str(tmp_path / "link"), max_size=2**62, fixed=True), Host())
