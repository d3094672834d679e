"""Cloud ids and their QR codes (Xyte reference, sections 5.1 and 5.2)."""

from __future__ import annotations

import io
import secrets
import string

from factory.values import CloudId

_ALPHABET = string.ascii_letters + string.digits
_UNIQUE = 20
_BORDER = 4  # modules of quiet zone that the standard asks for


def new_cloud_id(short_code: str) -> CloudId:
    """A cloud id that nobody can guess: the partner's short code and 20 random letters and digits."""
    return CloudId.parse(short_code + "".join(secrets.choice(_ALPHABET) for _ in range(_UNIQUE)))


def qr_payload(domain: str, cloud_id: str) -> str:
    """What a unit's QR code says: the address at which its customer claims it."""
    return f"https://{domain}/c/{CloudId.parse(cloud_id).text}"


def qr_images(payload: str, *, scale: int = 10) -> dict[str, bytes]:
    """The QR code as files by their suffix, `svg` and `png`; `scale` is the pixels of a module."""
    import segno

    code = segno.make(payload, error="m", micro=False)
    images: dict[str, bytes] = {}
    for kind in ("svg", "png"):
        stream = io.BytesIO()
        code.save(stream, kind=kind, scale=scale, border=_BORDER)
        images[kind] = stream.getvalue()
    return images
