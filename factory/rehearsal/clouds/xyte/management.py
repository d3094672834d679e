"""The maker's management API, and the rehearsal's own controls.

Of the management API the addresses are documented and the replies are not; the controls are invented altogether.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from factory.rehearsal.clouds.messages import reply
from factory.rehearsal.clouds.state import Row
from factory.rehearsal.clouds.xyte import fields
from factory.rehearsal.clouds.xyte.answers import INVENTED, Handler, answering, partner_only
from factory.rehearsal.clouds.xyte.fields import refused
from factory.rehearsal.clouds.xyte.portal import XytePortal

_PARTNER = "/core/v1/partner/devices"
_CONTROL = "/rehearsal/xyte"
_PAGE = 100
_MOST = 10_000_000


class Management:
    """Devices for whoever has the partner key; models and keys for whoever practises."""

    def __init__(self, portal: XytePortal) -> None:
        self._portal = portal

    def routes(self) -> list[Route]:
        """The routes."""

        def route(method: str, path: str, handler: Handler) -> Route:
            return Route(path, answering(handler), methods=[method])

        return [
            route("GET", _PARTNER, self._list),
            route("GET", f"{_PARTNER}/{{id}}", self._one),
            route("DELETE", f"{_PARTNER}/{{id}}", self._delete),
            route("GET", f"{_CONTROL}/models", self._models),
            route("POST", f"{_CONTROL}/models", self._create_model),
            route("POST", f"{_CONTROL}/models/{{id}}/keys", self._create_key),
            route("DELETE", f"{_CONTROL}/keys/{{key}}", self._revoke_key),
            route("GET", f"{_CONTROL}/devices", self._devices),
            route("PATCH", f"{_CONTROL}/devices/{{id}}", self._change),
            route("DELETE", f"{_CONTROL}/devices/{{id}}", self._drop),
        ]

    async def _list(self, request: Request) -> Response:
        partner_only(self._portal, request)
        page = _count(request.query_params.get("page", "1"), "page")
        most = min(_count(request.query_params.get("per_page", str(_PAGE)), "per_page"), _PAGE)
        found = self._portal.devices((page - 1) * most, most + 1)
        items = [_shown(one) for one in found[:most]]
        return reply(200, {"items": items, "next_page": page + 1 if len(found) > most else None}, INVENTED)

    async def _one(self, request: Request) -> Response:
        partner_only(self._portal, request)
        return reply(200, _shown(self._portal.device(request.path_params["id"])), INVENTED)

    async def _delete(self, request: Request) -> Response:
        partner_only(self._portal, request)
        self._portal.delete(request.path_params["id"])
        return reply(200, {"success": True}, INVENTED)

    async def _models(self, _: Request) -> Response:
        return reply(200, {"short_code": self._portal.short_code, "models": self._portal.models()})

    async def _create_model(self, request: Request) -> Response:
        document = await fields.object_of(request)
        texts = {name: document[name] for name in ("authentication", "vendor", "api_version") if name in document}
        name = document.get("name")
        if not isinstance(name, str) or not all(
            isinstance(one, str) and _sound(one) for one in (name, *texts.values())
        ):
            raise refused(422, "a model has a name, and all of it is text")
        model = self._portal.create_model(name, **texts)
        return reply(201, next(one for one in self._portal.models() if one["id"] == model))

    async def _create_key(self, request: Request) -> Response:
        expected = (await fields.object_of(request)).get("expected")
        if expected is not None and (type(expected) is not int or not 0 < expected <= _MOST):
            raise refused(422, f"expected is a number of 1 to {_MOST}, or missing")
        return reply(201, {"key": self._portal.create_key(request.path_params["id"], expected), "expected": expected})

    async def _revoke_key(self, request: Request) -> Response:
        self._portal.revoke_key(request.path_params["key"])
        return reply(200, {"revoked": True})

    async def _devices(self, _: Request) -> Response:
        return reply(200, {"devices": self._portal.devices()})

    async def _change(self, request: Request) -> Response:
        document = await fields.object_of(request)
        changes: dict[str, Any] = {}
        for name in ("claimed", "latest_firmware"):
            if name in document:
                value = document[name]
                if value is not None and not (isinstance(value, str) and _sound(value)):
                    raise refused(422, f"{name} is a text or null")
                changes[name] = value
        if isinstance(document.get("config"), dict):
            changes["config"] = document["config"]
        listed = document.get("licenses")
        if isinstance(listed, list) and all(isinstance(one, dict) for one in listed):
            changes["licenses"] = listed
        if document.keys() - changes.keys():
            raise refused(422, "claimed, latest_firmware (texts), config (object), licenses (objects) and no more")
        return reply(200, self._portal.set_device(request.path_params["id"], **changes))

    async def _drop(self, request: Request) -> Response:
        self._portal.delete(request.path_params["id"])
        return reply(200, {"success": True})


def _shown(device: Row) -> dict[str, Any]:
    return {
        **{name: device[name] for name in ("id", "name", "sn", "mac", "cloud_id", "firmware_version", "claimed")},
        "status": device["state"].get("status", "offline"), "parent_id": device["parent"],
        "model": {"id": device["model"], "name": device["model_name"], "sub_model": device["sub_model"]},
    }  # fmt: skip


def _count(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and int(text) > 0):
        raise refused(422, f"{name.capitalize()} is invalid")
    return int(text)


def _sound(text: str) -> bool:
    return len(text) <= 255 and text.isprintable()
