"""Whole lines whose units are written into a device: simulated ones, where a file of 0xFF stands for the device."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from factory.images import read_image
from factory.line import Outcome
from tests.line.floor import LOT, SERIAL, SSH, Floor, by_slot, outcomes, plan

TARGET = "device.img"
SIZE = 6 * 1024 * 1024
SETTINGS = {
    "image.format": "ext4",
    "image.size": 4 * 1024 * 1024,
    "flash.method": "partition",
    "flash.partition.target": TARGET,
    # Nothing mounts a file on a simulated unit, and its connectd cannot speak for what was written there.
    "flash.partition.unseen": True,
}


def device(floor: Floor, number: int) -> Path:
    return floor.unit(number).root / TARGET


def blank_devices(floor: Floor, *numbers: int) -> None:
    for number in numbers:
        device(floor, number).write_bytes(b"\xff" * SIZE)
        (floor.unit(number).root / "bin/connectd_control").unlink()


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[Floor]:
    with Floor(tmp_path, [plan(1, SSH), plan(2, SSH)], settings=SETTINGS) as floor:
        blank_devices(floor, 1, 2)
        yield floor


def test_two_units_hold_their_own_file_system_and_the_ledger_says_how_it_was_read_back(floor: Floor) -> None:
    summary = floor.run(2)
    assert summary.passed == 2, outcomes(summary)
    assert all("the unit itself was not asked" in " ".join(row.warnings) for row in summary.rows)
    for number in (1, 2):
        row = next(row for row in summary.rows if row.slot == f"slot-{number:02d}")
        assert row.image is not None
        image = read_image(row.image)
        packed = image.packed()
        written = device(floor, number).read_bytes()
        assert not isinstance(packed, bytes)
        for offset, data in packed.ranges:
            assert written[offset : offset + len(data)] == data
        # Only the last 64 KiB are cleared too, where other systems keep copies of their heads.
        assert written[packed.size : -65536] == b"\xff" * (SIZE - packed.size - 65536)
        assert floor.unit(number).boots == 2
        (history,) = floor.ledger.trace(row.hardware_id or "").units
        receipt = history.receipts[row.attempt or 0]
        assert (receipt["method"], receipt["medium"].rsplit("/")[-1]) == ("partition", TARGET)
        assert receipt["ranges"] and receipt["written"] and receipt["read_back"]
    assert floor.ledger.doctor() == ()
    assert len(floor.ledger.passed_units(LOT)) == 2


def test_a_unit_that_is_cut_holds_no_identity_and_the_next_one_inherits_nothing(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1, SSH)], settings=SETTINGS) as floor:
        blank_devices(floor, 1)
        unit = floor.unit(1)
        target = device(floor, 1)
        with floor.running(1) as line:
            line.wait("attempt.progress", step="flash")
            unit.power_off()
            summary = line.ended()
        (row,) = summary.rows
        assert row.outcome is Outcome.FAILED
        assert not is_file_system(target)
        first = target.read_bytes()
        (owed,) = floor.ledger.pending_restores()
        assert owed.data["schema"] == "factory.blank/1"
        unit.swap(plan(2, SSH))
        blank_devices(floor, 1)
        summary = floor.run(1)
        assert summary.passed == 1, outcomes(summary)
        assert floor.ledger.pending_restores() == (owed,), "the other unit is still owed its blank"
        assert is_file_system(device(floor, 1)) and target.read_bytes() == first


def test_a_device_that_nothing_shows_to_be_read_lets_nobody_pass(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1, SSH)], settings=SETTINGS | {"flash.partition.unseen": False}) as floor:
        blank_devices(floor, 1)
        (row,) = floor.run(1).rows
        assert (row.outcome, row.code) == (Outcome.FAILED, "prove.unseen"), row
        assert not is_file_system(device(floor, 1))
        assert floor.ledger.passed_units(LOT) == () and floor.ledger.pending_restores() == ()


def test_a_target_that_is_too_small_is_refused_before_a_byte(floor: Floor) -> None:
    device(floor, 1).write_bytes(b"\xff" * 4096)
    summary = floor.run(2)
    rows = by_slot(summary)
    assert rows["slot-01"].outcome is Outcome.FAILED and rows["slot-02"].outcome is Outcome.PASSED, outcomes(summary)
    assert device(floor, 1).read_bytes() == b"\xff" * 4096
    assert floor.ledger.pending_restores() == ()


def test_over_serial_alone_from_the_first_byte_to_the_proof(tmp_path: Path) -> None:
    small = SETTINGS | {"image.size": 1024 * 1024}
    with Floor(tmp_path, [plan(1, SERIAL)], settings=small) as floor:
        blank_devices(floor, 1)
        summary = floor.run(1)
        assert summary.passed == 1, outcomes(summary)
        assert is_file_system(device(floor, 1)) and floor.unit(1).boots == 2
        (history,) = floor.ledger.trace(summary.rows[0].hardware_id or "").units
        receipt = history.receipts[summary.rows[0].attempt or 0]
        assert receipt["route"].startswith("serial:") and receipt["written"]
        assert receipt["ranges"][-1] == [0, 4096], "the first block comes last"


def is_file_system(path: Path) -> bool:
    """Whether a kernel would take it for an ext file system."""
    with path.open("rb") as stream:
        stream.seek(1024 + 0x38)
        return stream.read(2) == b"\x53\xef"
