"""One HTTPS request to a cloud: bounded in time and size, and always told apart whether it left this machine."""

from __future__ import annotations

import contextlib
import email.utils
import json
import math
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlsplit

import httpx2

from factory import __version__
from factory.clouds.errors import CloudReplyDamaged, CloudReplyLost, CloudUnreachable, said
from factory.errors import UsageError
from factory.secrets import Redactor

if TYPE_CHECKING:
    import ssl

_Answer = TypeVar("_Answer")
_LARGEST = 16 * 1024 * 1024
_SENDING = ("http11.send_request_headers.started", "http2.send_request_headers.started")
# A proxy is sent headers of its own, before the connection to the server stands.
_BEFORE = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)
# TLS takes the socket over from TCP: whichever came last is the one in use.
_CONNECTED = (".connect_tcp.complete", ".start_tls.complete")


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: HTTP status, headers (names in lower case), body, and when (seconds since 1970, our clock)."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    at: float
    tries: int = 1

    def json(self) -> Any:
        """The body as JSON. Raises CloudReplyDamaged for a page of HTML and anything else that is none."""
        kind = self.headers.get("content-type", "")
        try:
            return json.loads(self.body, object_pairs_hook=_unique)
        except _KeyTwiceError:
            raise CloudReplyDamaged(
                f"the cloud answered with HTTP {self.status} and JSON that has a key twice", status=self.status
            ) from None
        except (ValueError, RecursionError):
            page = self.body.lstrip()[:1] == b"<" or "html" in kind
            what = "a page of HTML" if page else "no JSON" if self.body.strip() else "nothing"
            raise CloudReplyDamaged(
                f"the cloud answered with HTTP {self.status} and {what}",
                hint="A gateway on the way may have answered. Try again later; is the server's address right?",
                status=self.status,
            ) from None

    @property
    def retry_after(self) -> float | None:
        """How many seconds the cloud wants to be left alone (Retry-After, as seconds or as a date); None unsaid."""
        text = self.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            return min(float(text), 1e9)
        with contextlib.suppress(ValueError, TypeError, OverflowError):
            return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - self.at)
        return None

    @property
    def ahead(self) -> float | None:
        """How many seconds the cloud's clock is ahead of ours by its Date; None without a Date that can be read."""
        try:
            moment = email.utils.parsedate_to_datetime(self.headers.get("date", "")).timestamp()
        except (ValueError, TypeError, OverflowError):
            return None
        return moment - self.at if math.isfinite(moment) else None


