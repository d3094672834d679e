"""What a flash outside the line tells to whoever keeps the record: before the first byte, and after the last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from factory.errors import FactoryError
from factory.values import Facts, Manifest, Receipt


class FlashJournal(Protocol):
    """Any thread may call it. `manifest` is None for an image that belongs to no one unit; `place` is the card reader
    or the slot.
    """

    def intent(
        self,
        manifest: Manifest | None,
        place: str,
        *,
        facts: Facts | None = None,
        data: Mapping[str, object] | None = None,
    ) -> None:
        """Call it right before the first byte is written. Commits the intent, or raises FactoryError: nothing may be
        written then. `facts` are what could be read from the unit.
        """

    def flashed(self, manifest: Manifest | None, place: str, receipt: Receipt) -> None:
        """It is written and was read back. The unit has not passed by that."""

    def failed(
        self,
        manifest: Manifest | None,
        place: str,
        error: FactoryError,
        data: Mapping[str, object] | None = None,
    ) -> None:
        """It went wrong; `data` says how far it got."""


class NullJournal:
    """Keeps nothing, for tests."""

    def intent(
        self,
        manifest: Manifest | None,
        place: str,
        *,
        facts: Facts | None = None,
        data: Mapping[str, object] | None = None,
    ) -> None:
        """Let it be flashed."""

    def flashed(self, manifest: Manifest | None, place: str, receipt: Receipt) -> None:
        """Forget it."""

    def failed(
        self,
        manifest: Manifest | None,
        place: str,
        error: FactoryError,
        data: Mapping[str, object] | None = None,
    ) -> None:
        """Forget it."""
