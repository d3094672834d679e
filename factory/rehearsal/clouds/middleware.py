"""What stands before every endpoint: who may ask, the cloud's clock, and the faults that were ordered."""

from __future__ import annotations

import asyncio
import collections
import email.utils
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from factory.rehearsal.clouds.faults import CloudFault
from factory.rehearsal.clouds.messages import reply
from factory.rehearsal.clouds.state import noting_commits
from factory.rehearsal.clouds.world import WRONG_BY, World, skew

CONTROL = "/rehearsal/"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_HTML = "<!doctype html><html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_SAFE_HEADERS = (
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
)
Cut = Callable[[Scope], None]


class Counters:
    """How often each route was asked. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: collections.Counter[str] = collections.Counter()

    def add(self, scope: Scope) -> None:
        """Count a request under its route, the values in the path replaced by their names."""
        path = str(scope["path"]) if "endpoint" in scope else "(unknown)"
        for name, value in scope.get("path_params", {}).items():
            path = path.replace(f"/{value}", f"/{{{name}}}", 1)
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        with self._lock:
            self._counts[f"{method} {path}"] += 1

    def all(self) -> dict[str, int]:
        """The counts."""
        with self._lock:
            return dict(self._counts)


class Front:
    """The outermost part of the application. `cut` ends the connection of a request without a reply."""

    def __init__(self, app: ASGIApp, world: World, counters: Counters, cut: Cut) -> None:
        self._app = app
        self._world = world
        self._counters = counters
        self._cut = cut

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        ours = path == "/" or path.startswith(CONTROL)
        if ours and not _from_here(Headers(scope=scope)):
            await PlainTextResponse("only for pages and programs of this machine\n", 403)(scope, receive, send)
            return
        wrong = not ours and self._world.faults.take(CloudFault.WRONG_CLOCK, path)
        token = skew.set(WRONG_BY if wrong else 0.0)
        try:
            dated = self._dated(scope, send)
            if ours:
                await self._app(scope, receive, dated)
            else:
                await self._struck(scope, receive, dated)
        finally:
            skew.reset(token)

    async def _struck(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of a cloud, with the faults that were ordered for it."""
        path, faults = scope["path"], self._world.faults
        if faults.take(CloudFault.SLOW, path):
            await asyncio.sleep(self._world.settings.slow_seconds)
        instead: Response | None = None
        if faults.take(CloudFault.THROTTLED, path):
            instead = reply(429, {"message": "API usage has been throttled"}, {"Retry-After": "1"})
        elif faults.take(CloudFault.HTML_ERROR, path):
            instead = HTMLResponse(_HTML, 502)
        elif faults.take(CloudFault.GARBAGE, path):
            instead = Response(b'{"status": tru', 200, media_type="application/json")
        if instead is not None:
            await instead(scope, receive, send)
            return
        kept: list[Message] = []

        async def keep(message: Message) -> None:
            kept.append(message)

        with noting_commits() as committed:
            await self._app(scope, receive, keep)
        if committed and faults.take(CloudFault.LOST_REPLY, path):
            self._counters.add(scope)
            self._cut(scope)
            return
        if committed and faults.take(CloudFault.ERROR_AFTER_COMMIT, path):
            await reply(500, {"message": "Internal server error"})(scope, receive, send)
            return
        for message in kept:
            await send(message)

    def _dated(self, scope: Scope, send: Send) -> Send:
        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._counters.add(scope)  # before the reply leaves: who has it may ask for the count
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                headers["date"] = email.utils.formatdate(self._world.now(), usegmt=True)
                for name, value in _SAFE_HEADERS:
                    headers.setdefault(name, value)
            await send(message)

        return dated


def _from_here(headers: Headers) -> bool:
    """Whether a request is this machine's own: a page of another site must not reach the controls through a browser."""
    host = headers.get("host", "")
    origin = headers.get("origin")
    try:
        named = urlsplit(f"//{host}").hostname
        same = origin is None or urlsplit(origin).netloc == host
    except ValueError:
        return False
    return named in _LOOPBACK and same and headers.get("sec-fetch-site", "none") in ("none", "same-origin")
