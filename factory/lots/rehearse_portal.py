"""A rehearsal's portal by its address: product, upload, publish, and what the cloud holds of a unit.

The vendor publishes no such interface; every address here is the simulated cloud's own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode

from factory.clouds.errors import CloudReplyDamaged
from factory.clouds.http import Https, Reply
from factory.config import BulkRegistration, Product
from factory.errors import Exit, FactoryError

_TYPES = frozenset(("tcp", "ssh", "http", "https", "vnc", "rdp"))
_BASE = "/rehearsal/portal"
_LOOK_EVERY = 0.5
_SHOWN = 10


class UploadRefused(FactoryError):  # noqa: N818 - reads as what happened
    """The simulated portal did not take an upload file."""

    code = "rehearse.upload"
    exit_code = Exit.FAILED


@dataclass(frozen=True, slots=True)
class CloudUnit:
    """What the cloud holds of a unit; keys and secrets as SHA-256. `services` have address and secret by project id,
    None for a service that was never registered; `names` are the registered services' names.
    """

    hardware_id: str
    name: str
    code: str
    online: bool
    cloned: bool
    key_sha256: str
    services: Mapping[str, tuple[str, str] | None]
    names: frozenset[str]


class RehearsalPortal:
    """The portal at `server`, with the throw-away CA that its certificate is signed by."""

    def __init__(self, server: str, ca: Path) -> None:
        self._https = Https(server, ca=ca)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._https.close()

    def make_product(self, product: Product) -> None:
        """Let the portal have this product; one with its code may be there already. Raises FactoryError."""
        registration = product.registration
        assert isinstance(registration, BulkRegistration)
        services = [
            {"name": one.name, "type": one.type.lower() if one.type.lower() in _TYPES else "tcp", "port": one.port}
            for one in registration.services
        ]
        code = registration.bulk_identification_code
        reply = self._post("/products", {"name": product.product.name, "services": services, "bic": code})
        if reply.status != 409:
            _require(reply, 201, "the product", "rehearse.product")

    def upload(self, product: Product, name: str, content: bytes) -> str:
        """Upload one file and publish it; returns the registration's id. Raises UploadRefused with every reason."""
        registration = product.registration
        assert isinstance(registration, BulkRegistration)
        asked = urlencode({"product": registration.bulk_identification_code, "name": name})
        path = f"{_BASE}/registrations?{asked}"
        found = _require(self._https.once("POST", path, body=content, headers={"content-type": "text/csv"}), 201, name)
        key = str(found["id"])
        _require(self._post(f"/registrations/{quote(key)}/publish", {"confirm": True}), 200, name)
        return key

    def await_published(self, registration: str, within: float = 600.0) -> None:
        """Wait until a registration is preregistered. Raises UploadRefused after `within` seconds."""
        until = time.monotonic() + within
        while (state := self.registration(registration)["state"]) != "preregistered":
            if time.monotonic() > until:
                raise UploadRefused(
                    f"{registration} is still {state}", hint="Publish with a shorter --publish-seconds."
                )
            time.sleep(_LOOK_EVERY)  # the portal tells nobody when it is done

    def registration(self, registration: str) -> Mapping[str, Any]:
        """One registration with its units. Raises FactoryError."""
        reply = self._https.once("GET", f"{_BASE}/registrations/{quote(registration)}")
        return _require(reply, 200, f"registration {registration}")

    def unit(self, hardware_id: str) -> CloudUnit | None:
        """What the cloud holds of a unit, None of one that it does not know. Raises FactoryError."""
        reply = self._https.once("GET", f"{_BASE}/units/{quote(hardware_id, safe='')}")
        if reply.status == 404:
            return None
        found = _require(reply, 200, hardware_id)
        try:
            return _unit(found)
        except (KeyError, TypeError) as error:
            raise CloudReplyDamaged(
                f"the simulated cloud's answer about {hardware_id} lacks {error}", hint="Is it of the same version?"
            ) from error

    def _post(self, path: str, document: Mapping[str, object]) -> Reply:
        body = json.dumps(document).encode("utf-8")
        return self._https.once("POST", _BASE + path, body=body, headers={"content-type": "application/json"})


def _unit(found: Mapping[str, Any]) -> CloudUnit:
    bulk = (str(found["uid"]), str(found["secret_sha256"])) if found["registered"] else None
    services: dict[str, tuple[str, str] | None] = {str(found["bic"]): bulk}
    for one in found["services"]:
        services[str(one["pid"])] = (str(one["uid"]), str(one["secret_sha256"])) if one["registered"] else None
    return CloudUnit(
        str(found["hardware_id"]), str(found["name"]), str(found["bic"]), found["online"] is True,
        found["cloned"] is True, str(found["registration_key_sha256"]), services,
        frozenset(str(one["name"]) for one in found["services"] if one["registered"]),
    )  # fmt: skip


def _require(reply: Reply, status: int, what: str, code: str = "rehearse.upload") -> Mapping[str, Any]:
    found = reply.json()
    if reply.status != status or not isinstance(found, dict):
        problems = found.get("problems", []) if isinstance(found, dict) else []
        lines = [f"\n  row {one['row']}, {one['column']}: {one['reason']}" for one in problems[:_SHOWN]]
        more = f"\n  and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise UploadRefused(
            f"the simulated portal refused {what} (HTTP {reply.status}){':' if lines else ''}{''.join(lines)}{more}",
            hint="The portal's rules are in docs/rehearsal.md. Rows count from 1, which is the header.",
            code=code,
        )
    return found
