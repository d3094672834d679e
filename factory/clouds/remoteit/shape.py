"""Reading a reply field by field: what is not of the documented shape is an error and never an empty value."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from factory.clouds.errors import CloudReplyDamaged, said

Object = Mapping[str, Any]


def damaged(what: str) -> CloudReplyDamaged:
    """The error for a reply that is not as documented."""
    return CloudReplyDamaged(
        f"the cloud's reply is not as documented: {what}",
        hint="The cloud may have changed: please report it, docs/reporting.md says how.",
    )


def object_in(document: object, name: str) -> Object:
    """The object that a field holds. Raises CloudReplyDamaged."""
    value = document.get(name) if isinstance(document, Mapping) else None
    if not isinstance(value, Mapping):
        raise damaged(f"{name} is no object")
    return value


def objects_in(document: Object, name: str) -> list[Object]:
    """The list of objects that a field holds; null is none. Raises CloudReplyDamaged."""
    value = document.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise damaged(f"{name} is no list of objects")
    return value


def text_in(document: Object, name: str, *, required: bool = True) -> str:
    """The text that a field holds, as it is; '' for null where it is not required. Raises CloudReplyDamaged."""
    value = document.get(name)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or (required and not value):
        raise damaged(f"{name} is no text" if value else f"{name} is missing")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise damaged(f"{name} holds half a character")
    return value


def whole_in(document: Object, name: str) -> int | None:
    """The whole number that a field holds, also as a text; None for null. Raises CloudReplyDamaged."""
    value = document.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 15:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise damaged(f"{name} is no whole number: {said(value, 40)}")
    return value


def moment_in(document: Object, name: str) -> datetime | None:
    """The time that a field holds, ISO 8601, in UTC where no zone is said; None for null. Raises CloudReplyDamaged."""
    text = text_in(document, name, required=False)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise damaged(f"{name} is no time: {said(text, 40)}") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def flag_in(document: Object, name: str, default: bool | None = None) -> bool:
    """The truth that a field holds; `default` for null. Raises CloudReplyDamaged."""
    value = document.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, bool):
        raise damaged(f"{name} is neither true nor false")
    return value
