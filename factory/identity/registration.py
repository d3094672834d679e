"""What a cloud knows a unit by beside its id and name: one rule per profile, worked out as expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from factory.config import BulkRegistration, PackageRegistration, RegistrationSection
from factory.identity.expressions import Expression
from factory.values import BulkIdentificationCode, CloudId, Mac, SerialNumber

Parser = Callable[[str], str]
"""Checks a value and returns it as the cloud wants it. Raises InvalidValue."""


@dataclass(frozen=True, slots=True)
class Particulars:
    """A profile's part of an identity: the code of the product, whether a unit has a registration key, and the values
    that each unit has of its own, in the order in which they are worked out.
    """

    code: BulkIdentificationCode | None = None
    has_key: bool = False
    values: Mapping[str, tuple[Expression, Parser]] = field(default_factory=dict)


def particulars(section: RegistrationSection) -> Particulars:
    """Compile what a profile asks of every unit. Raises UsageError for an expression that cannot be compiled."""
    if isinstance(section, BulkRegistration):
        return Particulars(BulkIdentificationCode.parse(section.bulk_identification_code), has_key=True)
    if isinstance(section, PackageRegistration):
        return Particulars()  # every unit sends the same code, and its own MAC address by itself
    return Particulars(
        values={
            "sn": (Expression("registration.sn", section.sn), lambda text: SerialNumber.parse(text).text),
            # One spelling for all: what the cloud does with another one is unknown (Xyte reference, section 14).
            "mac": (Expression("registration.mac", section.mac), lambda text: Mac.parse(text).colons),
            "cloud_id": (Expression("registration.cloud_id", section.cloud_id), lambda text: CloudId.parse(text).text),
        }
    )
