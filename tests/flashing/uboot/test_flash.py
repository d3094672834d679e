from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from factory.bootloader import Bootloader, read_bootloader_facts
from factory.config import UbootFlash
from factory.errors import FactoryError, UsageError
from factory.flashing import PreflightRefused
from factory.flashing.uboot import (
    LoaderFlashError,
    flash_from_bootloader,
    preflight_from_bootloader,
    set_identity_env,
)
from factory.flashing.uboot.write import HEAD
from factory.rehearsal.uboot import UbootFault, UbootUnit
from factory.units import Cancelled, Deadline
from factory.values import Manifest, Receipt
from tests.bootloader.boards import SECTION, board, stopped

BLOCK = 512
START, BLOCKS = 2048, 8192
MAC = "b8:27:eb:12:34:56"
DATA = random.Random(5).randbytes(20_001)
BEFORE = b"\xff" * (BLOCKS * BLOCK)


def manifest(mac: str = MAC, serial: str | None = None) -> Manifest:
    identity = {"hardware_id": "b827eb123456", "macs": {"eth0": mac}, "serial": serial}
    return Manifest("0" * 64, "ext4", "p", "t", identity, ())


def flash(
    loader: Bootloader,
    data: bytes = DATA,
    section: UbootFlash = SECTION,
    *,
    intent: Callable[[], None] | None = None,
    progress: Callable[[int], None] | None = None,
    deadline: Deadline | None = None,
) -> Receipt:
    limit = deadline or Deadline(60)
    plan = preflight_from_bootloader(loader, data, section, baud=115200, deadline=limit)
    return flash_from_bootloader(loader, data, plan, image="0" * 64, deadline=limit, intent=intent, progress=progress)


def partition(unit: UbootUnit) -> bytes:
    return unit.machine.medium.read_bytes()[START * BLOCK : (START + BLOCKS) * BLOCK]


def holds(unit: UbootUnit) -> str:
    """What is true of the medium, to hold `LoaderFlashError.holds` against."""
    found = partition(unit)
    if found == BEFORE:
        return "before"
    return "nothing" if not any(found[: HEAD * BLOCK]) else "unknown"


