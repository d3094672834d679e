"""Whether a lot's units are in the cloud as they passed: seen ones go up in the ledger, wrong ones are named."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from factory.clouds.remoteit.devices import Device, Listing
from factory.config import Product
from factory.config.registration import BulkRegistration, ServiceEntry
from factory.errors import Exit, FactoryError
from factory.ledger import PassedUnit
from factory.ledger.confirmations import CONFIRMABLE
from factory.lots.export import Lots, require_product
from factory.values import RowState


class Wrong(StrEnum):
    """What may be wrong with a unit in the cloud; `advice` says what to do."""

    MISSING = "missing"
    CLONED = "cloned"
    TWICE = "twice"
    STALE = "stale"
    MISNAMED = "misnamed"
    SERVICE = "service"
    OFFLINE = "offline"
    UNLISTED = "unlisted"
    REFUSED = "refused"

    @property
    def advice(self) -> str:
        """What to do about it, in one line."""
        return _ADVICE[self]


_ADVICE: Mapping[Wrong, str] = {
    Wrong.MISSING: "Was its upload published? Publishing takes half a minute per unit.",
    Wrong.CLONED: "Stop it: two units use one identity. Set both aside and find out which is the original.",
    Wrong.TWICE: "Two devices have this hardware id: delete the one in the portal that is not this unit.",
    Wrong.STALE: "The unit was made again: delete its old registration in the portal, upload and publish the new file.",
    Wrong.MISNAMED: "Rename the device in the portal, or find out which unit took the name.",
    Wrong.SERVICE: "Compare the portal's product with product.toml; a service added later needs a new product.",
    Wrong.OFFLINE: "Switch it on where it reaches the internet; a first boot takes up to five minutes.",
    Wrong.UNLISTED: "It has passed and is in no upload: factory sheet export.",
    Wrong.REFUSED: "Its upload was refused or is to be published again: factory sheet export --only rejected.",
}


_PASSING = frozenset({Wrong.MISSING, Wrong.OFFLINE, Wrong.SERVICE})


@dataclass(frozen=True, slots=True)
class Named:
    """A unit with something wrong: which, what, and in words."""

    hardware_id: str
    wrong: Wrong
    text: str

    def as_json(self) -> dict[str, object]:
        """The finding as plain JSON values."""
        return {"hardware_id": self.hardware_id, "wrong": str(self.wrong), "text": self.text}


@dataclass(frozen=True, slots=True)
class Confirmed:
    """One look at the cloud: how many units the lot has, their rows by state now, how many rows moved, the units that
    are named, and whether the cloud's pages added up.
    """

    lot: str
    units: int
    rows: Mapping[RowState, int]
    moved: int
    named: tuple[Named, ...]
    whole: bool

    @property
    def done(self) -> bool:
        """Whether every unit is there as it passed."""
        return not self.named

    @property
    def may_pass(self) -> bool:
        """Whether anything that is wrong may come right by waiting; a clone does not."""
        return any(one.wrong in _PASSING for one in self.named)

    def as_json(self) -> dict[str, object]:
        """The outcome as plain JSON values."""
        return {
            "lot": self.lot,
            "units": self.units,
            "rows": {str(state): count for state, count in sorted(self.rows.items())},
            "moved": self.moved,
            "whole": self.whole,
            "named": [one.as_json() for one in self.named],
        }


class Cloud(Protocol):
    """The account whose devices are looked at."""

    @property
    def server(self) -> str:
        """Which server is asked."""

    def devices(self) -> Listing:
        """Every device of the account, in as few requests as it has pages."""


class Book(Lots, Protocol):
    """What a confirmation wants from the ledger."""

    def passed_units(self, lot: str, *, states: Collection[RowState] | None = None) -> tuple[PassedUnit, ...]:
        """The passed units of a lot."""

    def exported_again(self, lot: str) -> Mapping[int, datetime]:
        """Units that stand in more than one upload, and when the newest was exported."""

    def confirm_rows(self, lot: str, seen: Mapping[int, RowState], *, source: str) -> int:
        """Take over what was seen."""


def confirm(book: Book, cloud: Cloud, product: Product, lot: str, *, online: bool = False) -> Confirmed:
    """Look at the whole account once, move the lot's rows, and name every unit that is not as it passed. With
    `online` every unit must be online now. What was seen is committed, so a look that is cut short is simply repeated.

    A unit that may be a clone, or that the cloud has twice, is never called online by this; one whose device is of an
    earlier upload does not move at all. Raises FactoryError
    (`confirm.nothing`) for a lot without passed units, UsageError, and what ledger and cloud raise.
    """
    registration = product.registration
    if not isinstance(registration, BulkRegistration):
        raise FactoryError(
            f"product {product.product.name} registers by {registration.profile}, and its units are in no upload",
            hint="factory remoteit devices lists what the account has.",
            code="confirm.profile",
            exit_code=Exit.USAGE,
        )
    require_product(book, product, lot)
    units = book.passed_units(lot)
    if not units:
        raise FactoryError(
            f"no unit of lot {lot} has passed yet", hint="Only passed units go out.", code="confirm.nothing"
        )
    listing = cloud.devices()
    found = _by_id(listing.devices)
    again = book.exported_again(lot)
    named: list[Named] = []
    seen: dict[int, RowState] = {}
    for unit in units:
        devices = found.get(unit.hardware_id, [])
        stale = [device for device in devices if _is_stale(device, again.get(unit.unit))]
        named += _judge(unit, devices, found, registration.services, online=online)
        if stale and unit.row in CONFIRMABLE:
            text = f"device {stale[0].id} is of an earlier registration than {unit.upload}"
            named.append(Named(unit.hardware_id, Wrong.STALE, text))
        elif devices and unit.row in CONFIRMABLE:
            sure = len(devices) == 1 and not devices[0].cloned and devices[0].online
            seen[unit.unit] = RowState.ONLINE if sure else RowState.PREREGISTERED
    moved = book.confirm_rows(lot, seen, source=cloud.server)
    rows = Counter(unit.row for unit in book.passed_units(lot))
    return Confirmed(lot, len(units), rows, moved, tuple(named), listing.whole)


def _by_id(devices: Sequence[Device]) -> Mapping[str, list[Device]]:
    found: defaultdict[str, list[Device]] = defaultdict(list)
    for device in devices:
        found[device.hardware_id].append(device)
        folded = device.hardware_id.casefold()
        if folded != device.hardware_id:
            found[_alike(folded)].append(device)
    return dict(found)


def _alike(folded: str) -> str:
    """The key of ids that differ only by case; no hardware id has a blank."""
    return f" {folded}"


def _judge(
    unit: PassedUnit,
    devices: Sequence[Device],
    found: Mapping[str, list[Device]],
    declared: Sequence[ServiceEntry],
    *,
    online: bool,
) -> Iterator[Named]:
    def named(wrong: Wrong, text: str) -> Named:
        return Named(unit.hardware_id, wrong, text)

    if unit.row is RowState.UNLISTED:
        yield named(Wrong.UNLISTED, "is in the cloud already" if devices else "is in no upload yet")
        return
    if unit.row not in CONFIRMABLE:
        where = "the cloud has it all the same" if devices else "the cloud does not have it"
        yield named(Wrong.REFUSED, f"{unit.row} in {unit.upload}; {where}")
        return
    if not devices:
        yield named(Wrong.MISSING, _missing(unit, found))
        return
    if len(devices) > 1:
        yield named(Wrong.TWICE, f"devices {', '.join(device.id for device in devices)}")
    for device in devices:
        if device.cloned:
            yield named(Wrong.CLONED, f"device {device.id} is flagged as a clone")
        if device.name != unit.device_name:
            yield named(Wrong.MISNAMED, f'is "{device.name}" in the cloud and passed as "{unit.device_name}"')
        if device.online:
            # Services are registered when the unit comes online, and not when its registration is published.
            yield from (named(Wrong.SERVICE, text) for text in _services(device, declared))
    if online and not any(device.online for device in devices):
        last = devices[0].last_reported
        yield named(Wrong.OFFLINE, f"last heard of {last}" if last else "never heard of")


def _is_stale(device: Device, exported: datetime | None) -> bool:
    """Whether a device is older than the newest of several uploads, or may be: then the unit cannot register."""
    return exported is not None and (device.created is None or device.created < exported)


def _missing(unit: PassedUnit, found: Mapping[str, list[Device]]) -> str:
    folded = unit.hardware_id.casefold()
    alike = [*found.get(_alike(folded), []), *found.get(folded, [])]
    if alike:
        return f"is not in the cloud; {alike[0].hardware_id} is, which differs only by case"
    return "is not in the cloud"


def _services(device: Device, declared: Sequence[ServiceEntry]) -> Iterator[str]:
    there = {service.name: service for service in device.services}
    for entry in declared:
        service = there.get(entry.name)
        if service is None:
            names = ", ".join(sorted(there)) or "none"
            yield f"has no service {entry.name}; it has: {names}"
        elif not service.enabled:
            yield f"its service {entry.name} is disabled"
        elif service.port is not None and service.port != entry.port:
            yield f"its service {entry.name} is on port {service.port} and declared on {entry.port}"
