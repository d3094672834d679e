"""A simulated cloud with a published lot, and the client that is tested against it."""

from __future__ import annotations

import contextlib
import itertools
import json
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from factory.clouds.remoteit.account import RemoteItAccount
from factory.clouds.remoteit.credentials import Credentials, load_credentials
from factory.rehearsal.clouds.remoteit.portal import ServiceSpec
from factory.rehearsal.clouds.remoteit.upload import HEADER
from factory.rehearsal.clouds.server import SimulatedClouds
from factory.rehearsal.clouds.world import Settings

SERVICES = (ServiceSpec("ssh", "ssh", 22), ServiceSpec("web", "http", 80))
_BULK = "/apv/v27/bulk/registration"
_numbers = itertools.count(1)


@dataclass
class World:
    """Simulated clouds as a test uses them."""

    clouds: SimulatedClouds
    slept: list[float]

    @property
    def credentials(self) -> Credentials:
        return load_credentials(self.clouds.credentials)

    def account(self, credentials: Credentials | None = None, **settings: Any) -> RemoteItAccount:
        settings = {"server": self.clouds.url, "ca": self.clouds.ca, "sleep": self.slept.append, **settings}
        return RemoteItAccount.open(credentials or self.credentials, **settings)

    def publish(
        self, *ids: str, names: Sequence[str] = (), bic: str | None = None, services: Sequence[ServiceSpec] = SERVICES
    ) -> str:
        """A published lot of a new product; returns its bulk identification code."""
        code = self.clouds.remoteit.create_product("gateway", list(services), bic)
        named = names or [f"unit {one}" for one in ids]
        rows = [f"KEY-{one},{one},{name},,,,,,,,,," for one, name in zip(ids, named, strict=True)]
        registration = self.clouds.remoteit.upload(code, "lot", "\n".join((HEADER, *rows)).encode("ascii"))
        self.clouds.remoteit.publish(registration.id)
        return code

    def new_ids(self, count: int) -> list[str]:
        return [f"aacc{next(_numbers):08x}" for _ in range(count)]

    def boot(self, code: str, hwid: str, *, key: str | None = None) -> None:
        """A unit's first boot, in as few words as the cloud takes."""
        with httpx2.Client(
            base_url=self.clouds.url, verify=ssl.create_default_context(cafile=str(self.clouds.ca)), trust_env=False
        ) as http:

            def post(path: str, document: dict[str, str]) -> dict[str, Any]:
                return dict(http.post(_BULK + path, content=json.dumps(document)).json())

            about = {"BulkIdentificationCode": code, "HardwareId": hwid, "MACAddress": "02:00:00:00:00:01"}
            more = {"CPUId": "cpu", "OSLabel": "Linux", "R3Package": "2.6.40", "TCPServiceList": "22"}
            post("/device/information/", about | more)
            projects = http.get(f"{_BULK}/device/friendly/configuration/{code}/{hwid}/").json()["projects"]
            secret = ""
            for pid in projects.split(","):
                asked = {"project_id": pid, "hardware_id": hwid, "registration_key": key or f"KEY-{hwid}"}
                answer = post("/register", asked)
                assert answer["status"] == "true", answer
                secret = answer["secret"] if pid == code else secret
            ready = {"BulkIdentificationCode": code, "HardwareId": hwid, "DeviceSecret": secret}
            assert post("/device/ready/", ready)["status"] == "true"


@pytest.fixture(scope="module")
def _clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedClouds]:
    settings = Settings(slow_seconds=2.0, connection_seconds=600)
    with SimulatedClouds(tmp_path_factory.mktemp("clouds") / "state", settings=settings) as clouds:
        yield clouds


@pytest.fixture
def world(_clouds: SimulatedClouds, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name in ("R3_ACCESS_KEY_ID", "R3_SECRET_ACCESS_KEY", "R3_DEVELOPER_API_KEY", "FACTORY_REMOTEIT_URL"):
        monkeypatch.delenv(name, raising=False)
    with contextlib.ExitStack() as stack:
        stack.callback(_clouds.faults.clear)
        yield World(_clouds, [])


@pytest.fixture(scope="module")
def certificate_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("raw")
