"""Facts: what was read from a unit, as it is, before anyone judges it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from factory.secrets import Secret
from factory.values.mac import Mac


@dataclass(frozen=True, slots=True)
class ConnectdShow:
    """The three lines that `connectd_control show` prints; the key is kept masked."""

    hardware_id: str
    registration_key: Secret
    bulk_identification_code: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What one or more routes read from one unit and agreed upon.

    `interfaces` are the unit's Ethernet-like interfaces without loopback, in the unit's order of names; a MAC in
    it is well formed but may still be a placeholder. `values` are the answers to the product's fact commands.
    `serial`, `model` and `boot_id` are None only when the unit has no such file, or keeps the first two from whoever
    is logged in; a read that failed raises.
    """

    interfaces: Mapping[str, Mac]
    values: Mapping[str, str] = field(default_factory=dict)
    serial: str | None = None
    model: str | None = None
    boot_id: str | None = None
    kernel: str = ""
    connectd: ConnectdShow | None = None
    routes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Work:
    """What the order, the pools and the lot give to a unit, beyond what was read from it. `cells` are the pools' cells
    that it got, each by its kind and first value.
    """

    lot: str
    order: Mapping[str, str] = field(default_factory=dict)
    assigned: Mapping[str, str] = field(default_factory=dict)
    cells: tuple[tuple[str, str], ...] = ()
