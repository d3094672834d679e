"""The server's connections by their client, so that one can be cut without a reply."""

from __future__ import annotations

import asyncio

from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

_Client = tuple[str, int]


class Transports:
    """Which connection belongs to which client. Used on the server's event loop only."""

    def __init__(self) -> None:
        self._open: dict[_Client, asyncio.Transport] = {}

    def cut(self, scope: Scope) -> None:
        """End the connection that a request came by, at once."""
        transport = self._open.get(tuple(scope["client"] or ("", 0)))
        if transport is not None:
            transport.abort()

    def cut_all(self) -> None:
        """End every connection at once: a client that keeps one open would hold up the server's end."""
        for transport in list(self._open.values()):
            transport.abort()

    def protocol(self) -> type[asyncio.Protocol]:
        """The protocol class that notes every connection here."""
        known = self._open

        class Noting(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                if self.client is not None:
                    known[self.client] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                if self.client is not None:
                    known.pop(self.client, None)
                super().connection_lost(exc)

        return Noting
