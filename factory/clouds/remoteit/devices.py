"""Devices of the account as GraphQL tells them (remote.it reference, section 6.4). Values and queries, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from factory.clouds.remoteit.shape import Object, damaged, flag_in, moment_in, object_in, objects_in, text_in, whole_in

PAGE = 1000
"""Devices per page, the most that the cloud gives."""

_FIELDS = """total hasMore last items {
  id name hardwareId state online created lastReported
  services { id name port enabled }
  endpoint { cloned }
}"""
_TYPES = {"size": "Int", "after": "ID", "state": "String", "hardwareId": "String", "name": "String"}


@dataclass(frozen=True, slots=True)
class Service:
    """One service of a device; `id` is what connections are made to, `port` None where the cloud does not say."""

    id: str
    name: str
    port: int | None
    enabled: bool


@dataclass(frozen=True, slots=True)
class Device:
    """A device as the account sees it. `hardware_id` is '' for a device that has none, `last_reported` '' for one
    that never reported; `created` is when it was registered, None unsaid; `cloned` is the cloud's own suspicion.
    """

    id: str
    name: str
    hardware_id: str
    online: bool
    cloned: bool
    created: datetime | None
    last_reported: str
    services: tuple[Service, ...]

    @property
    def state(self) -> str:
        """The cloud's word for it."""
        return "active" if self.online else "inactive"

    def as_json(self) -> dict[str, object]:
        """The device as plain JSON values."""
        services = [{"id": one.id, "name": one.name, "port": one.port, "enabled": one.enabled} for one in self.services]
        return {
            "id": self.id,
            "name": self.name,
            "hardware_id": self.hardware_id,
            "state": self.state,
            "cloned": self.cloned,
            "created": self.created.isoformat() if self.created else None,
            "last_reported": self.last_reported or None,
            "services": services,
        }


@dataclass(frozen=True, slots=True)
class Listing:
    """All devices that a question found, in the cloud's order, each once. `total` is how many the cloud counts: another
    number means that devices came, went or were renamed while the pages were read.
    """

    devices: tuple[Device, ...]
    total: int

    @property
    def whole(self) -> bool:
        """Whether the pages add up."""
        return len(self.devices) == self.total


@dataclass(frozen=True, slots=True)
class Page:
    """One page; `last` is what the next one comes after, None on the last page."""

    devices: tuple[Device, ...]
    total: int
    last: str | None


def devices_query(filters: Mapping[str, Any], account: str | None) -> tuple[str, dict[str, Any]]:
    """The query and the variables of one page. Only what is asked for is mentioned: what the server makes of a null
    filter is not documented.
    """
    named = ", ".join(f"{name}: ${name}" for name in filters)
    declared = ", ".join(f"${name}: {_TYPES[name]}" for name in filters)
    inner = f"devices({named}) {{ {_FIELDS} }}"
    if account is None:
        return f"query Devices({declared}) {{ login {{ {inner} }} }}", dict(filters)
    text = f"query Devices({declared}, $account: String) {{ login {{ account(id: $account) {{ {inner} }} }} }}"
    return text, {**filters, "account": account}


def page_of(data: Object, account: str | None) -> Page:
    """The page that a reply holds. Raises CloudReplyDamaged."""
    login = object_in(data, "login")
    listed = object_in(login if account is None else object_in(login, "account"), "devices")
    total = whole_in(listed, "total")
    if total is None:
        raise damaged("total is missing")
    devices = tuple(_device(one) for one in objects_in(listed, "items"))
    more = flag_in(listed, "hasMore")
    return Page(devices, total, text_in(listed, "last") if more else None)


def _device(item: Object) -> Device:
    endpoint = item.get("endpoint")
    cloned = flag_in(object_in(item, "endpoint"), "cloned", default=False) if endpoint is not None else False
    online = flag_in(item, "online", default=text_in(item, "state", required=False) == "active")
    return Device(
        id=text_in(item, "id"),
        name=text_in(item, "name", required=False),
        hardware_id=text_in(item, "hardwareId", required=False),
        online=online,
        cloned=cloned,
        created=moment_in(item, "created"),
        last_reported=text_in(item, "lastReported", required=False),
        services=tuple(_service(one) for one in objects_in(item, "services")),
    )


def _service(item: Object) -> Service:
    name = text_in(item, "name", required=False)
    return Service(text_in(item, "id"), name, whole_in(item, "port"), flag_in(item, "enabled", default=True))
