"""The account side: signed requests, REST and GraphQL, connections (remote.it reference, section 6)."""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from factory.rehearsal.clouds.messages import body_of, object_of, reply, text_of
from factory.rehearsal.clouds.remoteit.device import BASE
from factory.rehearsal.clouds.remoteit.devices import list_all
from factory.rehearsal.clouds.remoteit.graphql import answer
from factory.rehearsal.clouds.remoteit.portal import BULK_TYPE, Portal
from factory.rehearsal.clouds.remoteit.proxy import LATCHING, Connection, Connections, mode_problem
from factory.rehearsal.clouds.remoteit.query import QueryError
from factory.rehearsal.clouds.remoteit.signature import BadSignatureError, verify
from factory.rehearsal.clouds.state import Row
from factory.rehearsal.clouds.world import World

_ADDRESS = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){7}")
_SERVICE = (
    "SELECT s.uid, s.registered, s.target, s.hardware_id, s.name, p.type, p.port, u.online FROM remoteit_services s"
    " JOIN remoteit_projects p ON p.pid = s.pid JOIN remoteit_units u ON u.hardware_id = s.hardware_id"
    " JOIN remoteit_registrations r ON r.id = u.registration WHERE s.uid = ? AND r.state = 'preregistered'"
)
_KEY_HEADERS = ("developerkey", "apikey")
_Handler = Callable[[dict[str, Any]], Awaitable[Response]]


class AccountSide:
    """What a client with credentials asks."""

    def __init__(self, world: World, portal: Portal, connections: Connections) -> None:
        self._world = world
        self._portal = portal
        self._connections = connections

    def routes(self) -> list[Route]:
        """The routes."""

        def rest(path: str, handler: _Handler, method: str) -> Route:
            async def run(request: Request) -> Response:
                return await self._judged(request, handler, developer_key=True)

            return Route(f"{BASE}{path}", run, methods=[method])

        async def graphql(request: Request) -> Response:
            return await self._judged(request, self._graphql, developer_key=False)

        return [
            rest("/device/list/all", self._list, "GET"),
            rest("/device/connect", self._connect, "POST"),
            rest("/device/connect/stop", self._stop, "POST"),
            Route("/graphql/v1", graphql, methods=["POST"]),
        ]

    async def _judged(self, request: Request, handler: _Handler, *, developer_key: bool) -> Response:
        """Let the handler answer if the request is the account's; 401 with the reason if not."""
        body = await body_of(request)
        target = request.scope["raw_path"].decode("latin-1")
        if request.scope["query_string"]:
            target += "?" + request.scope["query_string"].decode("latin-1")
        world = self._world
        try:
            if developer_key:
                given = next((request.headers[name] for name in _KEY_HEADERS if name in request.headers), "")
                if not hmac.compare_digest(given.encode("utf-8"), world.account.developer_key.encode("ascii")):
                    raise BadSignatureError("missing api token")
            verify(
                world.account, request.method, target, request.headers, body,
                now=world.now(), max_skew=world.settings.max_skew,
            )  # fmt: skip
        except BadSignatureError as error:
            return reply(401, {"status": "false", "reason": str(error), "code": "GENERAL_ERROR"})
        document = object_of(body) if body else {}
        if document is None:
            return reply(400, {"status": "false", "reason": "malformed request"})
        self._portal.settle()
        return await handler(document)

    async def _list(self, _: Mapping[str, Any]) -> Response:
        return reply(200, {"status": "true", "devices": list_all(self._world)})

    async def _connect(self, document: dict[str, Any]) -> Response:
        address, hostip = text_of(document, "deviceaddress"), text_of(document, "hostip") or LATCHING
        connection = await self._opened(address, hostip)
        if isinstance(connection, str):
            return reply(200, {"status": "false", "reason": connection})
        return reply(200, {"status": "true", "connectionid": connection.id, "connection": self._shown(connection)})

    async def _stop(self, document: dict[str, Any]) -> Response:
        identifier = text_of(document, "connectionid")
        if not self._connections.close(identifier, text_of(document, "deviceaddress").upper()):
            return reply(401, {"status": "false", "reason": "no such connection"})
        return reply(200, {"status": "true", "connectionid": identifier})

    async def _opened(self, address: str, hostip: str) -> Connection | str:
        """Open a connection, or say why not."""
        if not _ADDRESS.fullmatch(address):
            return "bad device address"
        if mode_problem(hostip):
            return mode_problem(hostip)
        service: Row | None = self._world.state.row(_SERVICE, address.upper())
        if service is None or service["registered"] is None:
            return "[0806] device not found"
        if service["type"] == BULK_TYPE:
            return "[0861] service not found for UID"
        if not service["online"]:
            return "the device is offline"
        return await self._connections.open(service, hostip)

    def _shown(self, connection: Connection) -> dict[str, Any]:
        return {
            "deviceaddress": connection.uid, "expirationsec": str(int(connection.lifetime)), "proxy": connection.url,
            "connectionid": connection.id, "proxyserver": "127.0.0.1", "proxyport": str(connection.port),
            "requestedAt": str(int(connection.opened)), "initiator": self._world.account.email,
        }  # fmt: skip

    async def _graphql(self, document: dict[str, Any]) -> Response:
        mutations = {
            "connect": (self._open_by_graphql, ("serviceId", "hostIP", "type")),
            "disconnect": (self._close_by_graphql, ("connectionId", "serviceId")),
            "renameService": (self._rename, ("serviceId", "name")),
        }
        return reply(200, await answer(self._world, document, mutations))

    async def _open_by_graphql(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        opened = await self._opened(text_of(arguments, "serviceId"), text_of(arguments, "hostIP") or LATCHING)
        if isinstance(opened, str):
            raise QueryError(opened)
        return {
            "id": opened.id, "host": "127.0.0.1", "port": opened.port, "url": opened.url,
            "reverseProxy": opened.reverse, "timeout": int(opened.lifetime), "session": opened.id,
        }  # fmt: skip

    async def _close_by_graphql(self, arguments: Mapping[str, Any]) -> bool:
        if not self._connections.close(text_of(arguments, "connectionId"), text_of(arguments, "serviceId").upper()):
            raise QueryError("no such connection")
        return True

    async def _rename(self, arguments: Mapping[str, Any]) -> bool:
        name = text_of(arguments, "name")
        service = self._world.state.row(_SERVICE, text_of(arguments, "serviceId").upper())
        if service is None or not name.strip():
            raise QueryError("[0806] device not found")
        if service["type"] != BULK_TYPE:
            raise QueryError("this rehearsal renames devices only")
        self._portal.set_unit(service["hardware_id"], name=name)
        return True
