"""Telemetry: what a device says of itself, and what the hub answers (Xyte reference, section 9)."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Mapping
from typing import Any

from factory.rehearsal.clouds.state import Row
from factory.rehearsal.clouds.world import World
from factory.rehearsal.clouds.xyte.fields import refused

LIMIT = 128 * 1024
_STATUS = ("online", "offline", "error")
_LONGEST_NAME = 255  # assumed
_LONGEST_TEXT = 1000
_MOST = 1000  # assumed
_INT32 = 2**31
_FLOAT32 = 3.4028235e38


def check(message: object) -> dict[str, Any]:
    """The message if it is one. Raises RefusedError (422); one text is documented, the others are assumed."""
    if not isinstance(message, dict) or not isinstance(message.get("telemetries"), dict):
        raise refused(422, "Missing 'telemetries' object")
    values = message["telemetries"]
    if message.get("status") not in _STATUS:
        raise refused(422, "Status is invalid")
    if not isinstance(message.get("override", False), bool):
        raise refused(422, "Override is invalid")
    if "timestamp" in message and not _is_moment(message["timestamp"]):
        raise refused(422, "Timestamp is invalid")
    if len(values) > _MOST or not all(len(name) <= _LONGEST_NAME and _is_value(one) for name, one in values.items()):
        raise refused(422, "Telemetries is invalid")
    return message


def keep(world: World, device: Row, message: Mapping[str, Any]) -> dict[str, Any]:
    """Keep a checked message; returns the reply."""
    state = {} if message.get("override") else {name: one for name, one in device["state"].items() if name != "status"}
    state |= message["telemetries"]
    state = {name: one for name, one in state.items() if one is not None}
    with world.state.write() as db:
        db.execute(
            "UPDATE xyte_devices SET state = ?, seen = ? WHERE id = ?",
            (json.dumps({**state, "status": message["status"]}), world.now(), device["id"]),
        )
    return {
        "config_version": device["config_version"], "command": False, "info_version": 1,
        "new_licenses": any(one.get("state") != "inuse" for one in device["licenses"]),
        "latest_fw_version": device["latest_firmware"], "latest_fw_file_id": None,
        "space_data_version": int(device["claimed"] is not None), "success": True,
    }  # fmt: skip


def _is_value(value: object) -> bool:
    """32 bits of number, a boolean, a text of up to 1000 bytes, or null."""
    if value is None or isinstance(value, bool):
        return True
    if isinstance(value, int):
        return -_INT32 <= value < _INT32
    if isinstance(value, float):
        return math.isfinite(value) and abs(value) <= _FLOAT32
    return isinstance(value, str) and len(value.encode("utf-8", "replace")) <= _LONGEST_TEXT


def _is_moment(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        datetime.datetime.fromisoformat(value)
    except ValueError:
        return False
    return True
