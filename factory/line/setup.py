"""What every attempt of one run shares: opened once, checked before the first unit is touched."""

from __future__ import annotations

import socket
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from factory.config import Bench, PackageRegistration, Product, Slot, StageSection, XyteRegistration
from factory.flashing import Method, PowerControl
from factory.identity import Identifier, KeySource
from factory.images import Builder
from factory.ledger import Ledger
from factory.line.feed import Feed
from factory.line.keys_in_work import KeysInWork
from factory.line.power import SlotPower
from factory.line.registering import Registering
from factory.line.routes import Route
from factory.line.scanning import Scans
from factory.line.timing import Timing
from factory.secrets import Secret
from factory.units.login import Login

if TYPE_CHECKING:
    from factory.line.labelling import Labelling


class RoutesOf(Protocol):
    """How the routes of a slot are made; the rehearsal of tests hands in its own."""

    def __call__(self, slot: Slot) -> tuple[Route, ...]:
        """The slot's routes, the one to flash over last."""


@dataclass(frozen=True, slots=True)
class Setup:
    """A run's parts. `secrets` are masked in everything that an attempt writes; `stage` is None where it flashes."""

    product: Product
    bench: Bench
    lot: str
    ledger: Ledger
    identifier: Identifier
    builder: Builder
    method: Method
    keys: KeySource
    feed: Feed
    routes_of: RoutesOf
    transcripts: Path
    registering: Registering | None = None
    stage: StageSection | None = None
    labelling: Labelling | None = None
    scans: Scans | None = None
    images_out: Path | None = None
    timing: Timing = field(default_factory=Timing)
    interactive: bool = False
    debug: bool = False
    secrets: tuple[Secret, ...] = field(default=(), repr=False)
    keys_in_work: KeysInWork = field(default_factory=KeysInWork)

    def power(self, slot: Slot) -> PowerControl | None:
        """How the slot's supply is switched, where bench.toml says so."""
        return None if slot.power is None else SlotPower(slot.power, slot=slot.name, folder=self.bench.folder)


def owner_of(bench: Bench, ledger: Ledger) -> str:
    """Who holds a unit against other stations, by a name that this station has again after a crash. The ledger is in
    it: two stations of one name that know nothing of each other may be one host's.
    """
    book = zlib.crc32(ledger.location.encode())
    return f"{bench.station.name}@{socket.gethostname()}-{book:08x}"


def login_of(product: Product) -> Login:
    """How to log in to this product's units. Raises SecretError."""
    section = product.unit.login
    return Login(
        user=section.user,
        password=None if section.password is None else section.password.resolve(product.folder),
        key=None if section.key is None else product.folder / section.key,
        become=section.become,
    )


def secrets_of(product: Product, login: Login) -> tuple[Secret, ...]:
    """Everything secret that is known before the first unit: password, master secret, keys. Raises SecretError."""
    known = [] if login.password is None else [login.password]
    if product.identity.key is not None:
        known.append(product.identity.key.secret.resolve(product.folder))
    registration = product.registration
    if isinstance(registration, XyteRegistration):
        known.append(registration.hardware_key.resolve(product.folder))
    if isinstance(registration, PackageRegistration) and registration.registration_code is not None:
        known.append(registration.registration_code.resolve(product.folder))
    return tuple(known)


def default_routes(product: Product, login: Login, timing: Timing) -> RoutesOf:
    """The real routes: serial ports and SSH."""
    from factory.line.bench_routes import routes_of

    def make(slot: Slot) -> tuple[Route, ...]:
        return routes_of(slot, login, product.unit.timeouts, timing)

    return make
