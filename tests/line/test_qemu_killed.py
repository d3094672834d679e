"""The station is killed while it writes files to a real kernel, and another unit is put into that slot."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from factory.config import load_bench, load_product
from factory.config.starter import write_product_folder
from factory.files import write_text
from factory.identity import KeySource
from factory.images import open_builder
from factory.ledger import Ledger, open_ledger
from factory.line import Row, open_line
from factory.rehearsal.qemu.unit import QemuUnit
from factory.units import Deadline
from factory.values import AttemptState
from tests.line.floor import CODE, FAST, LOT
from tests.line.test_interrupt import CHECKOUT, heard
from tests.qemu import PASSWORD, Factory, ssh_unit

CODE_FILE = "bulk_identification_code.txt"
OTHER = {"eth0": "b8:27:eb:00:00:11", "wlan0": "b8:27:eb:00:00:12"}
SETTINGS: dict[str, Any] = {
    "unit.login.user": "root",
    "unit.facts.board": "cat /etc/serial",
    "prove.first_article": False,
    "prove.reboot": "none",  # proofs over a restart have their own tests
    **{f"unit.timeouts.{name}": 90 for name in ("boot", "login", "command", "flash", "reboot")},
}


def content(unit: QemuUnit) -> dict[str, str]:
    """What connectd's folder holds, by name; hidden folders of a flash too."""
    shell = ssh_unit(unit)
    try:
        command = "cd /etc/connectd && for f in $(find . -type f); do echo $f $(cat $f); done"
        said = shell.run(command, deadline=Deadline(60)).require("reading").text()
    finally:
        shell.close()
    pairs = (line.partition(" ") for line in said.splitlines())
    return {name.removeprefix("./"): value for name, _, value in pairs}


class Station:
    """One station whose only slot leads to whichever unit is put into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        write_text(folder / "password", f"{PASSWORD}\n", mode=0o600)
        password = {"unit.login.password": f"file:{folder / 'password'}"}
        write_product_folder(folder / "product", bulk_identification_code=CODE, settings=SETTINGS | password)
        self.product = load_product(folder / "product" / "product.toml")

    def put_in(self, unit: QemuUnit) -> None:
        assert unit.ssh_address is not None
        host, port = unit.ssh_address
        slot = f'[station]\nname = "S1"\n\n[[slot]]\nname = "A"\nssh = {{ host = "{host}", port = {port} }}\n'
        write_text(self.folder / "bench.toml", slot)

    def ledger(self) -> Ledger:
        return open_ledger("sqlite:///ledger.db", station="S1", folder=self.folder)

    def run(self, ledger: Ledger) -> Row:
        builder = open_builder(self.product.image, self.product.folder, self.product.product.name)
        keys = KeySource.open(self.product.identity.key, self.product.folder)
        bench = load_bench(self.folder / "bench.toml")
        line = open_line(self.product, bench, LOT, ledger=ledger, builder=builder, keys=keys, timing=FAST)
        (row,) = line.run(units=1, on_event=lambda _event: None).rows
        return row

    @contextmanager
    def at_work(self) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.line.at_work", str(self.folder)],
            stdout=subprocess.PIPE, text=True, cwd=CHECKOUT, start_new_session=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


@pytest.fixture
def station(tmp_path: Path) -> Station:
    return Station(tmp_path)


@pytest.mark.timeout(300)  # four attempts
def test_killed_at_two_points_and_the_next_unit_inherits_nothing(station: Station, qemu_factory: Factory) -> None:
    """Killed while files go over, and after the last of them: each time the unit holds what was there before, all that
    is new, or no code; nothing has passed. Then another unit is in the slot, and later the first one again.
    """
    first = qemu_factory()
    station.put_in(first)
    before = content(first)
    assert CODE_FILE not in before
    for kind, after in (("attempt.flashing", 0.1), ("attempt.flashed", 0.0)):
        with station.at_work() as process:
            heard(process, kind)
            time.sleep(after)
            os.kill(process.pid, signal.SIGKILL)
        with station.ledger() as ledger:
            left = max(ledger.show().attempts, key=lambda attempt: attempt.id)
            assert left.state in (AttemptState.FLASHING, AttemptState.FLASHED, AttemptState.PROVED)
            assert ledger.passed_units(LOT) == ()
        now = content(first)
        assert now.get("hardware_id.txt") in (None, left.hardware_id)
        if CODE_FILE in now:
            assert now["hardware_id.txt"] == left.hardware_id, "a mix that could register"

    second = qemu_factory(name="qemu-02", macs=OTHER, serial="QM000002")
    station.put_in(second)
    with station.ledger() as ledger:
        row = station.run(ledger)
        assert row.outcome == "passed", row
        assert row.hardware_id != left.hardware_id
        assert content(second)["hardware_id.txt"] == row.hardware_id
        assert left.hardware_id is not None and left.hardware_id not in " ".join(content(second).values())
        assert [unit.hardware_id for unit in ledger.passed_units(LOT)] == [row.hardware_id]
        assert ledger.attempt(left.id).state is AttemptState.UNKNOWN
        assert ledger.doctor(), "the unit that is gone is not forgotten"

        station.put_in(first)
        again = station.run(ledger)
        assert (again.outcome, again.hardware_id) == ("passed", left.hardware_id), again
        assert not [name for name in content(first) if name.startswith(".factory")]
        assert ledger.verify() == ()
