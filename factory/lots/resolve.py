"""Lost replies: find the record in the cloud, delete it, let the unit register again (Xyte reference, section 8)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from factory.clouds.errors import said
from factory.clouds.xyte.hub import Partner
from factory.clouds.xyte.registrar import Registrar
from factory.errors import FactoryError
from factory.ledger import Ledger
from factory.lots.register import newest_records
from factory.values import CloudRecord, CloudState


@dataclass(frozen=True, slots=True)
class Resolved:
    """What was done about one registration: `removed` when the unit may register again."""

    record: CloudRecord
    removed: bool
    what: str

    def as_json(self) -> dict[str, object]:
        """The outcome as plain JSON values."""
        return {**self.record.as_json(), "removed": self.removed, "what": self.what}


def open_records(
    ledger: Ledger, registrar: Registrar, lot: str, only: str | None = None, *, registered: bool = False
) -> list[CloudRecord]:
    """The registrations of a lot whose outcome nobody knows; a crashed one is settled by the key store first. With
    `registered` also the whole one of the unit `only`, whose key is lost.
    """
    working = {hardware_id for _, _, hardware_id, _ in ledger.units_of_lot(lot)}
    found = []
    for record in newest_records(ledger, lot, only):
        if record.state is CloudState.INTENT and record.unit is not None and record.hardware_id not in working:
            continue  # an attempt holds it: its station knows
        now = registrar.settled(record)
        assert now is not None
        if now.state is CloudState.UNKNOWN or (registered and only and now.state is CloudState.REGISTERED):
            found.append(now)
    return found


def resolve(ledger: Ledger, partner: Partner, records: list[CloudRecord]) -> Iterator[Resolved]:
    """Find each record in the cloud and delete it; a device that a customer has is never deleted.

    What goes wrong with one is told with it. Raises CloudError where the list of devices cannot be read.
    """
    for record in records:
        try:
            what = _removed(partner, record)
        except FactoryError as error:
            yield Resolved(record, removed=False, what=error.message)
            continue
        now = ledger.settle_registration(record.token, CloudState.REMOVED, cause=what)
        yield Resolved(now, removed=True, what=what)


def by_hand(ledger: Ledger, records: list[CloudRecord], reason: str) -> Iterator[Resolved]:
    """A person looked in the portal and deleted what was there: the word is kept."""
    for record in records:
        cause = f"resolved by hand: {reason}"
        now = ledger.settle_registration(record.token, CloudState.REMOVED, cause=cause)
        yield Resolved(now, removed=True, what=cause)


def instructions(records: list[CloudRecord]) -> list[str]:
    """What a person has to look for in the portal."""
    lines = [
        "In the partner portal, Product > Devices, look for each of these; delete the device if it is there and has"
    ]
    lines.append("no organization. Then: factory xyte resolve ... --by-hand REASON")
    for record in records:
        sent = record.sent
        lines.append(
            f"  unit {record.hardware_id}: serial {sent.get('sn')}, MAC {sent.get('mac')}, "
            f"cloud id {sent.get('cloud_id')}, asked for at {record.at}"
        )
    return lines


def _removed(partner: Partner, record: CloudRecord) -> str:
    sent = {
        name: value if isinstance(value := record.sent.get(name), str) else None for name in ("sn", "mac", "cloud_id")
    }
    hits = partner.find(sn=sent["sn"], mac=sent["mac"], cloud_id=sent["cloud_id"])
    if record.device is not None:
        hits = [hit for hit in hits if hit.get("id") == record.device] or hits
    if not hits:
        return "the cloud has no record of it"
    if len(hits) > 1:
        raise FactoryError(
            f"the cloud has {len(hits)} devices with its values; nothing was deleted", code="xyte.resolve"
        )
    device = hits[0].get("id")
    if not isinstance(device, str):
        raise FactoryError("the cloud's record has no id; nothing was deleted", code="xyte.resolve")
    owner = hits[0].get("claimed") or hits[0].get("organization")
    if owner:
        raise FactoryError(
            f"device {said(device)} is claimed by {said(owner)}; nothing was deleted", code="xyte.resolve"
        )
    partner.delete(device)
    return f"device {device} deleted in the cloud"
