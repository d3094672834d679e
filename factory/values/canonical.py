"""Canonical JSON (RFC 8785), the form that is hashed and chained: the same value has one and only one text."""

from __future__ import annotations

import hashlib
import json
from typing import Any

_LARGEST = 2**53 - 1


def canonical(value: Any) -> bytes:
    """Return the RFC 8785 bytes of a value made of dict, list, tuple, str, int, bool and None.

    Raises TypeError for anything else: floats are left out on purpose (times are strings or whole
    milliseconds), as is an integer that does not survive a JSON reader (above 2**53 - 1).
    """
    return json.dumps(_ordered(value), separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def digest(value: Any) -> str:
    """SHA-256 of the canonical bytes, as lower-case hex."""
    return hashlib.sha256(canonical(value)).hexdigest()


def _ordered(value: Any) -> Any:
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        if abs(value) > _LARGEST:
            raise TypeError(f"integer too large for canonical JSON: {value}")
        return value
    if isinstance(value, (list, tuple)):
        return [_ordered(item) for item in value]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("canonical JSON has string keys only")
        # RFC 8785 section 3.2.3 sorts by UTF-16 code units.
        return {key: _ordered(value[key]) for key in sorted(value, key=lambda key: key.encode("utf-16-be"))}
    raise TypeError(f"not a canonical JSON value: {type(value).__name__}")
