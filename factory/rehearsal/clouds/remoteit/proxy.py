"""Connections that really forward: a listening port per connection, on loopback (remote.it reference, section 6.3)."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
from dataclasses import dataclass, field

from factory.rehearsal.clouds.account import new_guid
from factory.rehearsal.clouds.state import Row, note_commit
from factory.rehearsal.clouds.world import World

PUBLIC = "0.0.0.0"  # noqa: S104 - a mode and not an address that is bound
LATCHING = "255.255.255.255"
_CHUNK = 65536
_REACHED_WITHIN = 10.0
_CLOSED_WITHIN = 2.0
_REVERSE = ("http", "https")


@dataclass(slots=True)
class Connection:
    """An open connection. `url` is how a client reaches it, `hostip` the mode, `lifetime` is in seconds."""

    id: str
    uid: str
    kind: str
    hostip: str
    target: tuple[str, int]
    opened: float
    lifetime: float
    port: int = 0
    latched: str = ""
    server: asyncio.Server | None = None
    timer: asyncio.TimerHandle | None = None
    streams: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def reverse(self) -> bool:
        """Whether it is a reverse proxy, which is always public."""
        return self.kind in _REVERSE

    @property
    def url(self) -> str:
        """A reverse proxy's URL, or `http://HOST:PORT` of a port proxy."""
        return f"{'https' if self.reverse else 'http'}://127.0.0.1:{self.port}"


def mode_problem(hostip: str) -> str:
    """Why a `hostip` is no connection mode, or nothing."""
    try:
        ipaddress.ip_address(hostip)
    except ValueError:
        return "bad host ip"
    return ""


class Connections:
    """Every open connection. Used on the server's event loop only; they end with the server."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._open: dict[str, Connection] = {}

    async def open(self, service: Row, hostip: str) -> Connection:
        """Listen on a free port for a service, whose row has uid, type, port and target. Raises OSError."""
        host, _, port = (service["target"] or f"127.0.0.1:{service['port']}").rpartition(":")
        connection = Connection(
            new_guid(), service["uid"], service["type"], hostip, (host.strip("[]"), int(port)), self._world.now(),
            self._world.settings.connection_seconds,
        )  # fmt: skip
        context = None
        if connection.reverse:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._world.server_certificate, self._world.server_key)

        def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.get_running_loop().create_task(_serve(connection, reader, writer))
            connection.streams.add(task)
            task.add_done_callback(connection.streams.discard)

        connection.server = await asyncio.start_server(accepted, "127.0.0.1", 0, ssl=context)
        connection.port = connection.server.sockets[0].getsockname()[1]
        self._open[connection.id] = connection
        note_commit()
        loop = asyncio.get_running_loop()
        connection.timer = loop.call_later(connection.lifetime, self._end, connection.id)
        return connection

    def close(self, identifier: str, uid: str) -> bool:
        """End a connection and everything that runs through it; False when there is no such one."""
        connection = self._open.get(identifier)
        if connection is None or connection.uid != uid:
            return False
        self._end(identifier)
        note_commit()
        return True

    def of_service(self, uid: str) -> list[Connection]:
        """The open connections of a service."""
        return [one for one in self._open.values() if one.uid == uid]

    async def shutdown(self) -> None:
        """End everything and wait for it."""
        streams = [task for one in self._open.values() for task in one.streams]
        for identifier in list(self._open):
            self._end(identifier)
        await asyncio.gather(*streams, return_exceptions=True)

    def _end(self, identifier: str) -> None:
        connection = self._open.pop(identifier, None)
        if connection is None:
            return
        if connection.timer is not None:
            connection.timer.cancel()
        if connection.server is not None:
            connection.server.close()
        for task in connection.streams:
            task.cancel()


async def _serve(connection: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry one stream to the target and back, until either side ends it."""
    try:
        peer = writer.get_extra_info("peername")
        far = await _reach(connection) if peer and _admitted(connection, peer[0]) else None
        if far is not None:
            await _carry(reader, writer, *far)
    finally:
        await _closed(writer)


async def _reach(connection: Connection) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    """Open the way to the target; None when it is dead, which a client sees as a closed connection."""
    secure = _unverified() if connection.kind == "https" else None
    try:
        async with asyncio.timeout(_REACHED_WITHIN):
            return await asyncio.open_connection(*connection.target, ssl=secure)
    except (OSError, TimeoutError):
        return None


async def _carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, far: asyncio.StreamReader, to_far: asyncio.StreamWriter
) -> None:
    forth = asyncio.create_task(_pump(reader, to_far))
    try:
        # The service's end is the stream's end; a client that is done asking still gets its answer.
        await _pump(far, writer)
    finally:
        forth.cancel()
        await _closed(to_far)


def _admitted(connection: Connection, peer: str) -> bool:
    if connection.reverse or connection.hostip == PUBLIC:
        return True
    if connection.hostip == LATCHING:
        connection.latched = connection.latched or peer
        return peer == connection.latched
    return peer == connection.hostip


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        async with asyncio.timeout(_CLOSED_WITHIN):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        pass
    finally:
        writer.transport.abort()  # a TLS peer that does not say goodbye is not waited for


def _unverified() -> ssl.SSLContext:
    """A device's own certificate is self-made; the vendor's proxy does not judge it either."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
