"""What a unit claims to be, against what the ledger knows: the rules of admission, pure.

An identity belongs to a unit, an attempt holds a lease on it. The rules stand in `judge` and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from factory.ledger.order_records import folded
from factory.ledger.records import Attempt
from factory.values import AttemptState, DeviceName, Facts, HardwareId, Identity, Mac, UnitState, sentinel

MAC = "mac"
SERIAL = "serial"
HARDWARE_ID = "hardware-id"
FOLDED = "hardware-id-folded"
DEVICE_NAME = "device-name"
CLOUD_ID = "cloud-id"

Value = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Claim:
    """What is claimed: `values` must be the unit's alone; `serial` is the board's, None when it says nothing.

    `names` gives what stands beside a value: a MAC's interface, the serial as it is compared; `shown` is all that the
    unit showed, for finding it again.
    """

    values: frozenset[Value]
    serial: str | None
    names: Mapping[Value, str]
    shown: frozenset[Value]

    @property
    def owned(self) -> frozenset[Value]:
        """The values that become the unit's own."""
        return self.values | ({(SERIAL, self.serial)} if self.serial else set())


@dataclass(frozen=True, slots=True)
class Owner:
    """A unit that owns something of what is claimed; `last` is its newest attempt."""

    unit: int
    state: UnitState
    serial: str | None
    values: frozenset[Value]
    last: Attempt


class Verdict(Enum):
    """What comes of a claim."""

    NEW = "a unit never seen"
    AGAIN = "the next attempt on a known unit"
    ASK = "the operator has to say whether it is the same unit"
    PASSED = "already done"
    CLOSED = "in quarantine, or scrapped"
    IN_WORK = "another attempt holds the lease"
    OTHER_BOARD = "same values, another board serial"
    PARTIAL = "only a part of the values is another unit's"
    NOT_SAME = "the operator says that it is another unit"


def claim_of(identity: Identity, facts: Facts) -> Claim:
    """The claim of an identity. A placeholder serial compares nothing and counts as none."""
    names = {(MAC, mac.plain): name for name, mac in identity.macs.items()}
    ids = hardware_id_values(identity.hardware_id)
    serial = identity.serial if identity.serial and not sentinel(identity.serial) else None
    beside = {**names, (SERIAL, serial): folded(serial)} if serial else names
    return Claim(frozenset(names) | ids, serial, beside, shown_by(facts, identity))


def hardware_id_values(hardware_id: HardwareId) -> frozenset[Value]:
    """A hardware id as it is and folded: two that differ in case or separators only are refused side by side."""
    return frozenset({(HARDWARE_ID, hardware_id.text), (FOLDED, hardware_id.folded)})


def name_value(name: DeviceName) -> Value:
    """A device name as it is compared: without regard to case."""
    return (DEVICE_NAME, name.text.casefold())


def shown_by(facts: Facts | None, identity: Identity | None) -> frozenset[Value]:
    """Everything that a unit may be found by later, as it showed it."""
    macs: set[Mac] = set()
    shown: set[Value] = set()
    if facts:
        macs |= set(facts.interfaces.values())
        if facts.serial:
            shown.add((SERIAL, facts.serial))
    if identity:
        macs |= set(identity.macs.values())
        shown |= hardware_id_values(identity.hardware_id)
        # As it is and as it is compared: found again in any case.
        shown |= {(DEVICE_NAME, identity.device_name.text), name_value(identity.device_name)}
        if identity.serial:
            shown.add((SERIAL, identity.serial))
        if "cloud_id" in identity.registration:
            shown.add((CLOUD_ID, identity.registration["cloud_id"]))
    return frozenset(shown | {(MAC, mac.plain) for mac in macs})


def judge(claim: Claim, owners: tuple[Owner, ...], same_unit: bool | None) -> Verdict:
    """Apply the rules to a claim and the units that own any of its values.

    `same_unit` is the operator's answer where no serial can be compared; None when nobody was asked yet.
    """
    if not owners:
        return Verdict.NEW
    owner = owners[0]
    if len(owners) > 1 or owner.values != claim.values:
        return Verdict.PARTIAL
    if claim.serial and owner.serial and claim.serial != owner.serial:
        return Verdict.OTHER_BOARD
    if owner.last.state not in (AttemptState.FAILED, AttemptState.PASSED, AttemptState.UNKNOWN):
        return Verdict.IN_WORK
    if owner.state in (UnitState.QUARANTINED, UnitState.SCRAPPED):
        return Verdict.CLOSED
    if owner.state not in (UnitState.OPEN, UnitState.REWORK):
        return Verdict.PASSED
    if claim.serial and owner.serial:
        return Verdict.AGAIN
    if same_unit is None:
        return Verdict.ASK
    return Verdict.AGAIN if same_unit else Verdict.NOT_SAME


def in_words(values: Iterable[Value]) -> str:
    """Values for a message: 'hardware id X and MAC aa:bb:cc:dd:ee:ff'."""
    words = {HARDWARE_ID: "hardware id", MAC: "MAC", SERIAL: "serial"}
    order = list(words)
    values = set(values)
    spelled = {value for kind, value in values if kind == HARDWARE_ID}
    told = [
        f"{words[kind]} {Mac.parse(value).colons if kind == MAC else value}"
        for kind, value in sorted(values, key=lambda item: (order.index(item[0]) if item[0] in order else 9, item[1]))
        if kind in words
    ]
    # The folded form is told only where it is what collides: the ids differ in case or separators.
    if not spelled and any(kind == FOLDED for kind, _ in values):
        told.insert(0, "the hardware id (but for case and separators)")
    return " and ".join((", ".join(told[:-1]), told[-1])) if len(told) > 1 else "".join(told)
