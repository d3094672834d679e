"""The first boot of a whole lot, rehearsed: its own upload published in a simulated cloud, every image booted.

The cloud is known by its address alone, and what boots a unit is handed in: nothing of the simulator is here.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from factory.config import BulkRegistration, Product
from factory.errors import Exit, FactoryError, UsageError
from factory.identity import KeySource
from factory.ledger import PassedUnit
from factory.lots.build_rows import unit_rows
from factory.lots.export import require_product
from factory.lots.rehearse_images import Place
from factory.lots.rehearse_portal import RehearsalPortal
from factory.lots.rehearse_unit import Boots, Candidate, Checks, Finding, Outcome
from factory.lots.rehearse_uploads import Book, Upload, uploads_of
from factory.lots.rows import code_of

CHUNK = 25
Progress = Callable[[int, int], None]
"""Called with units done and units in all."""

_In = TypeVar("_In")
_Out = TypeVar("_Out")
_Taken = TypeVar("_Taken", contravariant=True)
_Given = TypeVar("_Given", covariant=True)


class RehearsalStopped(FactoryError):  # noqa: N818 - reads as what happened
    """A rehearsal did not come to its end."""

    code = "rehearse.worker"
    exit_code = Exit.NOT_STARTED


@dataclass(frozen=True, slots=True)
class Uploaded:
    """An upload file that was published: its name, how many units it has, and where its bytes come from."""

    name: str
    rows: int
    origin: str


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A rehearsal's outcome: what was uploaded, how many units were to boot, every finding, and rows that no unit of
    the lot belongs to.
    """

    lot: str
    uploads: tuple[Uploaded, ...]
    units: int
    named: tuple[Finding, ...]
    foreign: tuple[str, ...]

    @property
    def online(self) -> int:
        """How many units came online as themselves."""
        return self.units - len({one.hardware_id for one in self.named})

    @property
    def done(self) -> bool:
        """Whether every unit did, and every row has its unit."""
        return not self.named and not self.foreign

    def as_json(self) -> dict[str, object]:
        """The outcome as plain JSON values."""
        return {
            "lot": self.lot,
            "units": self.units,
            "online": self.online,
            "uploads": [asdict(one) for one in self.uploads],
            "named": [one.as_json() for one in self.named],
            "foreign": list(self.foreign),
        }


@dataclass(frozen=True, slots=True)
class Cloud:
    """The simulated cloud: its address, the throw-away CA, and whether the lot is published there already."""

    server: str
    ca: Path
    published: bool = False


class _Work(Protocol[_Taken, _Given]):
    """The work of a worker."""

    def run(self, units: Sequence[_Taken], /) -> tuple[_Given, ...]:
        """Do it."""


def rehearse(
    book: Book,
    product: Product,
    lot: str,
    cloud: Cloud,
    boots: Callable[[Place], Boots],
    *,
    uploads: Sequence[Upload] | None = None,
    only: Sequence[str] = (),
    executor: Executor | None = None,
    progress: Progress = lambda _done, _all: None,
) -> Rehearsed:
    """Publish the lot's upload files in the simulated cloud, boot every passed unit from its image, and compare.

    `uploads` stand for the lot's own files. `only` names the units to boot; the uploads are always whole. With
    `executor` units boot side by side.

    Raises UploadRefused, UploadChanged, UsageError for a lot without passed units or of another product, CloudError,
    FileError, RehearsalStopped, and what the ledger raises.
    """
    require_product(book, product, lot)
    code_of(product)
    candidates, own = _lot(book, product, lot, only, uploads)
    with RehearsalPortal(cloud.server, cloud.ca) as portal:
        rows = _publish(portal, product, own) if not cloud.published else []
    work = boots(Place.of(product))
    outcomes: list[Outcome] = []
    progress(0, len(candidates))
    for outcome in _each(work, candidates, executor):
        outcomes.append(outcome)
        progress(len(outcomes), len(candidates))
    # A clone shows only when its twin has booted as well.
    named = itertools.chain.from_iterable(_each(Checks(cloud.server, cloud.ca), outcomes, executor))
    known = {unit.hardware_id for unit in book.passed_units(lot)}
    foreign = tuple(sorted({one for _, ids in rows for one in ids} - known))
    counted = tuple(Uploaded(one.name, len(ids), one.origin) for one, ids in rows)
    return Rehearsed(lot, counted, len(candidates), tuple(named), foreign)


def _lot(
    book: Book, product: Product, lot: str, only: Sequence[str], uploads: Sequence[Upload] | None
) -> tuple[list[Candidate], Sequence[Upload]]:
    keys = KeySource.open(product.identity.key, product.folder)
    units = book.passed_units(lot)
    rows = unit_rows(book, product, lot, keys)
    registration = product.registration
    assert isinstance(registration, BulkRegistration)
    services = frozenset(one.name for one in registration.services)
    found = []
    for unit, row in zip(units, rows, strict=True):
        key = hashlib.sha256(row.key.encode("ascii")).hexdigest()
        found.append(Candidate(row, _mac(unit), unit.bulk_identification_code, unit.image, key, services))
    absent = sorted(set(only) - {one.row.hardware_id for one in found})
    if absent:
        raise UsageError(f"lot {lot} has no passed unit {', '.join(absent)}", hint="Ids are compared exactly.")
    if only:
        found = [one for one in found if one.row.hardware_id in only]
    return found, uploads if uploads is not None else uploads_of(book, product, lot, units, keys)


def _mac(unit: PassedUnit) -> str:
    return next(iter(sorted(unit.macs.values())), "")


def _publish(
    portal: RehearsalPortal, product: Product, uploads: Sequence[Upload]
) -> list[tuple[Upload, tuple[str, ...]]]:
    """Publish them; each with its hardware ids."""
    portal.make_product(product)
    keys = [(one, portal.upload(product, one.name, one.content)) for one in uploads]
    found = []
    for one, key in keys:
        portal.await_published(key)
        found.append((one, tuple(str(unit["hardware_id"]) for unit in portal.registration(key)["units"])))
    return found


def _each(work: _Work[_In, _Out], units: Sequence[_In], executor: Executor | None) -> Iterator[_Out]:
    """What the workers make of the units, in their order."""
    size = CHUNK if len(units) > CHUNK else 1
    chunks = [units[at : at + size] for at in range(0, len(units), size)]
    if executor is None:
        for chunk in chunks:
            yield from work.run(chunk)
        return
    try:
        for made in executor.map(work.run, chunks):
            yield from made
    except BrokenExecutor as error:
        raise RehearsalStopped(
            "a worker process died; was it killed, or was there no memory left?", hint="Try fewer --jobs."
        ) from error
