"""The portal over HTTP. The vendor publishes no such interface: every address here is invented for the rehearsal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from factory.rehearsal.clouds.messages import RefusedError, body_of, object_of, reply, text_of
from factory.rehearsal.clouds.remoteit.portal import Portal, PortalRefusedError, Registration, ServiceSpec

_BASE = "/rehearsal/portal"
_MOST_UPLOADED = 4 * 1024 * 1024
_Handler = Callable[[Request], Awaitable[Response]]


class PortalRoutes:
    """Products, registrations and devices as JSON."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal

    def routes(self) -> list[Route]:
        """The routes."""

        def route(path: str, method: str, handler: _Handler) -> Route:
            async def run(request: Request) -> Response:
                try:
                    return await handler(request)
                except PortalRefusedError as error:
                    return reply(error.status, {"problems": [asdict(problem) for problem in error.problems]})

            return Route(f"{_BASE}{path}", run, methods=[method])

        return [
            route("/products", "GET", self._products),
            route("/products", "POST", self._create),
            route("/registrations", "GET", self._registrations),
            route("/registrations", "POST", self._upload),
            route("/registrations/{id}", "GET", self._registration),
            route("/registrations/{id}", "DELETE", self._delete),
            route("/registrations/{id}/publish", "POST", self._publish),
            route("/units/{hwid}", "GET", self._unit),
            route("/units/{hwid}", "PATCH", self._change),
        ]

    async def _products(self, _: Request) -> Response:
        return reply(200, {"products": self._portal.products()})

    async def _create(self, request: Request) -> Response:
        document = await _document(request)
        services = document.get("services", [])
        if not isinstance(services, list) or not all(isinstance(one, dict) for one in services):
            raise RefusedError(422, {"reason": "services is a list of objects"})
        specs = [
            ServiceSpec(
                text_of(one, "name"), text_of(one, "type"), _number(one.get("port")), _yes(one.get("enabled", True))
            )
            for one in services
        ]
        bic = self._portal.create_product(text_of(document, "name"), specs, text_of(document, "bic") or None)
        return reply(201, next(one for one in self._portal.products() if one["bic"] == bic))

    async def _registrations(self, _: Request) -> Response:
        return reply(200, {"registrations": [_shown(one) for one in self._portal.registrations()]})

    async def _upload(self, request: Request) -> Response:
        content = await body_of(request, _MOST_UPLOADED)
        asked = request.query_params
        return reply(201, _shown(self._portal.upload(asked.get("product", ""), asked.get("name", ""), content)))

    async def _registration(self, request: Request) -> Response:
        found = self._portal.registration(request.path_params["id"])
        units = [
            {"hardware_id": one["hardware_id"], "name": one["name"], "registered": bool(one["registered"]),
             "online": bool(one["online"]), "cloned": bool(one["cloned"])}
            for one in self._portal.units(found.id)
        ]  # fmt: skip
        return reply(200, {**_shown(found), "units": units})

    async def _publish(self, request: Request) -> Response:
        document = await _document(request)
        if document.get("confirm") is not True:
            raise RefusedError(422, {"reason": 'publishing wants {"confirm":true}'})
        return reply(200, _shown(self._portal.publish(request.path_params["id"])))

    async def _delete(self, request: Request) -> Response:
        self._portal.delete(request.path_params["id"])
        return reply(200, {"deleted": request.path_params["id"]})

    async def _unit(self, request: Request) -> Response:
        return reply(200, self._portal.unit(request.path_params["hwid"]))

    async def _change(self, request: Request) -> Response:
        document = await _document(request)
        hardware_id, targets = request.path_params["hwid"], document.get("targets", {})
        flags = {name: _yes(document[name]) for name in ("online", "cloned") if name in document}
        if not isinstance(targets, dict):
            raise RefusedError(422, {"reason": "targets is an object of service names and HOST:PORT"})
        self._portal.set_unit(hardware_id, **flags, name=text_of(document, "name") or None)
        for service in targets:
            self._portal.set_target(hardware_id, service, text_of(targets, service))
        return await self._unit(request)


async def _document(request: Request) -> dict[str, Any]:
    document = object_of(await body_of(request))
    if document is None:
        raise RefusedError(400, {"reason": "the body is no JSON object"})
    return document


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _yes(value: object) -> bool:
    if not isinstance(value, bool):
        raise RefusedError(422, {"reason": "a switch is true or false"})
    return value


def _shown(registration: Registration) -> dict[str, Any]:
    shown = asdict(registration)
    if not shown["rejected"]:
        del shown["rejected"]
    return shown
