"""Registration keys: derived from one secret per product, so that there is no list of keys to lose."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from pathlib import Path

from factory.config import KeySection
from factory.secrets import Secret, SecretError
from factory.values import HardwareId, RegistrationKey

MINIMUM_SECRET = 16
"""Bytes that a master secret must have at least."""

_FINGERPRINT = b"factory/registration-key-fingerprint/1"


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where a product's registration keys come from. `version` is that of the secret, 0 where there is none;
    `length` is in characters. It shows nothing of the secret, and may be pickled into the workers of a batch.
    """

    version: int
    length: int
    _secret: Secret | None = field(repr=False)

    @classmethod
    def open(cls, section: KeySection | None, folder: Path) -> KeySource:
        """Fetch the master secret that [identity.key] refers to; `folder` is where its relative paths start.

        Without a section the source derives nothing. Raises SecretError when the secret cannot be fetched or has
        fewer than 16 bytes.
        """
        if section is None:
            return cls(0, 0, None)
        secret = section.secret.resolve(folder)
        if len(secret.reveal().encode()) < MINIMUM_SECRET:
            raise SecretError(
                f"the master secret {section.secret} has fewer than {MINIMUM_SECRET} bytes",
                hint="Every key of the product can be computed from it: make one with `openssl rand -hex 32`.",
            )
        return cls(section.version, section.length, secret)

    @property
    def can_derive(self) -> bool:
        """True when there is a secret to derive keys from."""
        return self._secret is not None

    def derive(self, product: str, hardware_id: HardwareId) -> RegistrationKey:
        """The key of one unit: HMAC-SHA256 over version, product and hardware id, as lower-case base32 without
        padding, cut to `length` (spreadsheet reference, section 12). Raises SecretError without a secret.
        """
        if self._secret is None:
            raise SecretError("there is no secret to derive keys from", hint="Add [identity.key] to product.toml.")
        message = f"v{self.version}|{product}|{hardware_id.text}".encode()
        mac = hmac.digest(self._secret.reveal().encode(), message, hashlib.sha256)
        return RegistrationKey.parse(base64.b32encode(mac).decode().rstrip("=").lower()[: self.length])

    def fingerprint(self, key: RegistrationKey) -> str:
        """A name for a key that the ledger may keep: 32 hex digits that do not lead back to the key.

        It is keyed by the master secret. Without one it is keyed by the key itself, which hides a long random key
        as well, but not a constant or a MAC address; such keys stand on labels anyway.
        """
        secret = key.text if self._secret is None else self._secret.reveal()
        return hmac.digest(secret.encode(), _FINGERPRINT + b"|" + key.text.encode(), hashlib.sha256).hex()[:32]
