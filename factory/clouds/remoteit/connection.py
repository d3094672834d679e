"""A connection through remote.it to one service of a unit (remote.it reference, section 6.3). Values, no I/O."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlsplit

from factory.clouds.remoteit.shape import Object, damaged, object_in, text_in, whole_in
from factory.errors import UsageError

_SERVICE_ID = re.compile(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){7}")


class Mode(Enum):
    """Who may use a connection; the value is what the cloud is told as `hostip`."""

    PUBLIC = "0.0.0.0"  # noqa: S104 - a mode and no address that is bound
    RESTRICTED = "restricted"  # the user's own public address
    LATCHING = "255.255.255.255"  # whoever comes first


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where a connection is reached. A reverse proxy speaks HTTPS and is open to everyone who knows its URL; a port
    proxy carries whatever the service speaks.
    """

    url: str
    host: str
    port: int
    reverse: bool

    def __str__(self) -> str:
        return self.url if self.reverse else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Connection:
    """An open connection. `seconds` is how long it lives, None where the cloud did not say."""

    id: str
    service_id: str
    proxy: Proxy
    seconds: int | None

    def as_json(self) -> dict[str, object]:
        """The connection as plain JSON values."""
        proxy = self.proxy
        return {
            "connection": self.id,
            "service": self.service_id,
            "proxy": proxy.url,
            "host": proxy.host,
            "port": proxy.port,
            "reverse": proxy.reverse,
            "expires_in": self.seconds,
        }


def host_ip(mode: Mode, ip: str | None) -> str:
    """What the cloud is told for a mode. Raises UsageError (`remoteit.ip`)."""
    if mode is not Mode.RESTRICTED:
        if ip is not None:
            raise UsageError("an address belongs to --mode restricted only", code="remoteit.ip")
        return str(mode.value)
    if ip is None:
        raise UsageError(
            "--mode restricted needs the public address that may connect",
            hint="Name it with --ip: the address of this site as the internet sees it.",
            code="remoteit.ip",
        )
    try:
        address = ipaddress.ip_address(ip)
    except ValueError as error:
        raise UsageError(f"{ip!r} is no IP address", code="remoteit.ip") from error
    if address.is_unspecified or str(address) == Mode.LATCHING.value:
        raise UsageError(f"{ip} is a mode of its own and no address", code="remoteit.ip")
    return str(address)


def is_service_id(text: str) -> bool:
    """Whether a text is a service id: eight bytes in hex with colons."""
    return bool(_SERVICE_ID.fullmatch(text))


def connection_id(answer: Object) -> str:
    """The id that stops a connection. Raises CloudReplyDamaged."""
    inner = answer.get("connection")
    if isinstance(inner, dict) and inner.get("connectionid"):
        return text_in(inner, "connectionid")
    return text_in(answer, "connectionid")


def connection_of(answer: Object, service_id: str) -> Connection:
    """The connection that a reply tells of. Raises CloudReplyDamaged."""
    inner = object_in(answer, "connection")
    told = text_in(inner, "deviceaddress", required=False)
    if told and told.lower() != service_id.lower():
        raise damaged("the connection is to another service than the one that was asked for")
    seconds = whole_in(inner, "expirationsec")
    return Connection(connection_id(answer), service_id, proxy_of(text_in(inner, "proxy")), seconds)


def proxy_of(text: str) -> Proxy:
    """Read either form of `proxy`: the URL of a reverse proxy (https), or `http://HOST:PORT` of a port proxy.

    Raises CloudReplyDamaged.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise damaged("proxy is no address") from None
    reverse = parts.scheme == "https"
    if not text.isascii() or not text.isprintable() or not parts.hostname or "@" in parts.netloc:
        raise damaged("proxy is no address")
    if not reverse and (parts.scheme != "http" or not port):
        raise damaged("proxy is neither https://HOST nor http://HOST:PORT")
    return Proxy(text, parts.hostname, port or 443, reverse)
