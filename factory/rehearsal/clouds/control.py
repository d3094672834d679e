"""Controls of the simulated clouds that no real cloud has: faults and counters. Invented for the rehearsal."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from factory.rehearsal.clouds.faults import CloudFault, Faults
from factory.rehearsal.clouds.messages import body_of, object_of, reply, text_of
from factory.rehearsal.clouds.middleware import Counters

_MOST = 1_000_000


class Controls:
    """`/rehearsal/faults` and `/rehearsal/counters`."""

    def __init__(self, faults: Faults, counters: Counters) -> None:
        self._faults = faults
        self._counters = counters

    def routes(self) -> list[Route]:
        """The routes."""
        return [
            Route("/rehearsal/faults", self._set, methods=["POST"]),
            Route("/rehearsal/faults", self._clear, methods=["DELETE"]),
            Route("/rehearsal/faults", self._left, methods=["GET"]),
            Route("/rehearsal/counters", self._count, methods=["GET"]),
        ]

    async def _set(self, request: Request) -> Response:
        document = object_of(await body_of(request)) or {}
        name, count = text_of(document, "name"), document.get("count", 1)
        if name not in set(CloudFault):
            return reply(422, {"reason": f"there is no such fault; there are: {', '.join(CloudFault)}"})
        if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= _MOST:
            return reply(422, {"reason": f"count is a number of 0 to {_MOST}"})
        self._faults.set(CloudFault(name), count, text_of(document, "path"))
        return await self._left(request)

    async def _clear(self, request: Request) -> Response:
        self._faults.clear()
        return await self._left(request)

    async def _left(self, _: Request) -> Response:
        left = [{"name": one.fault, "count": one.count, "path": one.path} for one in self._faults.left()]
        return reply(200, {"faults": left, "known": {fault: fault.help for fault in CloudFault}})

    async def _count(self, _: Request) -> Response:
        return reply(200, {"requests": self._counters.all(), "faults": self._faults.struck()})
