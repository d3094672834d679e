"""Whether somebody answers at the far end of a connection: an SSH banner or an HTTP status is read, nothing more."""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from factory.clouds.errors import CloudError, said
from factory.clouds.remoteit.connection import Connection, Proxy
from factory.errors import Exit

_HEARD = 4096
_SILENCE = 3.0
_NO_SERVICE_BEHIND = frozenset({502, 503, 504})
_STATUS = re.compile(rb"HTTP/\d(?:\.\d)? (\d{3})[^\r\n]*")
# A banner may come after other lines of text (RFC 4253, section 4.2).
_SSH = re.compile(rb"(?:^|\n)(SSH-\d[^\r\n]*)\r?\n")
_VNC = re.compile(rb"^(RFB \d{3}\.\d{3})\n")


class NotReached(CloudError):  # noqa: N818 - reads as what happened
    """The connection stands, and nobody answers at its far end as a service would. `code` is `remoteit.not-reached`."""

    code = "remoteit.not-reached"
    exit_code = Exit.FAILED


@dataclass(frozen=True, slots=True)
class Reached:
    """Who answered: `kind` is ssh, http or vnc, `said` the banner or status line, `seconds` how long it took."""

    kind: str
    said: str
    seconds: float

    def as_json(self) -> dict[str, object]:
        """The answer as plain JSON values."""
        return {"kind": self.kind, "said": self.said, "seconds": round(self.seconds, 3)}


def reach(connection: Connection, *, ca: Path | None = None, within: float = 30.0) -> Reached:
    """Reach the service at the end of a connection within so many seconds. `ca` is what a reverse proxy's certificate
    is judged by, as for the cloud itself. Raises NotReached.
    """
    began = time.monotonic()
    proxy = connection.proxy
    kind, line = _ask_web(proxy, ca, within) if proxy.reverse else _listen(proxy, began + within)
    return Reached(kind, said(line), time.monotonic() - began)


def _ask_web(proxy: Proxy, ca: Path | None, within: float) -> tuple[str, str]:
    from factory.clouds.http import Https

    host = f"[{proxy.host}]" if ":" in proxy.host else proxy.host
    with Https(f"https://{host}:{proxy.port}", ca=ca, timeout=within) as https:
        try:
            status = https.status("/")
        except CloudError as error:
            raise NotReached(f"nobody answers at {proxy}: {error.message}", hint=_hint()) from error
    if status in _NO_SERVICE_BEHIND:
        raise NotReached(f"{proxy} answers with HTTP {status}: no service behind it", hint=_hint(), status=status)
    return "http", f"HTTP {status}"


def _listen(proxy: Proxy, until: float) -> tuple[str, str]:
    """Hear a banner; who is silent for some seconds is asked for a page."""
    try:
        with _connected(proxy, until) as stream:
            heard = _hear(stream, min(until, time.monotonic() + _SILENCE))
            if not heard:
                stream.settimeout(_left(until))
                stream.sendall(f"HEAD / HTTP/1.1\r\nHost: {proxy.host}\r\nConnection: close\r\n\r\n".encode("ascii"))
                heard = _hear(stream, until)
    except OSError as error:
        why = "no answer in time" if isinstance(error, TimeoutError) else error.strerror or type(error).__name__
        raise NotReached(f"{proxy} was opened, and nobody answers there: {why}", hint=_hint()) from error
    found = _recognized(heard)
    if found is None:
        what = f'"{said(heard.decode("latin-1"), 60)}"' if heard else "nothing"
        raise NotReached(f"{proxy} was opened, and {what} came: neither SSH, HTTP nor VNC", hint=_hint())
    return found


def _recognized(heard: bytes) -> tuple[str, str] | None:
    for kind, pattern in (("ssh", _SSH), ("vnc", _VNC)):
        match = pattern.search(heard)
        if match:
            return kind, match[1].decode("latin-1")
    status = _STATUS.match(heard)
    return ("http", status[0].decode("latin-1")) if status else None


def _hear(stream: socket.socket, until: float) -> bytes:
    """What comes until it is recognized, the far side closes, or the time is over; bounded."""
    heard = b""
    while len(heard) < _HEARD and _recognized(heard) is None:
        try:
            stream.settimeout(_left(until))
            piece = stream.recv(_HEARD - len(heard))
        except TimeoutError:
            return heard
        if not piece:
            if not heard:
                raise ConnectionError(0, "the far side closed without a word")
            return heard
        heard += piece
    return heard


def _connected(proxy: Proxy, until: float) -> socket.socket:
    """A stream to a port proxy, which may open its port a moment after the cloud has told it."""
    wait = 0.1
    while True:
        try:
            return socket.create_connection((proxy.host, proxy.port), timeout=_left(until))
        except ConnectionRefusedError:
            if time.monotonic() + wait >= until:
                raise
        time.sleep(wait)
        wait = min(wait * 2, 2.0)


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _hint() -> str:
    return "Does the service run on the unit, on the port that the product declares? Is the unit still online?"
