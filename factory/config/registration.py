"""[registration]: which cloud a product's units register with, and what that cloud needs to know. One class each."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from factory.config.fields import Ascii, Name, Secret, Section
from factory.values import BulkIdentificationCode, InvalidValue

PROFILES = ("remoteit-bulk", "remoteit-package", "xyte")
_SERVER = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?")
_SHORT_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,7}")
_DOMAIN = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


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


def _short_code(text: str) -> str:
    if not _SHORT_CODE.fullmatch(text):
        raise ValueError("must be your short code from the portal: 1 to 8 letters and digits")
    return text


def _domain(text: str) -> str:
    if not _DOMAIN.fullmatch(text):
        raise ValueError('must be a host name, as in "cloud.acme.com"')
    return text.lower()


def _uuid(text: str) -> str:
    if not _UUID.fullmatch(text):
        raise ValueError("must be of the form 8-4-4-4-12 hex digits")
    return text.lower()


class XyteRegistration(Section):
    """Xyte (Xyte reference, sections 2, 5, 6 and 12). `registers` says who does: the `unit` by itself, with the
    batch's hardware key on it, or the `station`, which puts the unit's own access key there.

    `sn` to `details` are expressions; `authentication` is that of the model in the portal. `firmware_version` has to be
    there for whoever registers; an empty `cloud_id` means that units have none, as `mac-sn` allows. `sub_models` are
    the names that the portal knows. Cloud ids are made of `short_code`; `domain` is that of the end customers' portal,
    for QR codes. `expected_units` is the device count that was entered for the hardware key. `hub` and `partner_key`
    are for looking after lost replies; `bulk` registers 25 per request.
    """

    profile: Literal["xyte"] = "xyte"
    registers: Literal["unit", "station"] = "unit"
    authentication: Literal["cloud-id", "mac-sn"] = "cloud-id"
    server: Annotated[str, AfterValidator(_server)] = "https://entry.xyte.io"
    hub: Annotated[str, AfterValidator(_server)] = "https://hub.xyte.io"
    hardware_key: Secret
    expected_units: Annotated[int, Field(ge=1)] | None = None
    partner_key: Secret | None = None
    sn: Name = "{{ facts.serial }}"
    mac: Name = "{{ mac.eth0 }}"
    cloud_id: Ascii = "{{ assigned.cloud_id }}"
    firmware_version: Name | None = None
    sub_model: Name | None = None
    sub_models: tuple[Name, ...] = ()
    parent_id: Annotated[str, AfterValidator(_uuid)] | None = None
    details: dict[Name, Ascii] = Field(default_factory=dict)
    short_code: Annotated[str, AfterValidator(_short_code)] | None = None
    domain: Annotated[str, AfterValidator(_domain)] | None = None
    bulk: bool = False

    @model_validator(mode="after")
    def _cloud_id_is_there(self) -> Self:
        if not self.cloud_id and self.authentication == "cloud-id":
            raise ValueError('cloud_id must not be empty, unless authentication = "mac-sn"')
        return self

    @model_validator(mode="after")
    def _station_knows_the_firmware(self) -> Self:
        if self.registers == "station" and self.firmware_version is None:
            raise ValueError('registers = "station" needs firmware_version: Xyte refuses a unit without one')
        return self


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
