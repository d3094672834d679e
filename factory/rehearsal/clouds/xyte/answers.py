"""What stands around every endpoint of Xyte's: errors in its form, and who may ask."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from factory.rehearsal.clouds.messages import RefusedError, reply
from factory.rehearsal.clouds.state import Row
from factory.rehearsal.clouds.xyte.fields import NOT_AUTHORIZED, refused
from factory.rehearsal.clouds.xyte.portal import XytePortal

# On every reply whose form the vendor does not document.
INVENTED = {"X-Rehearsal": "invented"}
Handler = Callable[[Request], Awaitable[Response]]


def answering(handler: Handler) -> Handler:
    """The handler with its refusals answered as `{"error": ...}`."""

    async def run(request: Request) -> Response:
        try:
            return await handler(request)
        except RefusedError as error:
            document = error.document if "error" in error.document else {"error": error.document.get("reason")}
            return reply(error.status, document)

    return run


def authorized(portal: XytePortal, request: Request, *, otherwise: int = 401) -> Row:
    """The device that the path names and whose bare key stands in Authorization.

    Raises RefusedError: 401 for a deleted device, `otherwise` for everything else (Xyte reference, section 8).
    """
    holder, deleted = portal.holder(request.path_params["id"], request.headers.get("authorization", ""))
    if holder is None:
        raise refused(401 if deleted else otherwise, NOT_AUTHORIZED)
    return holder


def partner_only(portal: XytePortal, request: Request) -> None:
    """Raises RefusedError (401) unless the partner key stands in Authorization, bare."""
    given = request.headers.get("authorization", "").encode("utf-8", "surrogatepass")
    if not hmac.compare_digest(given, portal.partner_key.encode("ascii")):
        raise refused(401, NOT_AUTHORIZED)


async def not_found(_: Request) -> Response:
    """For every address below Xyte's that there is not."""
    return reply(404, {"error": "Not found"})
