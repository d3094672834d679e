"""Requests byte by byte, as a script with curl sends them: nothing is escaped, and hardly anything is an error."""

from __future__ import annotations

import contextlib
import functools
import http.client
import socket
import ssl
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

BASE = b"/apv/v27"
_LARGEST = 1024 * 1024


@functools.lru_cache(maxsize=4)
def _trusting(ca: Path) -> ssl.SSLContext:
    """Made once per process: reading an authority takes as long as a request."""
    return ssl.create_default_context(cafile=str(ca))


class Wire:
    """One connection to the server, opened again when it was cut; what fails is an empty reply, as for the unit.

    `url` is https://HOST:PORT, `timeout` seconds per request. The unit itself waits for ever; a rehearsal does not.
    """

    def __init__(self, url: str, ca: Path, timeout: float = 30.0) -> None:
        where = urlsplit(url)
        self._address = (where.hostname or "", where.port or 443)
        self._host = where.netloc.encode("ascii")
        self._context = _trusting(ca)
        self._timeout = timeout
        self._socket: ssl.SSLSocket | None = None
        self.trouble = ""
        """Why the last reply was empty, where the connection was the cause."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def ask(self, method: str, path: bytes, body: bytes = b"") -> tuple[int, bytes]:
        """The HTTP status and the body; (0, b"") when nothing came."""
        self.trouble = ""
        path = path.partition(b"#")[0]  # curl keeps a fragment to itself
        lines = (
            method.encode("ascii") + b" " + BASE + path + b" HTTP/1.1",
            b"Host: " + self._host,
            b"Accept: */*",
            b"content-type:application/json",
            b"Content-Length: %d" % len(body) if method == "POST" else b"User-Agent: curl/8",
        )
        try:
            return self._exchange(method, b"\r\n".join(lines) + b"\r\n\r\n" + body)
        except (OSError, http.client.HTTPException) as error:
            self.trouble = str(error) or type(error).__name__
            self.close()
            return 0, b""

    def _exchange(self, method: str, request: bytes) -> tuple[int, bytes]:
        if self._socket is None:
            plain = socket.create_connection(self._address, self._timeout)
            with contextlib.ExitStack() as undo:
                undo.callback(plain.close)
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._socket = self._context.wrap_socket(plain, server_hostname=self._address[0])
                undo.pop_all()
        self._socket.sendall(request)
        with contextlib.closing(http.client.HTTPResponse(self._socket, method=method)) as response:
            response.begin()
            content = response.read(_LARGEST)
            if response.will_close or not response.isclosed():
                self.close()
            return response.status, content
