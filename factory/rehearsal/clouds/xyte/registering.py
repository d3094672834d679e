"""Devices come to be: single, in bulk, as children (Xyte reference, sections 2 to 4)."""

from __future__ import annotations

import secrets
import sqlite3
import uuid
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from factory.rehearsal.clouds.faults import CloudFault
from factory.rehearsal.clouds.messages import RefusedError, reply
from factory.rehearsal.clouds.state import Row
from factory.rehearsal.clouds.world import World
from factory.rehearsal.clouds.xyte import fields
from factory.rehearsal.clouds.xyte.answers import INVENTED, Handler, answering, authorized
from factory.rehearsal.clouds.xyte.fields import refused
from factory.rehearsal.clouds.xyte.portal import XytePortal, digest

BULK_LIMIT = 25
_SN_SINCE = 2
_HUB_SINCE = 3
_COLUMNS = (
    "id", "access_key_sha256", "model", "child", "parent", "sn", "mac", "mac_folded", "cloud_id", "name",
    "firmware_version", "sub_model", "host_address", "details", "created",
)  # fmt: skip


class Registering:
    """The provisioning server."""

    def __init__(self, world: World, portal: XytePortal) -> None:
        self._world = world
        self._portal = portal

    def routes(self) -> list[Route]:
        """The routes."""

        def route(path: str, handler: Handler) -> Route:
            return Route(path, answering(handler), methods=["POST"])

        return [
            route("/v1/devices", self._single),
            route("/v1/devices/bulk_create", self._bulk),
            route("/v1/devices/{id}/children", self._child),
        ]

    async def _single(self, request: Request) -> Response:
        document = await fields.object_of(request)
        return reply(201, self._register(document, fields.SINGLE, _hubs(request)))

    async def _bulk(self, request: Request) -> Response:
        """One answer per item, in order. Only the request is documented: the reply is invented."""
        items = await fields.json_of(request)
        if not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
            raise refused(400, "A JSON array of objects is expected")
        if not 0 < len(items) <= BULK_LIMIT:
            raise refused(422, f"1 to {BULK_LIMIT} devices are allowed in one call")
        halved = self._world.faults.take(CloudFault.HALF_REJECTED, request.scope["path"])
        answers = []
        for position, item in enumerate(items):
            named = {name: item[name] for name in ("sn", "cloud_id") if isinstance(item.get(name), str)}
            try:
                if halved and position % 2:
                    raise refused(422, "Device could not be registered")
                answers.append({**named, **self._register(item, fields.BULK, _hubs(request))})
            except RefusedError as error:
                answers.append({**named, **error.document})
        return reply(200, answers, INVENTED)

    async def _child(self, request: Request) -> Response:
        parent = authorized(self._portal, request)
        document = await fields.object_of(request)
        model_id = fields.uuid_of(document.get("model_id"))
        model = self._world.state.row("SELECT * FROM xyte_models WHERE id = ?", model_id)
        if model is None:
            # As documented: JSON that is called plain text.
            return Response(b'{"error":"Model not found"}', 404, media_type="text/plain")
        found = fields.texts_of({name: document[name] for name in document if name != "model_id"}, fields.CHILD)
        fields.check_firmware(found, model["api_version"])
        if parent["child"]:
            raise refused(422, "Parent must be a physical device")
        made, access_key = self._columns(model, found, parent=parent["id"], child=True)
        with self._world.state.write() as db:
            _insert(db, made)
        return reply(201, {"id": made["id"], "access_key": access_key})

    def _register(self, document: Mapping[str, Any], known: frozenset[str], hubs: Mapping[str, str]) -> dict[str, str]:
        """Register one device by its hardware key; returns the reply. Raises RefusedError."""
        given = document.get("hardware_key")
        key = given if isinstance(given, str) and given.isascii() else ""
        with self._world.state.write() as db:
            model = _model_of(db, key)
            if model is None:
                raise refused(400, fields.BAD_KEY)
            found = fields.texts_of({name: document[name] for name in document if name != "hardware_key"}, known)
            self._check(db, model, found)
            made, access_key = self._columns(model, found, parent=found["parent_id"], child=False)
            _insert(db, made)
            db.execute("UPDATE xyte_keys SET used = used + 1 WHERE key = ?", (key,))
        return {
            "id": str(made["id"]),
            "access_key": access_key,
            **(hubs if model["api_version"] >= _HUB_SINCE else {}),
        }

    def _check(self, db: sqlite3.Connection, model: Row, found: dict[str, str | None]) -> None:
        """Raises RefusedError (400, 422) for fields that are missing, wrong or taken."""
        fields.check_firmware(found, model["api_version"])
        by_cloud_id = model["authentication"] == "cloud-id"
        if model["api_version"] >= _SN_SINCE or not by_cloud_id:
            fields.require(found, "sn")
        cloud_id = fields.require(found, "cloud_id") if by_cloud_id else found["cloud_id"]
        if not by_cloud_id:
            fields.require(found, "mac")
        if cloud_id is not None:
            fields.check_cloud_id(cloud_id, self._portal.short_code)
            if _taken(db, "cloud_id = ?", cloud_id):
                raise refused(422, "Cloud id has already been taken")
        if found["sn"] is not None:
            if _taken(db, "model = ? AND sn = ? AND NOT child", model["id"], found["sn"]):
                raise refused(422, "Sn has already been taken")
            if found["mac"] is not None and _taken(
                db, "mac_folded = ? AND sn = ? AND NOT child", found["mac"].lower(), found["sn"]
            ):
                raise refused(422, "Mac has already been taken")  # the rule is documented, the words are assumed
        if found["parent_id"] is not None:
            found["parent_id"] = fields.uuid_of(found["parent_id"])
            if not _taken(db, "id = ? AND NOT child", found["parent_id"]):
                raise refused(422, "Parent must exist")  # assumed

    def _columns(
        self, model: Row, found: Mapping[str, str | None], *, parent: str | None, child: bool
    ) -> tuple[dict[str, object], str]:
        """A new device's line, and its access key in the clear: nobody will see it again."""
        access_key = secrets.token_hex(16)
        mac = found["mac"]
        values: dict[str, object] = {name: found.get(name) for name in _COLUMNS}
        values |= {
            "id": str(uuid.uuid4()), "access_key_sha256": digest(access_key), "model": model["id"], "child": int(child),
            "parent": parent, "mac_folded": mac.lower() if mac is not None else None, "created": self._world.now(),
        }  # fmt: skip
        return values, access_key


