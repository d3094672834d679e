"""Registrations with a cloud that knows each unit by a record of its own: what the ledger keeps of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

UNIT_TAKEN = "xyte.taken"
"""Code of the refusal that puts a unit into quarantine: the cloud has its id or serial, and we have no key of it."""
STATION_FAULTS = frozenset({"xyte.hardware-key", "xyte.key-used-up"})
"""Codes of faults of the station, not of a unit: the next unit would fail as well, so the line stops."""


class CloudState(StrEnum):
    """How far the registration of a unit got. Every state is committed before what it announces is done."""

    INTENT = "intent"  # about to be asked for: after a crash nobody knows
    REGISTERED = "registered"  # the cloud has it, and its key is in the key store
    REFUSED = "refused"  # the cloud said no: it made nothing
    UNKNOWN = "unknown"  # asked for, and no answer came: the cloud may have a record whose key nobody has
    REMOVED = "removed"  # it was registered, and the cloud has it no more


@dataclass(frozen=True, slots=True)
class CloudRecord:
    """One registration of a unit, or of a child device that has no unit. `token` names it for ever and the file of its
    key; `sent` is what the cloud was told, without the hardware key; `device` is the cloud's id, `fingerprint` that of
    the access key, which itself is never here; `cause` is why it did not work.
    """

    token: str
    unit: int | None
    hardware_id: str
    product: str
    lot: str
    state: CloudState
    sent: Mapping[str, object] = field(default_factory=dict)
    device: str | None = None
    fingerprint: str | None = None
    parent: str | None = None
    cause: str = ""
    at: str = ""

    def as_json(self) -> dict[str, object]:
        """The record as canonical JSON values; nothing in it is secret."""
        return {
            "token": self.token,
            "hardware_id": self.hardware_id,
            "product": self.product,
            "lot": self.lot,
            "state": str(self.state),
            "sent": dict(self.sent),
            "device": self.device,
            "fingerprint": self.fingerprint,
            "parent": self.parent,
            "cause": self.cause,
            "at": self.at,
        }
