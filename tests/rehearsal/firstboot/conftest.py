"""Simulated clouds with a published lot, and units to boot."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from factory.rehearsal.clouds.remoteit.portal import ServiceSpec
from factory.rehearsal.clouds.server import SimulatedClouds
from tests.rehearsal.clouds.conftest import a_file, a_row

PACKAGE = Path(__file__).parent / "connectd"
MAC = "02:00:00:00:00:01"
_numbers = itertools.count(1)


@dataclass
class Shop:
    """The clouds, a product in them, and a folder for units' roots."""

    clouds: SimulatedClouds
    code: str
    folder: Path

    def publish(self, *ids: str) -> None:
        portal = self.clouds.remoteit
        portal.publish(portal.upload(self.code, "lot", a_file(*(a_row(one) for one in ids))).id)

    def new_id(self, *, publish: bool = True) -> str:
        hardware_id = f"aadd{next(_numbers):08x}"
        if publish:
            self.publish(hardware_id)
        return hardware_id

    def unit(self, hardware_id: str, /, **files: bytes | None) -> Path:
        """A root with connectd's three files; others by name without `.txt`, None for one that is not there."""
        root = self.folder / f"unit{next(_numbers)}"
        top = root / "etc" / "connectd"
        top.mkdir(parents=True)
        contents: dict[str, bytes | None] = {
            "bulk_identification_code": f"{self.code}\n".encode(),
            "hardware_id": f"{hardware_id}\n".encode(),
            "registration_key": f"KEY-{hardware_id}\n".encode(),
        }
        for name, content in {**contents, **files}.items():
            if content is not None:
                (top / f"{name}.txt").write_bytes(content)
        return root


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedClouds]:
    with SimulatedClouds(tmp_path_factory.mktemp("clouds") / "state") as running:
        yield running


@pytest.fixture
def shop(clouds: SimulatedClouds, tmp_path: Path) -> Iterator[Shop]:
    services = [ServiceSpec("ssh", "ssh", 22), ServiceSpec("off", "tcp", 99, enabled=False)]
    yield Shop(clouds, clouds.remoteit.create_product("gateway", services), tmp_path)
    clouds.faults.clear()
