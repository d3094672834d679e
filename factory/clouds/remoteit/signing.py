"""Signing a request as draft-cavage-http-signatures says (remote.it reference, section 6.1). Pure."""

from __future__ import annotations

import base64
import email.utils
import hashlib
import hmac

JSON = "application/json"


def http_date(moment: float) -> str:
    """Seconds since 1970 as an HTTP date, which is always GMT and English."""
    return email.utils.formatdate(moment, usegmt=True)


def signing_string(
    method: str, target: str, *, host: str, date: str, content_type: str = JSON, length: int | None
) -> bytes:
    """What is signed. `target` is path and query as they go out; `length` counts the body's bytes, and None leaves
    the content length out.
    """
    lines = [f"(request-target): {method.lower()} {target}", f"host: {host}", f"date: {date}"]
    lines.append(f"content-type: {content_type}")
    if length is not None:
        lines.append(f"content-length: {length}")
    return "\n".join(lines).encode("ascii")


def signed_headers(
    key_id: str, key: bytes, method: str, target: str, *, host: str, date: str, body: bytes, with_length: bool = True
) -> dict[str, str]:
    """The headers of one request, its signature among them. They are sent exactly as they were signed."""
    length = len(body) if with_length else None
    text = signing_string(method, target, host=host, date=date, length=length)
    signature = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode("ascii")
    listed = "(request-target) host date content-type" + (" content-length" if with_length else "")
    return {
        "Host": host,
        "Date": date,
        "Content-Type": JSON,
        "Content-Length": str(len(body)),
        "Authorization": (
            f'Signature keyId="{key_id}",algorithm="hmac-sha256",headers="{listed}",signature="{signature}"'
        ),
    }
