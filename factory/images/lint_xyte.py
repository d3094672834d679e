"""The folder of an agent for Xyte: who the unit is, and the one key that it needs (Xyte reference, section 12)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from factory.images.lint_folder import Folder, error, masked, one_line, rights
from factory.images.tree import Kind
from factory.values import CloudId, Finding, InvalidValue, Mac, SerialNumber, Severity, sentinel

IDENTITY, HARDWARE_KEY, ACCESS_KEY = "identity.json", "hardware_key", "access_key"
_VALUES: Mapping[str, Callable[[str], object]] = {
    "sn": SerialNumber.parse,
    "mac": Mac.parse,
    "cloud_id": CloudId.parse,
}
_OF_A_REGISTERED_UNIT = ("id", "hub_url")


def lint_xyte(folder: Folder) -> tuple[Mapping[str, str], tuple[Finding, ...]]:
    """The identity in the agent's folder, its keys masked, and every finding."""
    found: list[Finding] = []
    identity = _identity(folder, found)
    for name in (HARDWARE_KEY, ACCESS_KEY):
        key = one_line(folder, name, found)
        if key is not None:
            identity[name] = masked(key)
            found.extend(_key(folder.place(name), key))
    found.extend(_either(folder, identity))
    found.extend(rights(folder, frozenset((HARDWARE_KEY, ACCESS_KEY))))
    return identity, tuple(found)


def _identity(folder: Folder, found: list[Finding]) -> dict[str, str]:
    member, place = folder.members.get(IDENTITY), folder.place(IDENTITY)
    if member is None or member.kind is not Kind.FILE or member.content is None:
        found.append(error("IMG-MISSING", place, "is missing" if member is None else "is no regular file"))
        return {}
    if b"\r" in member.content:
        found.append(error("CHR-CR", place, "holds a carriage return", "Save it with LF line ends."))
    if not member.content.endswith(b"\n"):
        found.append(error("IMG-NEWLINE", place, "has no newline at its end"))
    try:
        data = json.loads(member.content)
    except (ValueError, RecursionError):
        found.append(error("IMG-JSON", place, "is no JSON"))
        return {}
    if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
        found.append(error("IMG-JSON", place, "is no JSON object of texts"))
        return {}
    for name in (HARDWARE_KEY, ACCESS_KEY):
        if name in data:
            message = f"holds the {name.replace('_', ' ')}, which belongs into a file of mode 0600"
            found.append(error("IMG-SECRET", place, message))
            data[name] = masked(data[name])
    found.extend(_values(place, data))
    return data


def _values(place: str, data: Mapping[str, str]) -> Iterator[Finding]:
    if not data.get("server", "").startswith("https://"):
        yield error("IMG-MISSING", place, "has no server, or one that is not reached by https")
    for name, parse in _VALUES.items():
        if name not in data and name == "cloud_id":
            hint = "A model with the method MAC & Serial Number needs none; any other does."
            yield Finding("IMG-MISSING", Severity.WARNING, place, "has no cloud_id", hint)
            continue
        if name not in data:
            yield error("IMG-MISSING", place, f"has no {name}")
            continue
        try:
            parse(data[name])
        except InvalidValue as wrong:
            yield error(wrong.code, place, f"{name}: {wrong.message}", wrong.hint)


def _key(place: str, key: str) -> Iterator[Finding]:
    reason = sentinel(key)
    if reason:
        yield error("ID-SENTINEL", place, reason)
    elif " " in key:
        yield error("ID-CHR", place, "holds a blank: is it the key alone?")


def _either(folder: Folder, identity: Mapping[str, str]) -> Iterator[Finding]:
    by_itself, by_station = HARDWARE_KEY in folder.members, ACCESS_KEY in folder.members
    if by_itself and by_station:
        message = "is there beside an access key: a unit that is registered already must not have it"
        yield error("IMG-SECRET", folder.place(HARDWARE_KEY), message)
    elif not by_itself and not by_station:
        message = "is missing, and so is an access key: the unit can neither register nor report"
        yield error("IMG-MISSING", folder.place(HARDWARE_KEY), message)
    if by_station:
        for name in _OF_A_REGISTERED_UNIT:
            if not identity.get(name):
                yield error("IMG-MISSING", folder.place(IDENTITY), f"has no {name} beside the access key")
