"""Canonical JSON (RFC 8785), the form that is hashed and chained: the same value has one and only one text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_LARGEST = 2**53 - 1
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, sort_keys=True).encode
_encode_as_ordered = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def canonical(value: Any) -> bytes:
    """Return the RFC 8785 bytes of a value made of dict, list, tuple, str, int, bool and None.

    Raises TypeError for anything else: floats are left out on purpose (times are strings or whole
    milliseconds), as is an integer that does not survive a JSON reader (above 2**53 - 1).
    """
    # By code point and by UTF-16 code unit is the same order as long as all keys are ASCII, and that is usual.
    text = _encode(value) if _checked(value) else _encode_as_ordered(_ordered(value))
    return text.encode("utf-8")


def canonical_with(value: Mapping[str, Any], name: str, text: bytes) -> bytes:
    """The canonical bytes of a dict with ASCII keys and one member more, whose own canonical bytes are `text`."""
    before = canonical({key: one for key, one in value.items() if key < name})[:-1]
    after = canonical({key: one for key, one in value.items() if key > name})[1:]
    start = before + (b"," if len(before) > 1 else b"")
    return start + canonical(name) + b":" + text + (b"," if len(after) > 1 else b"") + after


def digest(value: Any) -> str:
    """SHA-256 of the canonical bytes, as lower-case hex."""
    return hashlib.sha256(canonical(value)).hexdigest()


def _checked(value: Any) -> bool:
    """Whether all keys in an allowed value are ASCII. Raises TypeError for a value that is not allowed."""
    if value is None or isinstance(value, (str, bool)):
        return True
    if isinstance(value, int):
        if abs(value) > _LARGEST:
            raise TypeError(f"integer too large for canonical JSON: {value}")
        return True
    if isinstance(value, dict):
        plain = True
        for key, one in value.items():
            if not isinstance(key, str):
                raise TypeError("canonical JSON has string keys only")
            plain = _checked(one) and key.isascii() and plain
        return plain
    if isinstance(value, (list, tuple)):
        return all([_checked(one) for one in value])  # noqa: C419 - each one is looked at
    raise TypeError(f"not a canonical JSON value: {type(value).__name__}")


def _ordered(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_ordered(item) for item in value]
    if isinstance(value, dict):
        # RFC 8785 section 3.2.3 sorts by UTF-16 code units.
        return {key: _ordered(value[key]) for key in sorted(value, key=lambda key: key.encode("utf-16-be"))}
    return value
