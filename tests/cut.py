"""A PostgreSQL server behind a line that a test can cut: between two statements, or just when a reply is due."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import URL

COMMIT = b"COMMIT\x00"


class Cut:
    """A TCP port that leads to the server of `url`. Made by `behind`."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._closed = False
        self.is_cut = False
        self.lose_reply_to: tuple[bytes, ...] = ()
        """Once all of these were sent, in this order, the last one reaches the server and its reply nobody."""
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def url_of(self, schema: str) -> str:
        """The ledger in a schema, by way of the cut."""
        options = {"options": f"-csearch_path={schema}", "gssencmode": "disable", "sslmode": "disable"}
        url = URL.create(
            "postgresql+psycopg",
            username=self._url.username,
            password=self._url.password,
            host="127.0.0.1",
            port=self.port,
            database=self._url.database,
            query=options,
        )
        return url.render_as_string(hide_password=False)

    def cut(self) -> None:
        """End every connection and refuse new ones."""
        with self._lock:
            self.is_cut = True
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            _end(*pair)

    def mend(self) -> None:
        """Let connections through again."""
        self.is_cut = False

    def close(self) -> None:
        """Give the port back."""
        self._closed = True
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.is_cut:
                _end(client)
                continue
            try:
                server = self._connect()
            except OSError:
                _end(client)
                continue
            with self._lock:
                self._pairs.add((client, server))
            muted = threading.Event()
            for ends, asks in (((client, server), True), ((server, client), False)):
                pump = threading.Thread(target=self._pump, args=(*ends, muted), kwargs={"asks": asks}, daemon=True)
                pump.start()

    def _connect(self) -> socket.socket:
        host = str(self._url.query.get("host") or self._url.host)
        port = self._url.port or 5432
        if host.startswith("/"):
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(Path(host) / f".s.PGSQL.{port}"))
            return server
        return socket.create_connection((host, port))

    def _pump(self, source: socket.socket, target: socket.socket, muted: threading.Event, *, asks: bool) -> None:
        with contextlib.suppress(OSError):
            while content := source.recv(65536):
                while asks and self.lose_reply_to and self.lose_reply_to[0] in content:
                    self.lose_reply_to = self.lose_reply_to[1:]
                    if not self.lose_reply_to:
                        muted.set()
                if not asks and muted.is_set():
                    # The server has done it, and nobody hears of it.
                    self.cut()
                    return
                target.sendall(content)
        _end(source, target)


def _end(*ends: socket.socket) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextlib.contextmanager
def behind(url: URL) -> Iterator[Cut]:
    """The server of `url` behind a line that can be cut."""
    line = Cut(url)
    try:
        yield line
    finally:
        line.close()
