"""A simulated Xyte, a product that registers there, a ledger with a unit in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from factory.clouds.xyte.book import Whose
from factory.clouds.xyte.entry import Entry
from factory.clouds.xyte.registrar import Registrar
from factory.clouds.xyte.store import KeyStore
from factory.config import Product, load_product
from factory.config.starter import write_product_folder
from factory.ledger import Ledger
from factory.rehearsal.clouds.server import SimulatedClouds
from factory.secrets import Secret
from tests.ledger.made import LOT, admit, opened


def request(number: int = 1, **changes: object) -> dict[str, object]:
    return {
        "sn": f"SN{number}",
        "mac": f"00:1b:77:00:00:{number:02x}",
        "cloud_id": "acme" + f"{number:020d}",
        "firmware_version": "1.4.0",
        "name": f"Panel {number}",
        **changes,
    }


@dataclass
class World:
    """What the tests register with."""

    clouds: SimulatedClouds
    folder: Path
    product: Product
    ledger: Ledger
    slept: list[float] = field(default_factory=list)

    @property
    def store(self) -> KeyStore:
        return KeyStore(self.folder / "device-keys")

    @property
    def key(self) -> Secret:
        return Secret((self.clouds.folder / "xyte-hardware-key").read_text().strip())

    def entry(self, **settings: Any) -> Entry:
        given = {"ca": self.clouds.ca, "sleep": self.slept.append, **settings}
        return Entry(self.clouds.url, given.pop("key", self.key), **given)

    def registrar(self, store: KeyStore | None = None) -> Registrar:
        return Registrar(self.product, self.ledger, store or self.store, ca=self.clouds.ca, sleep=self.slept.append)

    def unit(self, number: int) -> Whose:
        attempt = admit(self.ledger, number, serial=f"SN{number}")
        return Whose(attempt.unit, attempt.id, attempt.hardware_id or "", LOT)


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedClouds]:
    with SimulatedClouds(tmp_path_factory.mktemp("clouds")) as simulated:
        yield simulated


@pytest.fixture
def world(tmp_path: Path, clouds: SimulatedClouds, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    clouds.faults.clear()
    for device in clouds.xyte.devices():
        clouds.xyte.delete(device["id"])
    key = (clouds.folder / "xyte-hardware-key").read_text().strip()
    monkeypatch.setenv("XYTE_HARDWARE_KEY", key)
    monkeypatch.setenv("XYTE_PARTNER_KEY", clouds.xyte.partner_key)
    settings: dict[str, Any] = {
        "registration.registers": "station",
        "registration.server": clouds.url,
        "registration.hub": clouds.url,
        "registration.partner_key": "env:XYTE_PARTNER_KEY",
        "registration.domain": "cloud.acme.com",
        "registration.expected_units": 3,
    }
    file = write_product_folder(tmp_path / "product", "xyte", settings=settings)
    with opened(tmp_path) as ledger:
        yield World(clouds, tmp_path, load_product(file), ledger)
        assert ledger.verify() == ()
