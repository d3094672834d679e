"""What a request of Xyte's may hold, and the words in which it is refused (Xyte reference, sections 2, 4 and 9).

Texts marked "assumed" are this simulator's own: the vendor's are not known.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from factory.rehearsal.clouds.messages import RefusedError, body_of

NOT_AUTHORIZED = "Not authorized"
BAD_KEY = "Hardware key is invalid"
_LONGEST = 255  # assumed
_DEEPEST = 50  # assumed
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MAC = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}")
_NUMBER = r"(0|[1-9][0-9]{0,8})"
_SEMVER = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-[0-9A-Za-z.-]{{1,60}})?(\+[0-9A-Za-z.-]{{1,60}})?")
_TEXTS = ("sn", "mac", "cloud_id", "firmware_version", "name", "sub_model", "parent_id", "host_address")
_SHOWN = {
    "cloud_id": "Cloud id", "firmware_version": "Firmware version", "sub_model": "Sub model", "parent_id": "Parent",
    "host_address": "Host address",
}  # fmt: skip
SINGLE = frozenset(("hardware_key", "details", *_TEXTS))
BULK = SINGLE | {"custom_partner_name", "custom_model_name"}
CHILD = frozenset(("model_id", "firmware_version", "sn", "mac", "name", "details"))
UPDATE = frozenset(("name", "firmware_version", "sub_model", "details", "parent_id", "host_address"))
SEEN_VERSIONS = frozenset(("space_version", "config_version"))


def refused(status: int, text: str) -> RefusedError:
    """The refusal in the form of all of Xyte's."""
    return RefusedError(status, {"error": text})


async def json_of(request: Request, limit: int = 1024 * 1024) -> Any:
    """What the body says. Raises RefusedError: 413, 415 and 400 with assumed texts."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise refused(415, "Content-Type must be application/json")
    try:
        body = await body_of(request, limit)
    except RefusedError as error:
        raise refused(error.status, "Request body is too large or incomplete") from error
    try:
        found = json.loads(body.decode("utf-8"), parse_constant=_finite, parse_float=_finite)
        _check_depth(found)
        return found
    except (ValueError, RecursionError):
        raise refused(400, "Invalid JSON") from None


async def object_of(request: Request, limit: int = 1024 * 1024) -> dict[str, Any]:
    """The body, which must be an object. Raises RefusedError."""
    found = await json_of(request, limit)
    if not isinstance(found, dict):
        raise refused(400, "A JSON object is expected")
    return found


def texts_of(document: Mapping[str, Any], known: frozenset[str]) -> dict[str, str | None]:
    """Every text of a request, None where it is missing or blank; `details` as JSON.

    Raises RefusedError (422) for unknown fields and for values of another kind. Both are assumed.
    """
    if document.keys() - known:
        raise refused(422, f"Unknown field: {min(document.keys() - known).encode('ascii', 'replace').decode()[:60]}")
    found: dict[str, str | None] = {}
    for name in _TEXTS:
        value = document.get(name)
        if value is not None and not _is_text(value):
            raise refused(422, f"{shown(name)} is invalid")
        found[name] = value.strip() or None if value is not None else None
    mac = found["mac"]
    if mac is not None and not _MAC.fullmatch(mac):
        raise refused(422, "Mac is invalid")
    found["details"] = _details(document.get("details"))
    return found


def require(found: Mapping[str, str | None], name: str) -> str:
    """A text that must be there. Raises RefusedError (422); the words are documented for the firmware version."""
    value = found.get(name)
    if value is None:
        raise refused(422, f"{shown(name)} can't be blank")
    return value


def check_firmware(found: Mapping[str, str | None], api_version: int) -> str:
    """The firmware version; SemVer from model API 1.0.4. Raises RefusedError (422)."""
    version = require(found, "firmware_version")
    if api_version >= 4 and not _SEMVER.fullmatch(version):
        raise refused(422, "Firmware version is invalid")  # assumed
    return version


def check_cloud_id(cloud_id: str, short_code: str) -> None:
    """Raises RefusedError (422) for a cloud id that breaks section 5.1; where no short code is set, four characters."""
    behind = cloud_id[len(short_code) or 4 :]
    if not cloud_id.startswith(short_code) or not re.fullmatch(r"[A-Za-z0-9_-]{16,36}", behind):
        raise refused(422, "Cloud id is invalid")  # assumed
    if not re.fullmatch(r"[A-Za-z0-9_-]+", cloud_id):
        raise refused(422, "Cloud id is invalid")


def uuid_of(value: object) -> str | None:
    """A UUID in small letters, or None for anything else."""
    return value.lower() if isinstance(value, str) and _UUID.fullmatch(value.lower()) else None


def shown(name: str) -> str:
    """A field's name as it begins a sentence."""
    return _SHOWN.get(name, name.capitalize())


def _details(value: object) -> str:
    if value is None:
        return "{}"
    if not isinstance(value, dict):
        raise refused(422, "Details is invalid")
    return json.dumps(value)


def _is_text(value: object) -> bool:
    if not isinstance(value, str) or len(value) > _LONGEST:
        return False
    return not any(ord(letter) < 32 or 0xD800 <= ord(letter) < 0xE000 for letter in value)


def _finite(text: str) -> float:
    """A number that JSON can write again. Raises ValueError for NaN and for what is infinite."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is no number")
    return number


def _check_depth(found: object) -> None:
    """Raises ValueError for a document that is nested deeper than can be written again without care."""
    level: list[object] = [found]
    for _ in range(_DEEPEST):
        inner = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        level = [value for values in inner for value in values]
        if not level:
            return
    raise ValueError("nested too deep")
