"""What registering wants from the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from factory.values import CloudRecord, CloudState, Facts


@dataclass(frozen=True, slots=True)
class Whose:
    """Which unit is registered: its number and newest attempt in the ledger (None for what has none), and its lot."""

    unit: int | None
    attempt: int | None
    hardware_id: str
    lot: str


class Book(Protocol):
    """What registering wants from the ledger."""

    def cloud_id_of(self, facts: Facts) -> str | None:
        """The cloud id that the unit has for ever."""

    def use_key(self, unit: int, fingerprint: str, expected: int | None) -> int:
        """Count the use of a hardware key. Raises FactoryError (`xyte.key-used-up`)."""

    def begin_registration(
        self,
        token: str,
        *,
        unit: int | None,
        attempt: int | None,
        hardware_id: str,
        product: str,
        lot: str,
        sent: Mapping[str, object],
        parent: str | None = None,
    ) -> CloudRecord:
        """Commit the intent."""

    def settle_registration(
        self,
        token: str,
        state: CloudState,
        *,
        device: str | None = None,
        fingerprint: str | None = None,
        cause: str = "",
    ) -> CloudRecord:
        """Commit the outcome."""

    def registration_of(self, unit: int) -> CloudRecord | None:
        """The unit's newest registration."""
