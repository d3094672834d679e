"""A simulated Xyte for a test: one server per module, and a few words to talk to it."""

from __future__ import annotations

import itertools
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from factory.rehearsal.clouds.server import SimulatedClouds
from factory.rehearsal.clouds.world import Settings

_numbers = itertools.count(1)
Device = dict[str, Any]


@dataclass
class Maker:
    """Talks as a station, a device and the maker's office do."""

    clouds: SimulatedClouds
    http: httpx2.Client = field(init=False)
    model: str = field(init=False)
    key: str = field(init=False)

    def __post_init__(self) -> None:
        context = ssl.create_default_context(cafile=str(self.clouds.ca))
        self.http = httpx2.Client(verify=context, base_url=self.clouds.url, timeout=30)
        self.model = self.clouds.xyte.create_model("Panel")
        self.key = self.clouds.xyte.create_key(self.model)

    def request(self, **changes: Any) -> Device:
        """A good request of a new unit; None takes a field out."""
        number = next(_numbers)
        mac = f"02:00:00:00:{number // 256:02x}:{number % 256:02x}"
        asked = {
            "hardware_key": self.key, "sn": f"A26-{number:06}", "mac": mac, "cloud_id": f"AbCd{number:020}",
            "firmware_version": "1.4.0", "name": f"Panel {number}",
        } | changes  # fmt: skip
        return {name: value for name, value in asked.items() if value is not None}

    def register(self, **changes: Any) -> httpx2.Response:
        return self.http.post("/v1/devices", json=self.request(**changes))

    def device(self, **changes: Any) -> Device:
        """A registered device: the reply with what was asked for."""
        asked = self.request(**changes)
        reply = self.http.post("/v1/devices", json=asked)
        assert reply.status_code == 201, reply.text
        return {**asked, **reply.json()}

    def ask(self, method: str, device: Device, path: str = "", body: object = None) -> httpx2.Response:
        """As the device, with its own key."""
        return self.http.request(
            method, f"/v1/devices/{device['id']}{path}", json=body, headers={"Authorization": device["access_key"]}
        )

    def partner(self, method: str, path: str = "") -> httpx2.Response:
        return self.http.request(
            method, f"/core/v1/partner/devices{path}", headers={"Authorization": self.clouds.xyte.partner_key}
        )

    def refusal(self, **changes: Any) -> tuple[int, str]:
        return told(self.register(**changes))


def told(reply: httpx2.Response) -> tuple[int, str]:
    document = reply.json()
    assert list(document) == ["error"], document
    return reply.status_code, document["error"]


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Maker]:
    with SimulatedClouds(tmp_path_factory.mktemp("xyte"), settings=Settings(slow_seconds=0.3)) as clouds:
        made = Maker(clouds)
        yield made
        made.http.close()


@pytest.fixture(autouse=True)
def _no_faults_left(maker: Maker) -> Iterator[None]:
    yield
    maker.clouds.faults.clear()
