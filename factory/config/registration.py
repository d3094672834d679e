"""[registration]: which cloud a product's units register with, and what that cloud needs to know. One class each."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from factory.config.fields import Name, Secret, Section
from factory.values import BulkIdentificationCode, InvalidValue

PROFILES = ("remoteit-bulk", "remoteit-package", "xyte")
_SERVER = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?")


def _code(text: str) -> str:
    try:
        return BulkIdentificationCode.parse(text).text
    except InvalidValue as error:
        raise ValueError(f"{error.message}. {error.hint}") from error


def _server(text: str) -> str:
    if not _SERVER.fullmatch(text):
        raise ValueError('must be an address without a path, as in "https://entry.xyte.io"')
    return text


class ServiceEntry(Section):
    """One service of the portal's product; kept so that the cloud can be asked for it later."""

    name: Name
    type: Name
    port: Annotated[int, Field(ge=1, le=65535)]


class _RemoteIt(Section):
    """remote.it's account API: where it answers, and whether the body's length is signed too (section 6.1 of the
    remote.it reference: published clients differ, and the server seems to take either).
    """

    server: Annotated[str, AfterValidator(_server)] = "https://api.remote.it"
    sign_content_length: bool = True


class BulkRegistration(_RemoteIt):
    """remote.it Bulk Registration: the package connectd and an upload file (remote.it reference, sections 1 and 2)."""

    profile: Literal["remoteit-bulk"] = "remoteit-bulk"
    bulk_identification_code: Annotated[str, AfterValidator(_code)]
    services: tuple[ServiceEntry, ...] = ()


class PackageRegistration(_RemoteIt):
    """remote.it's successor package: one code for all units, no upload file (remote.it reference, section 3).

    Whoever has the code can add devices to the account, so it is a secret. Without one the unit's file is empty,
    which tells the package not to register yet.
    """

    profile: Literal["remoteit-package"] = "remoteit-package"
    registration_code: Secret | None = None


class XyteRegistration(Section):
    """Xyte (Xyte reference, sections 2, 5, 6 and 12). `registers` says who does: the `unit` by itself, with the
    batch's hardware key on it, or the `station`, which puts the unit's own access key there.
    """

    profile: Literal["xyte"] = "xyte"
    registers: Literal["unit", "station"] = "unit"
    server: Annotated[str, AfterValidator(_server)] = "https://entry.xyte.io"
    hardware_key: Secret
    sn: Name = "{{ facts.serial }}"
    mac: Name = "{{ mac.eth0 }}"
    cloud_id: Name = "{{ assigned.cloud_id }}"


def _profile(value: Any) -> Any:
    """The tag of the union below; a file without a profile is one of the first."""
    return value.get("profile", PROFILES[0]) if isinstance(value, dict) else getattr(value, "profile", None)


RegistrationSection = Annotated[
    Annotated[BulkRegistration, Tag("remoteit-bulk")]
    | Annotated[PackageRegistration, Tag("remoteit-package")]
    | Annotated[XyteRegistration, Tag("xyte")],
    Discriminator(
        _profile,
        custom_error_type="profile",
        custom_error_message=f"profile must be one of {', '.join(PROFILES)}",
    ),
]
"""Any of the three; `profile` says which."""
