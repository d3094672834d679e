"""Judging a signed request over exactly what the client lists (remote.it reference, section 6.1)."""

from __future__ import annotations

import base64
import binascii
import datetime
import email.utils
import hashlib
import hmac
import re

from starlette.datastructures import Headers

from factory.rehearsal.clouds.account import Account

_FIELD = re.compile(r'\s*([A-Za-z]+)="([^"]*)"\s*(?:,|$)')
# Without them a signature would be good for other requests, other servers, or for ever.
_LEAST = ("(request-target)", "host", "date")


class BadSignatureError(Exception):
    """The request is not the account's; the text says why, as the 401 does."""


def verify(
    account: Account, method: str, target: str, headers: Headers, body: bytes, *, now: float, max_skew: float
) -> None:
    """Verify the Authorization header. `target` is path and query as sent. Raises BadSignatureError."""
    fields = _fields(headers.get("authorization", ""))
    if fields.get("algorithm", "hmac-sha256") != "hmac-sha256":
        raise BadSignatureError("the algorithm must be hmac-sha256")
    if fields.get("keyId") != account.key_id:
        raise BadSignatureError("unknown access key")
    listed = fields.get("headers", "date").lower().split()
    missing = [name for name in _LEAST if name not in listed]
    if missing:
        raise BadSignatureError(f"not signed: {' '.join(missing)}")
    lines = []
    for name in listed:
        if name == "(request-target)":
            lines.append(f"{name}: {method.lower()} {target}")
            continue
        values = headers.getlist(name)
        if name == "content-length" and not values:
            values = [str(len(body))]  # published clients sign a length of 0 that a GET does not send
        if not values:
            raise BadSignatureError(f"signed but not sent: {name}")
        lines.append(f"{name}: {', '.join(value.strip() for value in values)}")
    expected = hmac.new(base64.b64decode(account.secret), "\n".join(lines).encode("latin-1"), hashlib.sha256).digest()
    try:
        given = base64.b64decode(fields.get("signature", ""), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadSignatureError("the signature is not base64") from error
    if not hmac.compare_digest(expected, given):
        raise BadSignatureError("the signature does not match")
    _judge_date(headers.get("date", ""), now, max_skew)
    _judge_body(listed, headers, body)


def _fields(header: str) -> dict[str, str]:
    scheme, _, rest = header.partition(" ")
    if not header:
        raise BadSignatureError("no Authorization header")
    if scheme.lower() != "signature":
        raise BadSignatureError("the Authorization header is no Signature")
    fields: dict[str, str] = {}
    place = 0
    while place < len(rest):
        match = _FIELD.match(rest, place)
        if match is None:
            raise BadSignatureError("the Authorization header is malformed")
        fields[match[1]] = match[2]
        place = match.end()
    return fields


def _judge_date(date: str, now: float, max_skew: float) -> None:
    try:
        signed = email.utils.parsedate_to_datetime(date)
        # A date without a zone is GMT here: the header knows no other.
        moment = (signed if signed.tzinfo else signed.replace(tzinfo=datetime.UTC)).timestamp()
    except (ValueError, TypeError, OverflowError) as error:
        raise BadSignatureError("the date is no HTTP date") from error
    if abs(moment - now) > max_skew:
        raise BadSignatureError("the date is stale")


def _judge_body(listed: list[str], headers: Headers, body: bytes) -> None:
    if "content-length" in listed and headers.get("content-length", str(len(body))) != str(len(body)):
        raise BadSignatureError("the content length is not the body's")
    if "digest" in listed:
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode("ascii")
        if headers.get("digest", "") not in (f"SHA-256={digest}", f"sha-256={digest}"):
            raise BadSignatureError("the digest is not the body's")
