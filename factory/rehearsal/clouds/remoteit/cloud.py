"""The simulated remote.it as a part of the server."""

from __future__ import annotations

from starlette.routing import BaseRoute

from factory.rehearsal.clouds.remoteit.account_side import AccountSide
from factory.rehearsal.clouds.remoteit.device import DeviceSide
from factory.rehearsal.clouds.remoteit.page import section
from factory.rehearsal.clouds.remoteit.portal import Portal
from factory.rehearsal.clouds.remoteit.portal_routes import PortalRoutes
from factory.rehearsal.clouds.remoteit.proxy import Connections
from factory.rehearsal.clouds.remoteit.schema import SCHEMA
from factory.rehearsal.clouds.world import World


class RemoteItCloud:
    """Portal, device side and account side over one memory."""

    schema = SCHEMA

    def __init__(self, world: World) -> None:
        self.portal = Portal(world)
        self._connections = Connections(world)
        self._sides = (
            DeviceSide(world, self.portal),
            AccountSide(world, self.portal, self._connections),
            PortalRoutes(self.portal),
        )

    def routes(self) -> list[BaseRoute]:
        """Every route of this cloud."""
        return [route for side in self._sides for route in side.routes()]

    def page(self) -> str:
        """Return this cloud's part of the page, escaped HTML."""
        return section(self.portal)

    async def shutdown(self) -> None:
        """End the connections that are open."""
        await self._connections.shutdown()