def _model_of(db: sqlite3.Connection, key: str) -> Row | None:
    """The model that a hardware key selects, if the key is good for one more device.

    The vendor says neither that the count is enforced nor how a revoked key is answered; here both are refused.
    """
    found = db.execute(
        "SELECT m.* FROM xyte_keys k JOIN xyte_models m ON m.id = k.model"
        " WHERE k.key = ? AND NOT k.revoked AND (k.expected IS NULL OR k.used < k.expected)",
        (key,),
    ).fetchone()
    return dict(found) if found is not None else None


def _taken(db: sqlite3.Connection, condition: str, *values: object) -> bool:
    sql = f"SELECT 1 FROM xyte_devices WHERE deleted IS NULL AND {condition}"  # noqa: S608 - conditions of ours
    return db.execute(sql, values).fetchone() is not None


def _insert(db: sqlite3.Connection, values: Mapping[str, object]) -> None:
    names = ", ".join(_COLUMNS)
    places = ", ".join(f":{name}" for name in _COLUMNS)
    db.execute(f"INSERT INTO xyte_devices ({names}) VALUES ({places})", dict(values))  # noqa: S608 - names of ours


def _hubs(request: Request) -> dict[str, str]:
    """The device's hubs. Another host name than the provisioning server's: nobody shall derive one from the other."""
    port = (request.scope.get("server") or ("", 443))[1]
    return {
        "hub_url": f"https://localhost:{port}",
        "hub_url_static_cert": f"https://localhost:{port}",
        "mqtt_hub_url": "mqtts://mqtt.rehearsal.invalid:8883",
    }
