"""The application that the server runs: every cloud's routes, the page, the controls."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp

from factory.rehearsal.clouds.control import Controls
from factory.rehearsal.clouds.messages import RefusedError, reply
from factory.rehearsal.clouds.middleware import Counters, Cut, Front
from factory.rehearsal.clouds.page import page
from factory.rehearsal.clouds.parts import Parts
from factory.rehearsal.clouds.world import World


def application(world: World, parts: Parts, counters: Counters, cut: Cut) -> ASGIApp:
    """Return the ASGI application."""

    async def show(_: Request) -> Response:
        return page([part.page() for part in parts.all()])

    async def refused(_: Request, error: Exception) -> Response:
        if isinstance(error, RefusedError):
            return reply(error.status, error.document)
        assert isinstance(error, HTTPException)
        return reply(error.status_code, {"status": "false", "reason": "no such address or method"}, error.headers)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        for part in parts.all():
            await part.shutdown()

    routes: list[BaseRoute] = [Route("/", show, methods=["GET"]), *Controls(world.faults, counters).routes()]
    for part in parts.all():
        routes += part.routes()
    app = Starlette(
        routes=routes, lifespan=lifespan, exception_handlers={HTTPException: refused, RefusedError: refused}
    )
    # The units' programs follow no redirect, and the real address has its slash or has it not.
    router: Router = app.router
    router.redirect_slashes = False
    return Front(app, world, counters, cut)
