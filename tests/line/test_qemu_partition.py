"""The line and `factory flash` on a real kernel: a unit that mounts the written partition over connectd's folder."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from factory.config import load_bench, load_product
from factory.config.starter import write_product_folder
from factory.files import write_text
from factory.identity import KeySource
from factory.images import open_builder, read_image
from factory.ledger import Ledger, open_ledger
from factory.line import Row, open_flash, open_line
from factory.rehearsal.qemu.unit import QemuUnit
from factory.units import Deadline
from factory.values import Event
from tests.line.floor import CODE, FAST, LOT
from tests.qemu import PASSWORD, Factory, ssh_unit

TARGET = "/dev/vdb1"
SETTINGS: dict[str, Any] = {
    "image.format": "ext4",
    "image.size": 8 * 1024 * 1024,
    "flash.method": "partition",
    "flash.partition.target": TARGET,
    "unit.login.user": "root",
    "unit.facts.board": "cat /etc/serial",
    "unit.timeouts.boot": 120,
    "unit.timeouts.login": 60,
    "unit.timeouts.command": 60,
    "unit.timeouts.reboot": 120,
}


class Station:
    """One station with one QEMU unit in its slot."""

    def __init__(self, folder: Path, unit: QemuUnit) -> None:
        self.folder, self.unit = folder, unit
        write_text(folder / "password", f"{PASSWORD}\n", mode=0o600)
        password = {"unit.login.password": f"file:{folder / 'password'}"}
        product = write_product_folder(folder / "product", bulk_identification_code=CODE, settings=SETTINGS | password)
        assert unit.ssh_address is not None
        host, port = unit.ssh_address
        slot = f'[station]\nname = "S1"\n\n[[slot]]\nname = "A"\nssh = {{ host = "{host}", port = {port} }}\n'
        write_text(folder / "bench.toml", slot)
        self.product, self.bench = load_product(product), load_bench(folder / "bench.toml")
        self.keys = KeySource.open(self.product.identity.key, self.product.folder)
        self.builder = open_builder(self.product.image, self.product.folder, self.product.product.name)

    def run(self, ledger: Ledger, *, cut: bool = False, accept: str | None = None) -> Row:
        """One attempt of the line; with `cut` the unit loses its power while it is being written."""

        def on_event(event: Event) -> None:
            if cut and event.kind == "attempt.progress":
                threading.Thread(target=self.unit.kill).start()

        line = open_line(
            self.product, self.bench, LOT, ledger=ledger, builder=self.builder, keys=self.keys, timing=FAST,
            images_out=self.folder / "images", accept_first_article=accept,
        )  # fmt: skip
        (row,) = line.run(units=1, on_event=on_event).rows
        return row

    def said(self, command: str) -> str:
        unit = ssh_unit(self.unit)
        try:
            return unit.run(command, deadline=Deadline(60)).require("a test").text()
        finally:
            unit.close()


@pytest.fixture
def station(tmp_path: Path, qemu_factory: Factory) -> Station:
    station = Station(tmp_path, qemu_factory())
    station.said(f"sed -i '/sysfs/a mount -t ext4 {TARGET} /etc/connectd' /etc/rc && sync")
    return station


def test_power_lost_in_the_middle_then_blanked_written_mounted_and_proved(station: Station) -> None:
    with open_ledger("sqlite:///ledger.db", station="S1", folder=station.folder) as ledger:
        row = station.run(ledger, cut=True)
        assert row.outcome == "failed", row
        (owed,) = ledger.pending_restores()
        assert owed.data["schema"] == "factory.blank/1"
        assert ledger.passed_units(LOT) == ()
        station.unit.power_on()
        station.unit.wait_until_settled()
        assert TARGET not in station.said("cat /proc/mounts"), "nothing that was cut can be mounted"

        assert station.run(ledger).code == "ledger.first-article", "the lot stands until somebody has looked"
        row = station.run(ledger, accept="the power was cut")
        assert row.outcome == "passed", row
        assert f"{TARGET} /etc/connectd ext4" in station.said("cat /proc/mounts")
        assert station.said("cat /etc/connectd/hardware_id.txt").strip() == row.hardware_id
        assert ledger.doctor() == ()
        (history,) = ledger.trace(row.hardware_id or "").units
        receipt = history.receipts[row.attempt or 0]
        assert (receipt["method"], receipt["medium"]) == ("partition", TARGET)
        assert receipt["written"] == receipt["found"] and "cached" not in receipt["read_back"]

        # It is mounted now, so it is not written again; and since nothing was, the unit has still passed.
        assert row.image is not None
        one = open_flash(
            station.product, station.bench, station.bench.slot[0], read_image(row.image), ledger=ledger,
            builder=station.builder, keys=station.keys, reason="a test", timing=FAST,
        )  # fmt: skip
        (again,) = one.run(on_event=lambda _event: None).summary.rows
        assert (again.outcome, again.code) == ("failed", "flash.mounted")
        assert [unit.attempt for unit in ledger.passed_units(LOT)] == [row.attempt]
