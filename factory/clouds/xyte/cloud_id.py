"""Cloud ids and what their QR codes say (Xyte reference, sections 5.1 and 5.2)."""

from __future__ import annotations

import secrets
import string

from factory.values import CloudId

_ALPHABET = string.ascii_letters + string.digits
_UNIQUE = 20


def new_cloud_id(short_code: str) -> CloudId:
    """A cloud id that nobody can guess: the partner's short code and 20 random letters and digits."""
    return CloudId.parse(short_code + "".join(secrets.choice(_ALPHABET) for _ in range(_UNIQUE)))


def qr_payload(domain: str, cloud_id: str) -> str:
    """What a unit's QR code says: the address at which its customer claims it."""
    return f"https://{domain}/c/{CloudId.parse(cloud_id).text}"
