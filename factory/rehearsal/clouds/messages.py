"""Requests in, replies out: bounded bodies, lenient objects, compact JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

BODY_LIMIT = 1024 * 1024


class RefusedError(Exception):
    """A request that is answered with an error; `document` is the body of the answer."""

    def __init__(self, status: int, document: Mapping[str, object]) -> None:
        super().__init__(status)
        self.status = status
        self.document = document


def reply(status: int, document: object, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with compact JSON: no blank after a colon or a comma, ASCII only."""
    content = json.dumps(document, separators=(",", ":")).encode("ascii")
    return Response(content, status, media_type="application/json", headers=headers)


async def body_of(request: Request, limit: int = BODY_LIMIT) -> bytes:
    """Read the whole body. Raises RefusedError (413) when it is longer than `limit` bytes."""
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > limit:
                raise RefusedError(413, {"status": "false", "reason": f"the body is longer than {limit} bytes"})
            parts.append(part)
    except ClientDisconnect as error:
        raise RefusedError(400, {"status": "false", "reason": "the body ended early"}) from error
    return b"".join(parts)


def object_of(body: bytes) -> dict[str, Any] | None:
    """The JSON object that a body holds, or None when it holds anything else.

    Control characters inside strings are taken as they are: the vendor's scripts paste values without escaping.
    """
    try:
        found = json.loads(body.decode("utf-8"), strict=False)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def text_of(document: Mapping[str, Any], name: str) -> str:
    """A text of a document, or an empty one when it is missing or no text. Half surrogates are replaced."""
    value = document.get(name)
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else ""
