"""What a cloud knows a unit by beside its id and name: one rule per profile, worked out as expressions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from factory.config import BulkRegistration, PackageRegistration, RegistrationSection, XyteRegistration
from factory.identity.expressions import Expression
from factory.values import BulkIdentificationCode, CloudId, InvalidValue, Mac, SerialNumber, shown
from factory.values.characters import require_ascii

_SEMVER = re.compile(
    r"(?:0|[1-9][0-9]{0,8})(?:\.(?:0|[1-9][0-9]{0,8})){2}(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+[0-9A-Za-z.-]+)?"
)

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
    return Particulars(values=dict(_of_xyte(section)))


def _of_xyte(section: XyteRegistration) -> Iterator[tuple[str, tuple[Expression, Parser]]]:
    """What Xyte is told of a unit, by the names of the request's fields (Xyte reference, section 2.1)."""
    yield "sn", (Expression("registration.sn", section.sn), lambda text: SerialNumber.parse(text).text)
    # One spelling for all: what the cloud does with another one is unknown (Xyte reference, section 14).
    yield "mac", (Expression("registration.mac", section.mac), lambda text: Mac.parse(text).colons)
    if section.cloud_id:
        yield "cloud_id", (Expression("registration.cloud_id", section.cloud_id), lambda text: CloudId.parse(text).text)
    if section.firmware_version is not None:
        yield "firmware_version", (Expression("registration.firmware_version", section.firmware_version), _firmware)
    if section.sub_model is not None:
        models = section.sub_models
        yield "sub_model", (Expression("registration.sub_model", section.sub_model), lambda text: _one_of(text, models))
    if section.parent_id is not None:
        yield "parent_id", (Expression("registration.parent_id", section.parent_id), lambda text: text)
    for name, source in sorted(section.details.items()):
        yield f"details.{name}", (Expression(f"registration.details.{name}", source), _detail)


def _firmware(text: str) -> str:
    """A version in the form that the newer models ask for (Xyte reference, section 7)."""
    if not _SEMVER.fullmatch(text):
        raise InvalidValue(
            f"firmware version {shown(text)} is no semantic version",
            code="VAL-SEMVER",
            hint="Write three numbers, as in 1.4.0; a pre-release after '-' and a build after '+' may follow.",
        )
    return text


def _one_of(text: str, models: tuple[str, ...]) -> str:
    if not models or text in models:
        return _detail(text)
    known = ", ".join(models)
    raise InvalidValue(f"sub-model {shown(text)} is none of registration.sub_models: {known}", code="VAL-ENUM")


def _detail(text: str) -> str:
    require_ascii(text, "the value")
    return text
