"""Registering the units of a lot with Xyte outside the line: those that the ledger knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from factory.clouds.xyte.book import Whose
from factory.clouds.xyte.device import DeviceKey, request_from
from factory.clouds.xyte.entry import BULK_LIMIT
from factory.clouds.xyte.registrar import Registrar
from factory.config import Product, XyteRegistration
from factory.errors import FactoryError, UsageError
from factory.ledger import Ledger
from factory.values import STATION_FAULTS, UNIT_TAKEN, CloudRecord, CloudState, UnitState


@dataclass(frozen=True, slots=True)
class Registered:
    """What came of one unit: its registration as the ledger has it now, or why there is none."""

    hardware_id: str
    state: CloudState | None
    device: str | None = None
    code: str | None = None
    message: str = ""
    hint: str = ""

    @property
    def good(self) -> bool:
        """Registered, with its key kept."""
        return self.state is CloudState.REGISTERED and self.code is None

    def as_json(self) -> dict[str, object]:
        """The outcome as plain JSON values."""
        state = None if self.state is None else str(self.state)
        return {
            "hardware_id": self.hardware_id,
            "state": state,
            "device": self.device,
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
        }


def require_xyte(product: Product, *, station: bool = False) -> XyteRegistration:
    """The product's [registration]. Raises UsageError for another cloud; with `station` where the unit registers."""
    section = product.registration
    if not isinstance(section, XyteRegistration):
        raise UsageError(
            f"{product.product.name} registers with {section.profile}, and not with Xyte",
            hint='Name the product file of a product with [registration] profile = "xyte".',
            code="xyte.profile",
        )
    if station and section.registers != "station":
        raise UsageError(
            'units of this product register themselves: [registration] registers = "unit"',
            hint="A unit that was registered here could not register itself any more. Nothing was sent.",
            code="xyte.registers",
        )
    return section


def units_to_register(ledger: Ledger, lot: str, only: str | None = None) -> list[tuple[Whose, dict[str, object]]]:
    """The lot's units with what Xyte is told of each; `only` is one hardware id. Raises UsageError."""
    ledger.lot(lot)
    found = []
    for unit, attempt, hardware_id, identity in ledger.units_of_lot(lot):
        registration = identity.get("registration")
        if only is None or hardware_id == only:
            if not isinstance(registration, dict):
                raise UsageError(f"unit {hardware_id} was not made for Xyte", code="xyte.profile")
            request = request_from(registration, str(identity["device_name"]))
            found.append((Whose(unit, attempt, hardware_id, lot), request))
    if only is not None and not found:
        raise UsageError(
            f"lot {lot} has no unit {only} that could be registered",
            hint="Units in work, in quarantine and scrapped ones are left out; `factory ledger trace` tells its life.",
            code="xyte.unit",
        )
    return found


def register_lot(
    ledger: Ledger, registrar: Registrar, lot: str, only: str | None = None, *, bulk: bool = False
) -> Iterator[Registered]:
    """Register one after the other, or with `bulk` 25 at a time, telling each; stops at a fault of the station. What
    was registered before is only looked at. Call it again to go on after a stop.
    """
    work = units_to_register(ledger, lot, only)
    size = BULK_LIMIT if bulk else 1
    for first in range(0, len(work), size):
        part = work[first : first + size]
        results = registrar.register_many(part) if bulk else [_one(registrar, *part[0])]
        for (whose, _), result in zip(part, results, strict=True):
            yield _told(ledger, whose, result)
        if any(isinstance(result, FactoryError) and result.code in STATION_FAULTS for result in results):
            return


def _one(registrar: Registrar, whose: Whose, request: dict[str, object]) -> DeviceKey | FactoryError:
    try:
        return registrar.register(request, whose)
    except FactoryError as error:
        return error


def _told(ledger: Ledger, whose: Whose, result: DeviceKey | FactoryError) -> Registered:
    if isinstance(result, DeviceKey):
        return Registered(whose.hardware_id, CloudState.REGISTERED, result.id)
    if result.code == UNIT_TAKEN:
        ledger.change_unit(whose.hardware_id, UnitState.QUARANTINED, result.message)
    now = None if whose.unit is None else ledger.registration_of(whose.unit)
    state = None if now is None else now.state
    return Registered(whose.hardware_id, state, None, result.code, result.message, result.hint)


def newest_records(ledger: Ledger, lot: str, only: str | None = None) -> list[CloudRecord]:
    """The newest registration of each unit and child of a lot, in order."""
    newest: dict[object, CloudRecord] = {}
    for record in ledger.registrations(lot):
        if only is None or record.hardware_id == only:
            newest[record.unit if record.unit is not None else record.token] = record
    return list(newest.values())
