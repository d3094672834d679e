"""What Xyte is told of a device, and what it gives back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from factory.clouds.errors import CloudReplyDamaged
from factory.secrets import Secret
from factory.values import Identity

HUBS = ("hub_url", "hub_url_static_cert", "mqtt_hub_url")
_DETAIL = "details."
_FIELDS = ("cloud_id", "sn", "mac", "firmware_version", "sub_model", "parent_id")
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class DeviceKey:
    """What a registered device authenticates with, shown once (Xyte reference, section 2.2): its `id`, its access key,
    and the hubs' addresses by the reply's names.
    """

    id: str
    access_key: Secret
    hubs: Mapping[str, str]

    @property
    def hub_url(self) -> str:
        """Where the device talks to; empty where the reply named none, as for children."""
        return self.hubs.get("hub_url", "")

    @property
    def fingerprint(self) -> str:
        """A name for the access key that the ledger may keep: 16 hex digits of its SHA-256. The key is random."""
        return hashlib.sha256(b"factory/xyte-access-key/1|" + self.access_key.reveal().encode()).hexdigest()[:16]

    def as_json(self) -> dict[str, object]:
        """With the key in it: for the key store alone."""
        return {"id": self.id, "access_key": self.access_key.reveal(), **self.hubs}

    @classmethod
    def of(cls, data: Mapping[str, object]) -> DeviceKey:
        """Read a reply, or what `as_json` made. Raises CloudReplyDamaged for one without an id or a key."""
        texts = {name: data.get(name) for name in ("id", "access_key")}
        for name, value in texts.items():
            if not _is_word(value) or value == "null":
                raise CloudReplyDamaged(f"the reply has no {name}", code="xyte.no-id")
        hubs = {name: value for name in HUBS if _is_word(value := data.get(name)) and isinstance(value, str)}
        return cls(str(texts["id"]), Secret(str(texts["access_key"])), hubs)


def fingerprint_of(hardware_key: Secret) -> str:
    """A name for a batch's hardware key that the ledger may keep; the key is a random UUID."""
    return hashlib.sha256(b"factory/xyte-hardware-key/1|" + hardware_key.reveal().encode()).hexdigest()[:32]


def request_of(identity: Identity) -> dict[str, object]:
    """The request's fields for a unit, without the hardware key (Xyte reference, section 2.1)."""
    return request_from(identity.registration, identity.device_name.text)


def request_from(registration: Mapping[str, str], name: str) -> dict[str, object]:
    """The same from the values of an identity, as the ledger keeps them."""
    request: dict[str, object] = {field: registration[field] for field in _FIELDS if field in registration}
    request["name"] = name
    details = {
        key.removeprefix(_DETAIL): value for key, value in sorted(registration.items()) if key.startswith(_DETAIL)
    }
    if details:
        request["details"] = details
    return request


def encoded(body: object) -> bytes:
    """JSON as it goes out, counted in bytes."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def _is_word(value: object) -> bool:
    """A text that may stand in a header, a path or a file: printable ASCII without blanks."""
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST:
        return False
    return value.isascii() and value.isprintable() and " " not in value
