"""The simulated Xyte as a part of the server."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route

from factory.rehearsal.clouds.world import World
from factory.rehearsal.clouds.xyte.answers import not_found
from factory.rehearsal.clouds.xyte.hub import Hub
from factory.rehearsal.clouds.xyte.management import Management
from factory.rehearsal.clouds.xyte.page import section
from factory.rehearsal.clouds.xyte.portal import XytePortal
from factory.rehearsal.clouds.xyte.registering import Registering
from factory.rehearsal.clouds.xyte.schema import SCHEMA

_ANY = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class XyteCloud:
    """Provisioning, hub and management over one memory. The vendor has them on three hosts, whose paths differ."""

    schema = SCHEMA

    def __init__(self, world: World) -> None:
        self.portal = XytePortal(world)
        self._sides = (Registering(world, self.portal), Hub(world, self.portal), Management(self.portal))

    def routes(self) -> list[BaseRoute]:
        """Every route of this cloud; what is below its addresses and none of them is answered in its own form."""
        others = [Route(f"{head}/{{rest:path}}", not_found, methods=_ANY) for head in ("/v1", "/core/v1")]
        return [*(route for side in self._sides for route in side.routes()), *others]

    def page(self) -> str:
        """Return this cloud's part of the page, escaped HTML."""
        return section(self.portal)

    async def shutdown(self) -> None:
        """Nothing of it runs."""
