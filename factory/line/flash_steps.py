"""The steps of one flash outside the line: the image is there already, and the ledger's record says whose it is."""

from __future__ import annotations

from dataclasses import dataclass

from factory.flashing import require_hardware
from factory.images import Image
from factory.ledger import Attempt, Binding, Refused
from factory.line.progress import Progress, Tools
from factory.line.steps import Steps
from factory.values import Facts, Identity


@dataclass(frozen=True, slots=True)
class FlashOrder:
    """What shall be written, and on whose word. `reason` is why a unit that is done is written again; `off_ledger` why
    one is written without its record.
    """

    image: Image
    identity: Identity
    binding: Binding
    reason: str | None = None
    off_ledger: str | None = None


class FlashSteps(Steps):
    """As the line's, but for who the unit is and what it gets."""

    def __init__(self, tools: Tools, progress: Progress, order: FlashOrder) -> None:
        super().__init__(tools, progress)
        self._order = order

    def admit(self, facts: Facts) -> None:
        """Hold the unit that was read against the image and its record, and lease it. Raises HardwareRefused, Refused,
        UnitError, LedgerError.
        """
        tools, order = self._tools, self._order
        self._begin("identify")
        for secret in order.identity.hidden:
            tools.masks.add(secret.reveal())
        self._progress.identity = order.identity
        require_hardware(tools.setup.product.hardware, facts)
        if order.off_ledger is not None:
            self._progress.warnings += require_own(order.identity, facts)
        self._begin("admit")
        record = self._lease_again(facts)
        self._progress.record = record
        tools.transcript.note(f"attempt {record.id}: {order.identity.hardware_id.text} {record.note}".rstrip())
        tools.host_keys.attempt = record.id
        self._look_at_host_key(facts.interfaces.values())

    def _lease_again(self, facts: Facts) -> Attempt:
        tools, order = self._tools, self._order
        image, slot = order.image.manifest.image, tools.slot.name
        if order.off_ledger is not None:
            return self._ledger.admit_off_ledger(
                order.identity, facts, binding=order.binding, slot=slot, image=image, reason=order.off_ledger
            )
        key = order.identity.registration_key
        return self._ledger.admit_again(
            order.identity,
            facts,
            slot=slot,
            image=image,
            fingerprint=None if key is None else tools.setup.keys.fingerprint(key),
            reason=order.reason,
        )

    def _image(self, identity: Identity) -> Image:  # noqa: ARG002 - it was built before
        return self._order.image


def require_own(identity: Identity, facts: Facts) -> list[str]:
    """Without a record the image itself still says which unit it is for. Returns what deserves a look.

    Raises Refused (`flash.wrong-unit`).
    """
    wrong = []
    for name, mac in sorted(identity.macs.items()):
        now = facts.interfaces.get(name)
        if now != mac:
            wrong.append(f"{name} is {'missing' if now is None else now.colons} and should be {mac.colons}")
    if identity.serial and facts.serial and identity.serial != facts.serial:
        wrong.append(f"its serial is {facts.serial} and should be {identity.serial}")
    if wrong:
        raise Refused(
            f"the image is for another unit, {identity.hardware_id.text}: {'; '.join(wrong)}",
            hint="Nothing was written. Going without the record does not make it this unit's image.",
            code="flash.wrong-unit",
        )
    if not identity.macs and not identity.serial:
        return ["the image names no address and no serial: nothing but your word says that it is this unit's"]
    return []