class Https:
    """Requests to one server, one at a time. `server` is `https://HOST[:PORT]`; `ca` names the only authorities to
    trust, otherwise SSL_CERT_FILE or the system's count. `timeout` in seconds bounds a whole request, however slowly
    its reply trickles. Raises UsageError for an address or a CA file that is none.
    """

    def __init__(
        self,
        server: str,
        *,
        ca: Path | None = None,
        secrets: Iterable[str] = (),
        timeout: float = 30.0,
        largest: int = _LARGEST,
    ) -> None:
        self.server = require_server(server)
        self._largest = largest
        self._timeout = timeout
        self._redactor = Redactor(secrets)
        self._socket: socket.socket | None = None
        try:
            self._client = httpx2.Client(
                verify=trusted(ca),
                timeout=httpx2.Timeout(timeout),
                follow_redirects=False,
                limits=httpx2.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=5.0),
                headers={"User-Agent": f"oem-factory/{__version__}", "Accept": "application/json"},
            )
        except ValueError as error:
            raise UsageError(
                f"the proxy of the environment cannot be used: {said(error)}", code="cloud.proxy"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Https({self.server!r})"

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    @property
    def host(self) -> str:
        """The value of the Host header."""
        return urlsplit(self.server).netloc

    def mask(self, text: str) -> str:
        """A text without the secrets that this was given, should a cloud repeat one."""
        return self._redactor.text(text)

    def once(self, method: str, target: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Reply:
        """Ask once. Whatever HTTP status comes back is a Reply; `target` is path and query as they go out.

        Raises CloudUnreachable when nothing was sent, CloudReplyLost when no whole reply came, CloudReplyDamaged for a
        reply that is too large.
        """
        return self._bounded(method, target, body, headers, self._asked)

    def status(self, target: str) -> int:
        """The HTTP status that a page answers with; its body is not read. Raises as `once` does."""
        return self._bounded("GET", target, b"", {"Accept": "*/*"}, self._status)

    def _bounded(
        self,
        method: str,
        target: str,
        body: bytes,
        headers: Mapping[str, str] | None,
        ask: Callable[[httpx2.Request], _Answer],
    ) -> _Answer:
        sent = threading.Event()

        def watch(event: str, info: Mapping[str, Any]) -> None:
            if event in _SENDING:
                sent.set()
            elif event.endswith(_CONNECTED):
                self._socket = info["return_value"].get_extra_info("socket")

        request = self._client.build_request(
            method,
            httpx2.URL(self.server + target),
            content=body,
            headers=dict(headers or {}),
            extensions={"trace": watch},
        )
        late = threading.Event()
        try:
            with self._ending(late):
                return ask(request)
        except httpx2.HTTPError as error:
            raise self._failed(error, sent=sent.is_set(), late=late.is_set()) from None

    def _status(self, request: httpx2.Request) -> int:
        response = self._client.send(request, stream=True)
        response.close()
        return response.status_code

    def _asked(self, request: httpx2.Request) -> Reply:
        response = self._client.send(request, stream=True)
        try:
            at = time.time()
            body = bytearray()
            for piece in response.iter_bytes():
                body += piece
                if len(body) > self._largest:
                    raise CloudReplyDamaged(
                        f"{self.host} answered with more than {self._largest} bytes", status=response.status_code
                    )
            return Reply(response.status_code, dict(response.headers), bytes(body), at)
        finally:
            response.close()

    @contextlib.contextmanager
    def _ending(self, late: threading.Event) -> Iterator[None]:
        """Cut the connection when the time is over: the library bounds each wait, and not their sum."""

        def cut() -> None:
            late.set()
            open_socket = self._socket
            if open_socket is not None:
                with contextlib.suppress(OSError):
                    # Not SSLSocket's own method, which takes the session away from the thread that reads.
                    socket.socket.shutdown(open_socket, socket.SHUT_RDWR)

        timer = threading.Timer(self._timeout, cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _failed(self, error: httpx2.HTTPError, *, sent: bool, late: bool) -> CloudUnreachable | CloudReplyLost:
        why = self.mask(said(error)) or type(error).__name__
        if late or isinstance(error, httpx2.TimeoutException):
            why = f"no answer within {self._timeout:g} s"
        if sent and not isinstance(error, _BEFORE):
            return CloudReplyLost(
                f"{self.host} was asked, and no whole reply came: {why}",
                hint="What was asked for may have been done.",
                sent=True,
            )
        if "CERTIFICATE_VERIFY_FAILED" in why:
            hint = "For the simulated clouds name their CA: --ca clouds/ca.pem. Is this computer's date right?"
            return CloudUnreachable(
                f"the certificate of {self.host} is not trusted: {why}", hint=hint, code="cloud.tls", sent=False
            )
        hint = "Is this computer online? Nothing was sent."
        return CloudUnreachable(f"{self.host} cannot be reached: {why}", hint=hint, sent=False)


class _KeyTwiceError(ValueError):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of which nobody has to guess which of two values counts."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _KeyTwiceError
    return found


def trusted(ca: Path | None) -> ssl.SSLContext:
    """What decides whom to trust: the authorities in a file, or the environment's or system's. Raises UsageError."""
    import ssl

    try:
        return ssl.create_default_context(cafile=str(ca)) if ca is not None else httpx2.create_ssl_context()
    except OSError as error:
        where = str(ca) if ca is not None else "the file or folder that SSL_CERT_FILE or SSL_CERT_DIR names"
        reason = "holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise UsageError(f"cannot read certificates from {where}: {reason}", code="cloud.ca") from error


def require_server(text: str) -> str:
    """An address as `https://HOST[:PORT]`, as given. Raises UsageError (`cloud.server`)."""
    try:
        parts = urlsplit(text)
        fits = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if (
        not fits
        or parts.path not in ("", "/")
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
        or not text.isascii()
    ):
        raise UsageError(
            "the server's address must be https://HOST or https://HOST:PORT, without a path", code="cloud.server"
        )
    return f"https://{parts.netloc}"
