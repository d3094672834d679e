"""What the cloud has of a device against what it was told."""

from __future__ import annotations

from collections.abc import Mapping

from factory.values import InvalidValue, Mac


def differences(info: Mapping[str, object], sent: Mapping[str, object]) -> list[str]:
    """What the cloud's record of a device says otherwise than it was told; what it does not say is no difference."""
    partner = info.get("partner")
    told = {**info, **partner} if isinstance(partner, Mapping) else info
    wrong = []
    for name in ("sn", "mac", "cloud_id", "firmware_version"):
        want, have = sent.get(name), told.get(name)
        if have in (None, "") or want is None:
            continue
        if have != want and not (name == "mac" and _same_mac(str(have), str(want))):
            wrong.append(f"{name} is {str(have)[:80]!r} there and {want!r} here")
    return wrong


def _same_mac(one: str, other: str) -> bool:
    try:
        return Mac.parse(one) == Mac.parse(other)
    except InvalidValue:
        return False
