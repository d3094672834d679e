"""Simulated clouds for a test: one server per module, and a client that signs with openssl's own arithmetic."""

from __future__ import annotations

import base64
import email.utils
import hashlib
import hmac
import itertools
import json
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from factory.rehearsal.clouds.remoteit.portal import Registration, ServiceSpec
from factory.rehearsal.clouds.remoteit.upload import HEADER
from factory.rehearsal.clouds.server import SimulatedClouds
from factory.rehearsal.clouds.world import Settings

BULK = "/apv/v27/bulk/registration"
_numbers = itertools.count(1)


def a_row(hardware_id: str, *, key: str | None = None, name: str | None = None) -> str:
    key = key or f"KEY-{hardware_id}"
    name = name or f"unit {hardware_id}"
    return f"{key},{hardware_id},{name},Cat A,,,,,,,,,"


def a_file(*rows: str) -> bytes:
    return "\n".join((HEADER, *rows)).encode("ascii")


@dataclass
class Talker:
    """Talks to the clouds as the units, the portal's users and the account's clients do."""

    clouds: SimulatedClouds
    http: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        context = ssl.create_default_context(cafile=str(self.clouds.ca))
        self.http = httpx2.Client(verify=context, base_url=self.clouds.url, timeout=30)

    def new_id(self) -> str:
        return f"aabb{next(_numbers):08x}"

    def lot(self, *ids: str, publish: bool = True) -> tuple[str, Registration]:
        """A new product with these units uploaded, and published unless told otherwise."""
        services = [ServiceSpec("ssh", "ssh", 22), ServiceSpec("web", "http", 80)]
        bic = self.clouds.remoteit.create_product("gateway", services)
        registration = self.clouds.remoteit.upload(bic, "lot", a_file(*(a_row(one) for one in ids)))
        if publish:
            registration = self.clouds.remoteit.publish(registration.id)
        return bic, registration

    def post(self, path: str, document: object) -> dict[str, Any]:
        return dict(self.http.post(path, content=json.dumps(document)).json())

    def information(self, bic: str, hwid: str, *, mac: str = "02:00:00:00:00:01", cpu: str = "cpu") -> dict[str, Any]:
        # As the vendor's script pastes it.
        body = (
            f'{{"BulkIdentificationCode" : "{bic}", "HardwareId" : "{hwid}", "MACAddress" : "{mac}",'
            f' "CPUId" : "{cpu}", "OSLabel" : "Linux", "R3Package" : "2.6.40", "TCPServiceList" : "22,80"}}'
        )
        return dict(self.http.post(f"{BULK}/device/information/", content=body).json())

    def friendly(self, bic: str, hwid: str) -> dict[str, Any]:
        return dict(self.http.get(f"{BULK}/device/friendly/configuration/{bic}/{hwid}/").json())

    def register(self, pid: str, hwid: str, key: str | None = None) -> dict[str, Any]:
        key = key or f"KEY-{hwid}"
        body = f'{{"project_id":"{pid}","hardware_id" : "{hwid}", "registration_key" : "{key}"}}'
        return dict(self.http.post(f"{BULK}/register", content=body).json())

    def boot(self, bic: str, hwid: str) -> dict[str, Any]:
        """A unit's whole first boot; gives the reply to the bulk service's registration."""
        self.information(bic, hwid)
        replies = {pid: self.register(pid, hwid) for pid in self.friendly(bic, hwid)["projects"].split(",")}
        ready = {"BulkIdentificationCode": bic, "HardwareId": hwid, "DeviceSecret": replies[bic]["secret"]}
        assert self.post(f"{BULK}/device/ready/", ready)["status"] == "true"
        return replies[bic]

    def signed(
        self, method: str, target: str, body: bytes = b"", *, headers: str | None = None, secret: str | None = None,
        date: str | None = None, sent_body: bytes | None = None, extra: dict[str, str] | None = None,
    ) -> httpx2.Response:  # fmt: skip
        account = self.clouds.account
        values = {
            "host": self.clouds.url.removeprefix("https://"),
            "date": date or email.utils.formatdate(time.time(), usegmt=True),
            "content-type": "application/json",
            "content-length": str(len(body)),
            **(extra or {}),
        }
        listed = headers or "(request-target) host date content-type content-length"
        lines = [
            f"{name}: {method.lower()} {target}" if name == "(request-target)" else f"{name}: {values[name]}"
            for name in listed.split()
        ]
        key = base64.b64decode(secret or account.secret)
        signature = base64.b64encode(hmac.new(key, "\n".join(lines).encode(), hashlib.sha256).digest()).decode()
        authorization = (
            f'Signature keyId="{account.key_id}",algorithm="hmac-sha256",headers="{listed}",signature="{signature}"'
        )
        sent = {name: value for name, value in values.items() if name not in ("host", "content-length")}
        sent |= {"authorization": authorization}
        sent.setdefault("developerkey", account.developer_key)
        return self.http.request(method, target, content=body if sent_body is None else sent_body, headers=sent)

    def rest(self, path: str, document: object) -> dict[str, Any]:
        return dict(self.signed("POST", f"/apv/v27{path}", json.dumps(document).encode()).json())

    def graphql(self, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables or {}}).encode()
        reply = self.signed("POST", "/graphql/v1", body)
        assert reply.status_code == 200, reply.text
        return dict(reply.json())


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talker]:
    folder: Path = tmp_path_factory.mktemp("clouds")
    with SimulatedClouds(folder / "state", settings=Settings(slow_seconds=0.3)) as clouds:
        made = Talker(clouds)
        yield made
        made.http.close()


@pytest.fixture(autouse=True)
def _no_faults_left(talker: Talker) -> Iterator[None]:
    yield
    talker.clouds.faults.clear()
