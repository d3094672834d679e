"""Which service is meant: by its id, or as DEVICE/SERVICE with the device's name or hardware id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from factory.clouds.errors import said
from factory.clouds.remoteit.connection import is_service_id
from factory.clouds.remoteit.devices import Device, Listing, Service
from factory.errors import UsageError


class Account(Protocol):
    """Where devices are looked up."""

    def devices(self, *, state: str | None = None, name: str | None = None, hardware_id: str | None = None) -> Listing:
        """The devices that a filter finds."""


@dataclass(frozen=True, slots=True)
class Meant:
    """The service that was meant: its id, and in words which one it is."""

    service_id: str
    words: str


def find_service(account: Account, text: str) -> Meant:
    """The one service that a text means. A service id is taken as it is; otherwise the device is looked up by
    hardware id and then by name, both compared for equality. DEVICE alone will do where it has a single service.

    Raises UsageError: `remoteit.no-device`, `remoteit.no-service`, `remoteit.ambiguous`.
    """
    if is_service_id(text):
        return Meant(text, f"service {text}")
    device_text, slash, name = text.partition("/")
    device = _device(account, device_text)
    service = _service(device, name if slash else None)
    return Meant(service.id, f"{said(service.name)} of {said(device.name)} ({said(device.hardware_id or device.id)})")


def _device(account: Account, text: str) -> Device:
    if not text:
        raise UsageError(
            "the device before the slash is missing", hint="Write DEVICE/SERVICE.", code="remoteit.no-device"
        )
    found = [one for one in account.devices(hardware_id=text).devices if one.hardware_id == text]
    found = found or [one for one in account.devices(name=text).devices if one.name == text]
    if not found:
        raise UsageError(
            f"the account has no device with the hardware id or name {said(text)}",
            hint="Case matters. `factory remoteit devices` lists them.",
            code="remoteit.no-device",
        )
    if len(found) > 1:
        ids = ", ".join(said(one.hardware_id or one.id) for one in found)
        raise UsageError(
            f"{len(found)} devices are called {said(text)}: {ids}",
            hint="Name the hardware id, or the service's own id.",
            code="remoteit.ambiguous",
        )
    return found[0]


def _service(device: Device, name: str | None) -> Service:
    there = ", ".join(said(one.name) for one in device.services) or "none: it registers them when it comes online"
    if name is None:
        if len(device.services) == 1:
            return device.services[0]
        message = (
            f"{said(device.name)} has several services" if device.services else f"{said(device.name)} has no service"
        )
        raise UsageError(message, hint=f"Write DEVICE/SERVICE. There are: {there}.", code="remoteit.no-service")
    found = [one for one in device.services if one.name == name]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(one.id for one in found)
        raise UsageError(
            f"{said(device.name)} has {len(found)} services {said(name)}: {ids}", code="remoteit.ambiguous"
        )
    raise UsageError(
        f"{said(device.name)} has no service {said(name)}", hint=f"There are: {there}.", code="remoteit.no-service"
    )
