"""The devices of the account as the account API shows them (remote.it reference, section 6.4)."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from factory.rehearsal.clouds.remoteit.portal import SERVICE_TYPES
from factory.rehearsal.clouds.state import Row, State
from factory.rehearsal.clouds.world import World

LARGEST_PAGE = 1000
_TITLES = {"tcp": "TCP", "vnc": "VNC", "rdp": "RDP", "http": "HTTP", "https": "HTTPS", "ssh": "SSH"}
_DEVICES = (
    "SELECT u.*, r.updated, s.uid, s.registered FROM remoteit_units u"
    " JOIN remoteit_registrations r ON r.id = u.registration"
    " JOIN remoteit_services s ON s.hardware_id = u.hardware_id AND s.pid = r.bic"
    " WHERE r.state = 'preregistered'"
)


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the devices: `last` is the id to go on after, `total` counts all that match."""

    items: list[dict[str, Any]]
    total: int
    more: bool
    last: str | None


def find_devices(world: World, wanted: Mapping[str, Any]) -> Page:
    """Devices by the arguments of `login.devices`; those that are None do not narrow."""
    rows = [row for row in world.state.rows(_DEVICES) if _matches(row, wanted)]
    sort = str(wanted.get("sort") or "name")
    # What the cloud can sort by beside the name is not known here; the id keeps the order stable.
    rows.sort(key=lambda row: (row["name"], row["uid"]), reverse=sort.startswith("-"))
    start = wanted.get("from") or 0
    if wanted.get("after"):
        places = [place for place, row in enumerate(rows) if row["uid"] == wanted["after"]]
        start = places[0] + 1 if places else len(rows)
    size = min(wanted.get("size") or 100, LARGEST_PAGE)
    chosen = rows[start : start + size]
    items = _objects(world, chosen)
    return Page(items, len(rows), start + size < len(rows), chosen[-1]["uid"] if chosen else None)


def _matches(row: Row, wanted: Mapping[str, Any]) -> bool:
    state, name, ids = wanted.get("state"), wanted.get("name"), wanted.get("id")
    return (
        (state is None or state == _state(row))
        and (name is None or name.lower() in row["name"].lower())
        and (not ids or row["uid"] in ids)
        # Exact or a prefix is not known: the looser answer makes a client compare for itself.
        and (not wanted.get("hardwareId") or row["hardware_id"].startswith(wanted["hardwareId"]))
    )


def _state(row: Row) -> str:
    return "active" if row["online"] else "inactive"


def _objects(world: World, rows: Sequence[Row]) -> list[dict[str, Any]]:
    services = _services(world.state, rows)
    owner = {"id": world.account.guid, "email": world.account.email}
    return [_device(row, services.get(row["hardware_id"], []), owner) for row in rows]


def _services(state: State, rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Every service that the given devices have, by hardware id, in one query."""
    found: dict[str, list[Row]] = {}
    marks = json.dumps([row["hardware_id"] for row in rows])
    for row in state.rows(
        "SELECT s.uid, s.hardware_id, s.name, s.registered, p.type, p.port, p.enabled FROM remoteit_services s"
        " JOIN remoteit_projects p ON p.pid = s.pid WHERE p.position > 0"
        " AND s.hardware_id IN (SELECT value FROM json_each(?)) ORDER BY p.position",
        marks,
    ):
        found.setdefault(row["hardware_id"], []).append(row)
    return found


def _device(row: Row, services: Sequence[Row], owner: dict[str, str]) -> dict[str, Any]:
    online, seen = bool(row["online"]), _moment(row["seen"])
    categories = [*json.loads(row["categories"]), *[""] * 5]
    return {
        "id": row["uid"], "name": row["name"], "hardwareId": row["hardware_id"], "state": _state(row), "online": online,
        "created": _moment(row["updated"]), "lastReported": seen, "platform": 0, "version": row["package"],
        "license": "LICENSED", "configurable": False, "owner": owner, "attributes": {}, "tags": [],
        **{f"category{letter}": categories[place] for place, letter in enumerate("ABCDE")},
        **{f"status{letter}": None for letter in "ABCDE"},
        # A service is there for the account once the unit has registered it.
        "services": [_service(one, online=online) for one in services if one["registered"] is not None],
        "endpoint": {
            "onlineSince": seen if online else None, "offlineSince": None if online else seen, "timestamp": seen,
            "externalAddress": "127.0.0.1", "internalAddress": "127.0.0.1", "availability": 100 if online else 0,
            "instability": 0, "quality": "GOOD" if online else "UNKNOWN", "cloned": bool(row["cloned"]),
            "state": _state(row), "online": online,
        },
    }  # fmt: skip


def _service(row: Row, *, online: bool) -> dict[str, Any]:
    return {
        "id": row["uid"], "name": row["name"], "port": row["port"], "type": SERVICE_TYPES[row["type"]],
        "application": SERVICE_TYPES[row["type"]], "title": _TITLES[row["type"]],
        "state": "active" if online else "inactive", "enabled": bool(row["enabled"]), "protocol": "TCP",
    }  # fmt: skip


def _moment(seconds: float | None) -> str | None:
    """A time as the cloud writes it: ISO 8601 with milliseconds and Z."""
    if seconds is None:
        return None
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def list_all(world: World) -> list[dict[str, Any]]:
    """The rows of `/device/list/all`: one per service, at most 100 devices, no hardware id (section 6.3)."""
    devices = find_devices(world, {"size": 100}).items
    found: list[dict[str, Any]] = []
    for device in devices:
        bulk = {"id": device["id"], "name": device["name"], "title": "Bulk Service", "type": SERVICE_TYPES["bulk"]}
        found += [
            {
                "createdate": device["created"], "deviceaddress": one["id"], "devicealias": one["name"],
                "devicelastip": "127.0.0.1", "devicestate": device["state"],
                "devicetype": f"00:{one['type']:02X}:00:00:00:01:00:00:00:00", "georegion": "",
                "lastcontacted": device["lastReported"], "lastinternalip": "127.0.0.1",
                "ownerusername": device["owner"]["email"], "servicetitle": one["title"], "shared": "",
            }
            for one in (bulk, *device["services"])
        ]  # fmt: skip
    return found
