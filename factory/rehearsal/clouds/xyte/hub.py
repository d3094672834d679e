"""The device hub: what a device asks with its own key (Xyte reference, sections 4.1, 8 and 9)."""

from __future__ import annotations

import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from factory.rehearsal.clouds.messages import RefusedError, reply
from factory.rehearsal.clouds.state import Row
from factory.rehearsal.clouds.world import World
from factory.rehearsal.clouds.xyte import fields, telemetry
from factory.rehearsal.clouds.xyte.answers import INVENTED, Handler, answering, authorized
from factory.rehearsal.clouds.xyte.fields import refused
from factory.rehearsal.clouds.xyte.portal import XytePortal

_SCOPED_CONFIG_SINCE = 5
_STRICT_UPDATE_SINCE = 6
_DEVICE_ID_SINCE = 7
_UPDATES = 10
_HOUR = 3600.0
_LICENSE_STATES = ("inuse", "removed", "error")


class Hub:
    """Telemetry, information, configuration, licences, children, an end."""

    def __init__(self, world: World, portal: XytePortal) -> None:
        self._world = world
        self._portal = portal

    def routes(self) -> list[Route]:
        """The routes."""

        def route(method: str, path: str, handler: Handler) -> Route:
            return Route(f"/v1/devices/{{id}}{path}", answering(handler), methods=[method])

        return [
            route("POST", "/telemetry", self._telemetry),
            route("GET", "", self._info),
            route("PUT", "", self._update),
            route("DELETE", "", self._delete),
            route("GET", "/config", self._config),
            route("GET", "/licenses", self._licenses),
            route("POST", "/licenses", self._license_state),
            route("GET", "/children", self._children),
            route("POST", "/children/telemetries", self._children_telemetry),
        ]

    async def _telemetry(self, request: Request) -> Response:
        device = authorized(self._portal, request)
        message = telemetry.check(await fields.json_of(request, telemetry.LIMIT))
        answer = telemetry.keep(self._world, device, message)
        return reply(201, {**answer, **_named(device)})

    async def _info(self, request: Request) -> Response:
        """Who it is. Documented of this call alone: 400 where the others say 401."""
        device = authorized(self._portal, request, otherwise=400)
        return reply(200, information(device))

    async def _update(self, request: Request) -> Response:
        device = authorized(self._portal, request)
        document = await fields.object_of(request)
        unknown = document.keys() - fields.UPDATE - fields.SEEN_VERSIONS
        if unknown and device["api_version"] >= _STRICT_UPDATE_SINCE:
            raise refused(400, "Unknown fields")
        given = {name: document[name] for name in document if name in fields.UPDATE}
        found = fields.texts_of(given, fields.UPDATE)
        if "firmware_version" in given:
            fields.check_firmware(found, device["api_version"])
        self._keep_update(device["id"], {name: found[name] for name in given})
        changed = self._portal.device(device["id"])
        return reply(200, {**information(changed), "details": changed["details"], "test": False})

    def _keep_update(self, device: str, values: dict[str, str | None]) -> None:
        """Raises RefusedError: 429 at the eleventh update of an hour, 422 for a parent that is none."""
        now = self._world.now()
        with self._world.state.write() as db:
            recent = db.execute("SELECT count(*) FROM xyte_updates WHERE device = ? AND at > ?", (device, now - _HOUR))
            if recent.fetchone()[0] >= _UPDATES:
                raise refused(429, "Too many requests")  # the text is assumed
            named = values.pop("parent_id", None)
            if named is not None:
                parent = fields.uuid_of(named)
                held = "SELECT 1 FROM xyte_devices WHERE id = ? AND id <> ? AND NOT child AND deleted IS NULL"
                if db.execute(held, (parent, device)).fetchone() is None:
                    raise refused(422, "Parent must exist")
                db.execute("UPDATE xyte_devices SET parent = ? WHERE id = ?", (parent, device))
            for name, value in values.items():  # names of ours: texts_of knows no other
                db.execute(f"UPDATE xyte_devices SET {name} = ? WHERE id = ?", (value, device))  # noqa: S608
            db.execute("INSERT INTO xyte_updates VALUES (?, ?)", (device, now))

    async def _delete(self, request: Request) -> Response:
        self._portal.delete(authorized(self._portal, request)["id"])
        return reply(200, {"success": True}, INVENTED)

    async def _config(self, request: Request) -> Response:
        device = authorized(self._portal, request)
        known = {"version": device["config_version"], "last_updated": _moment(device["config_updated"])}
        if device["api_version"] < _SCOPED_CONFIG_SINCE:
            return reply(200, {**device["config"], **known})
        return reply(200, {"name": "default", **known, "config": device["config"], **_named(device)})

    async def _licenses(self, request: Request) -> Response:
        device = authorized(self._portal, request)
        return reply(200, [{**one, **_named(device)} for one in device["licenses"]])

    async def _license_state(self, request: Request) -> Response:
        device = authorized(self._portal, request)
        document = await fields.object_of(request)
        if document.get("state") not in _LICENSE_STATES:
            raise refused(403, "Only allowed to set: inuse/removed/error")
        licenses = [dict(one) for one in device["licenses"]]
        named = [one for one in licenses if one.get("id") == document.get("id") is not None]
        if not named:
            raise refused(404, "License not found")
        named[0]["state"] = document["state"]
        self._portal.set_device(device["id"], licenses=licenses)
        return reply(200, {"success": True}, INVENTED)

    async def _children(self, request: Request) -> Response:
        parent = authorized(self._portal, request)
        return reply(200, [_child(one) for one in self._portal.children(parent["id"])])

    async def _children_telemetry(self, request: Request) -> Response:
        """One answer per child; where one child's message is wrong, none is kept (assumed)."""
        parent = authorized(self._portal, request)
        messages = await fields.object_of(request, telemetry.LIMIT)
        known = {one["id"]: one for one in self._portal.children(parent["id"])}
        wrong: dict[str, dict[str, Any]] = {}
        for name, message in messages.items():
            try:
                if name not in known:
                    raise refused(404, "Device not found")
                telemetry.check(message)
            except RefusedError as error:
                wrong[name] = dict(error.document)
        if wrong:
            return reply(422, wrong)
        return reply(200, {name: telemetry.keep(self._world, known[name], one) for name, one in messages.items()})


def information(device: Row) -> dict[str, Any]:
    """A device as Get Device Info gives it; `claimed` is null until somebody owns it, and the cloud id is not in it."""
    return {
        "id": device["id"],
        "partner": {
            "sn": device["sn"], "mac": device["mac"], "vendor": device["vendor"], "model": device["model_name"],
        },
        "config": {
            **device["config"], "version": device["config_version"], "last_updated": _moment(device["config_updated"]),
        },
        "state": {"status": "offline", **device["state"]}, "last_seen": _moment(device["seen"]), "custom": {},
        "name": device["name"], "firmware_version": device["firmware_version"], "claimed": device["claimed"],
    }  # fmt: skip


def _child(device: Row) -> dict[str, Any]:
    return {
        **{name: device[name] for name in ("id", "sn", "mac", "name", "firmware_version", "claimed", "details")},
        "state": {"status": "offline", **device["state"]}, "last_seen": _moment(device["seen"]),
        "vendor": device["vendor"], "model": device["model_name"],
    }  # fmt: skip


def _named(device: Row) -> dict[str, str]:
    return {"device_id": device["id"]} if device["api_version"] >= _DEVICE_ID_SINCE else {}


def _moment(seconds: float | None) -> str | None:
    """ISO 8601 with milliseconds, UTC."""
    if seconds is None:
        return None
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="milliseconds")
