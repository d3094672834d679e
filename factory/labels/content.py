"""What a label's template may name: the unit's public identity, its lot, the label's own code, the maker's texts.

No secret is among them: neither registration key nor access key is ever put onto a label.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from factory.config import Product
from factory.values import LabelCode
from factory.values.label import nonce_of

_SAMPLE_ID = "b827eb010203"
_SAMPLE: Mapping[str, Any] = {
    "hardware_id": _SAMPLE_ID,
    "device_name": "router b827eb010203",
    "serial": "00000000a1b2c3d4",
    "macs": {"eth0": "b8:27:eb:01:02:03", "wlan0": "b8:27:eb:01:02:04"},
    "categories": {},
    "registration": {},
}


def new_nonce() -> str:
    """A nonce that no label ever had."""
    return nonce_of(secrets.token_bytes(8))


def label_names(
    product: Product, identity: Mapping[str, Any], *, lot: str, made: datetime, code: LabelCode
) -> dict[str, Any]:
    """The names of a unit's label. `identity` is Identity.public(); `made` is when its attempt began. What the unit
    does not have is not there, so that a template which names it is told.
    """
    section = product.label
    assert section is not None
    return _base(identity) | {
        "product": product.product.name,
        "description": product.product.description,
        "lot": lot,
        "made": f"{made.astimezone(UTC):%Y-%m-%d}",
        "code": code.text,
        "code_for_people": code.for_people,
        "text": dict(section.texts),
        "copies": section.copies,
    }


def sample_names(product: Product) -> dict[str, Any]:
    """The same for a unit that does not exist, with every interface, category and registration value that a template
    may ask for.
    """
    code = LabelCode.of(nonce_of(bytes(range(8))), _SAMPLE_ID)
    names = label_names(product, _SAMPLE, lot="2026-11-A", made=datetime(2026, 11, 21, tzinfo=UTC), code=code)
    for group, value in (("mac", "b8:27:eb:01:02:05"), ("category", "SAMPLE"), ("registration", "SAMPLE")):
        names[group] = _Any(names[group], value)
    return names


class _Any(dict[str, str]):
    """A group in which every name has a value."""

    def __init__(self, members: Mapping[str, str], value: str) -> None:
        super().__init__(members)
        self._value = value

    def __missing__(self, name: str) -> str:
        return self._value


def _base(identity: Mapping[str, Any]) -> dict[str, Any]:
    own = {name: identity.get(name) for name in ("hardware_id", "device_name", "serial")}
    return {name: value for name, value in own.items() if value} | {
        "mac": dict(identity.get("macs") or {}),
        "category": dict(identity.get("categories") or {}),
        "registration": dict(identity.get("registration") or {}),
    }
