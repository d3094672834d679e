"""Identity: what the cloud will know a unit by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from factory.secrets import Secret
from factory.values.mac import Mac
from factory.values.names import BulkIdentificationCode, Category, DeviceName, HardwareId, RegistrationKey


@dataclass(frozen=True, slots=True)
class Identity:
    """A checked identity. `macs` are the addresses that must be unique in the ledger, by interface name;
    `categories` has the portal's letters A to J as keys; `serial` is the board's own, where it has one.
    `registration_key` and `bulk_identification_code` belong to remote.it Bulk Registration and are None for any other
    cloud, which has in `registration` what it knows this unit by (`sn`, `mac`, `cloud_id`), and in `secrets` what of
    that nobody may see (`access_key`).
    `key_parts` are the facts, order columns and assigned values that the registration key was made of, by their
    names in expressions: without them the ledger could not make that key again. It is empty for a key that is
    derived from the hardware id or made of addresses.
    """

    hardware_id: HardwareId
    registration_key: RegistrationKey | None
    device_name: DeviceName
    bulk_identification_code: BulkIdentificationCode | None
    macs: Mapping[str, Mac]
    serial: str | None = None
    categories: Mapping[str, Category] = field(default_factory=dict)
    key_version: int = 1
    key_parts: Mapping[str, str] = field(default_factory=dict)
    registration: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)

    @property
    def hidden(self) -> tuple[Secret, ...]:
        """Everything of this identity that must not be shown."""
        key = () if self.registration_key is None else (Secret(self.registration_key.text),)
        return (*key, *self.secrets.values())

    def public(self) -> dict[str, object]:
        """The identity without its secrets, for manifests, events and tables."""
        code = self.bulk_identification_code
        public: dict[str, object] = {
            "hardware_id": self.hardware_id.text,
            "device_name": self.device_name.text,
            "bulk_identification_code": None if code is None else code.text,
            "macs": {name: mac.colons for name, mac in sorted(self.macs.items())},
            "serial": self.serial,
            "categories": {letter: value.text for letter, value in sorted(self.categories.items())},
            "key_version": self.key_version,
        }
        if self.key_parts:
            public["key_parts"] = dict(sorted(self.key_parts.items()))
        if self.registration:
            public["registration"] = dict(sorted(self.registration.items()))
        return public
