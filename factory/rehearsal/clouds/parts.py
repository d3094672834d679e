"""The clouds of the server: each brings its tables, its routes and its part of the page."""

from __future__ import annotations

from typing import Protocol

from starlette.routing import BaseRoute

from factory.rehearsal.clouds.remoteit.cloud import RemoteItCloud
from factory.rehearsal.clouds.world import World
from factory.rehearsal.clouds.xyte.cloud import XyteCloud


class Part(Protocol):
    """One simulated cloud. `schema` is SQL that makes its tables where they are missing."""

    schema: str

    def routes(self) -> list[BaseRoute]:
        """Its routes."""
        ...

    def page(self) -> str:
        """Its section of the page as HTML, everything escaped; may be empty."""
        ...

    async def shutdown(self) -> None:
        """End what runs on the event loop."""
        ...


class Parts:
    """Every simulated cloud, made for one world."""

    def __init__(self, world: World) -> None:
        self.remoteit = RemoteItCloud(world)
        self.xyte = XyteCloud(world)

    @staticmethod
    def schemas() -> tuple[str, ...]:
        """The tables of all."""
        return (RemoteItCloud.schema, XyteCloud.schema)

    def all(self) -> tuple[Part, ...]:
        """The clouds, in the order of the page."""
        return (self.remoteit, self.xyte)