def test_an_image_is_written_and_read_back_and_nothing_else_is_touched(tmp_path: Path) -> None:
    with board(tmp_path, lrzsz=True) as unit, stopped(unit) as loader:
        receipt = flash(loader)
        padded = DATA.ljust(-(-len(DATA) // BLOCK) * BLOCK, b"\0")
        whole = unit.machine.medium.read_bytes()
    assert whole[START * BLOCK : START * BLOCK + len(padded)] == padded
    assert set(whole[: START * BLOCK]) | set(whole[START * BLOCK + len(padded) :]) == {0xFF}
    assert (receipt.method, receipt.medium) == ("uboot", "mmc 0 blocks 2048+40")
    assert receipt.written == receipt.found == f"crc32:{zlib.crc32(padded):08x}"
    assert receipt.ranges == ((START * BLOCK, len(padded)),)
    assert "crc32" in receipt.read_back
    # The head went away first and came last.
    assert unit.machine.written == [(START, HEAD), (START + HEAD, 40 - HEAD), (START, HEAD)]


@pytest.mark.parametrize(
    ("fault", "code", "told"),
    [
        (UbootFault.BIT_ROT, "uboot.mismatch", "nothing"),
        (UbootFault.READS_NOTHING, "uboot.mismatch", "unknown"),
        (UbootFault.RAM_ROT, "uboot.damaged", "before"),
        (UbootFault.WRITE_ERROR, "uboot.write", "unknown"),
        (UbootFault.NO_LOADY, "uboot.refused", "before"),
    ],
)
def test_a_unit_that_does_not_keep_it_never_gets_a_receipt(
    tmp_path: Path, fault: UbootFault, code: str, told: str
) -> None:
    with board(tmp_path) as unit:
        unit.faults.add(fault)
        with stopped(unit) as loader, pytest.raises(LoaderFlashError) as caught:
            flash(loader)
        assert (caught.value.code, caught.value.holds) == (code, told)
        assert told in (holds(unit), "unknown")


@pytest.mark.parametrize("after", [0, 3, 8, 9, 25, 40, 44])
def test_power_lost_at_any_block_leaves_no_identity(tmp_path: Path, after: int) -> None:
    with board(tmp_path) as unit:
        unit.machine.cut_after = after
        with stopped(unit) as loader, pytest.raises(LoaderFlashError) as caught:
            flash(loader)
        assert caught.value.code == "uboot.restarted"
        assert caught.value.holds in (holds(unit), "unknown")
        if HEAD <= after < 40:
            assert (caught.value.holds, holds(unit)) == ("nothing", "nothing")
        # The next flash of the same unit makes it whole.
        with stopped(unit) as loader:
            assert flash(loader).found


def test_a_cable_that_is_cut_while_loading_leaves_what_was_there(tmp_path: Path) -> None:
    with board(tmp_path) as unit, stopped(unit) as loader:

        def cut(sent: int) -> None:
            if sent >= 10_000:
                unit.uart.flaws.dead = True

        with pytest.raises((LoaderFlashError, FactoryError)) as caught:
            flash(loader, progress=cut, deadline=Deadline(4))
        assert getattr(caught.value, "holds", "before") == "before"
        assert holds(unit) == "before"


def test_a_station_that_is_stopped_while_loading_leaves_what_was_there(tmp_path: Path) -> None:
    with board(tmp_path) as unit, stopped(unit) as loader:
        deadline = Deadline(60)
        with pytest.raises(LoaderFlashError) as caught:
            flash(loader, progress=lambda _: deadline.cancel.set(), deadline=deadline)
        assert (caught.value.code, caught.value.exit_code) == (Cancelled.code, Cancelled.exit_code)
        assert (caught.value.holds, holds(unit)) == ("before", "before")


class Killed(BaseException):
    pass


@pytest.mark.parametrize("at", range(4))
def test_a_station_killed_between_any_two_writes_leaves_no_identity(
    tmp_path: Path, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 0
    plain = Bootloader.run

    def run(self: Bootloader, command: str, *, limit: Deadline) -> object:
        nonlocal count
        if command.startswith("mmc write"):
            if count == at:
                raise Killed
            count += 1
        return plain(self, command, limit=limit)

    with board(tmp_path) as unit:
        with stopped(unit) as loader:
            monkeypatch.setattr(Bootloader, "run", run)
            if at < 3:
                with pytest.raises(Killed):
                    flash(loader)
            else:
                flash(loader)
        assert holds(unit) == ("before", "nothing", "nothing", "unknown")[at]
        monkeypatch.undo()
        with stopped(unit) as loader:
            flash(loader)


def test_what_the_record_refuses_is_not_sent(tmp_path: Path) -> None:
    def refuse() -> None:
        raise UsageError("no")

    with board(tmp_path) as unit, stopped(unit) as loader:
        with pytest.raises(UsageError):
            flash(loader, intent=refuse)
        assert unit.machine.written == []
        assert "filesize" not in unit.machine.environment


@pytest.mark.parametrize(
    ("data", "section", "code"),
    [
        (b"", SECTION, "too-large"),
        (bytes(8192 * BLOCK + 1), SECTION, "too-large"),
        (bytes(7_000_000), SECTION.model_copy(update={"blocks": 20_000}), "too-slow"),
        (DATA, SECTION.model_copy(update={"load_address": 0x8300_0000 - 4096}), "ram"),
        (DATA, SECTION.model_copy(update={"load_address": 0x1000}), "ram"),
        (DATA, SECTION.model_copy(update={"ram_top": 0x8200_1000}), "ram"),
        (DATA, SECTION.model_copy(update={"read_address": 0x8200_1000}), "overlap"),
        (DATA, SECTION.model_copy(update={"read_address": 0x83F0_0000}), "ram"),
        (DATA, SECTION.model_copy(update={"device": 1}), "device"),
        (DATA, SECTION.model_copy(update={"start_block": 16_000}), "device"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_sent(
    tmp_path: Path, data: bytes, section: UbootFlash, code: str
) -> None:
    with board(tmp_path) as unit, stopped(unit) as loader:
        with pytest.raises(PreflightRefused) as caught:
            flash(loader, data, section)
        assert caught.value.findings[0].code == f"flash.uboot.{code}"
        assert unit.machine.written == []
        if code == "too-slow":
            assert "minutes" in caught.value.message


def test_a_product_that_names_no_partition_is_refused(tmp_path: Path) -> None:
    with board(tmp_path) as unit, stopped(unit) as loader, pytest.raises(UsageError) as caught:
        flash(loader, DATA, UbootFlash())
    assert caught.value.code == "flash.uboot.partition"


@pytest.mark.parametrize(
    ("environment", "wanted", "code"),
    [
        ({"ethaddr": MAC}, manifest(), None),
        ({"ethaddr": MAC, "serial#": "A"}, manifest(serial="A"), None),
        ({"ethaddr": "b8:27:eb:12:34:57"}, manifest(), "other-unit"),
        ({"ethaddr": MAC, "serial#": "B"}, manifest(serial="A"), "other-unit"),
        ({}, manifest(), "unknown-unit"),
    ],
)
def test_an_image_of_another_unit_is_refused(
    tmp_path: Path, environment: dict[str, str], wanted: Manifest, code: str | None
) -> None:
    with board(tmp_path) as unit, stopped(unit) as loader:
        unit.machine.environment.update(environment)
        facts = read_bootloader_facts(loader, SECTION.environment, limit=Deadline(30))

        def check() -> None:
            preflight_from_bootloader(
                loader, DATA, SECTION, baud=115200, deadline=Deadline(30), manifest=wanted, facts=facts
            )

        if code is None:
            check()
        else:
            with pytest.raises(PreflightRefused) as caught:
                check()
            assert caught.value.code == f"flash.uboot.{code}"
        assert unit.machine.written == []


def test_an_identity_goes_into_the_environment_with_proof(tmp_path: Path) -> None:
    with board(tmp_path) as unit, stopped(unit) as loader:
        proof, loader = set_identity_env(loader, manifest(serial="SN-1").identity, SECTION, deadline=Deadline(60))
        assert proof.after == {"ethaddr": MAC, "serial#": "SN-1"}
        with pytest.raises(UsageError, match="no serial"):
            set_identity_env(loader, manifest().identity, SECTION, deadline=Deadline(60))
