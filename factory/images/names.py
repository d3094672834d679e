"""What a template may use: plain texts, so that nothing in it can reach further."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from factory.config import BulkRegistration, PackageRegistration, RegistrationSection
from factory.secrets import Secret
from factory.values import Identity


@dataclass(frozen=True, slots=True)
class Registered:
    """What all units of a product have in common towards their cloud. `traits` are what template.toml may choose
    files by; `texts` are public, `secrets` are not.
    """

    traits: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)


def registered(section: RegistrationSection | None, folder: Path) -> Registered:
    """Read what [registration] says, with its secrets; `folder` is where their relative paths start.

    Raises SecretError.
    """
    if section is None:
        return Registered()
    traits = {"profile": section.profile}
    if isinstance(section, BulkRegistration):
        return Registered(traits, {"code": section.bulk_identification_code})
    if isinstance(section, PackageRegistration):
        if section.registration_code is None:
            # An empty file says: do not register yet (remote.it reference, section 3).
            return Registered(traits, {"code": ""})
        return Registered(traits, {}, {"code": section.registration_code.resolve(folder)})
    secrets: dict[str, Secret] = {}
    if section.registers == "unit":
        # A station that registers by itself keeps the batch's key: no unit that is opened gives it away.
        secrets["hardware_key"] = section.hardware_key.resolve(folder)
    return Registered({**traits, "registers": section.registers}, {"server": section.server}, secrets)


def template_names(identity: Identity, product: str, common: Registered) -> dict[str, object]:
    """The names of one unit. What its profile does not have is left out, and so refused where a template uses it."""
    names: dict[str, object] = {
        "hardware_id": identity.hardware_id.text,
        "device_name": identity.device_name.text,
        "categories": {letter: value.text for letter, value in identity.categories.items()},
        "mac": {name: mac.plain for name, mac in identity.macs.items()},
        "product": product,
        "registration": {
            **common.traits,
            **common.texts,
            **identity.registration,
            **{name: secret.reveal() for name, secret in (*common.secrets.items(), *identity.secrets.items())},
        },
    }
    if identity.registration_key is not None:
        names["registration_key"] = identity.registration_key.text
    if identity.bulk_identification_code is not None:
        names["bulk_identification_code"] = identity.bulk_identification_code.text
    if identity.serial is not None:
        names["serial"] = identity.serial
    return names


def without_secrets(text: str, identity: Identity, common: Registered) -> str:
    """`text` with every secret of the unit and its product masked."""
    for secret in (*identity.hidden, *common.secrets.values()):
        text = text.replace(secret.reveal(), "***")
    return text


def missing(needs: tuple[str, ...], names: Mapping[str, object]) -> Iterator[str]:
    """Those of `needs` (dotted names) that a unit does not have."""
    for need in needs:
        value: object = names
        for part in need.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is None:
            yield need
