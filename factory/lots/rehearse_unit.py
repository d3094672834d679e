"""One unit of a rehearsal: its image into a private root, its first boot, and what it holds against the cloud.

Everything here travels to worker processes.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from factory.errors import FactoryError
from factory.lots.build_rows import Wanted
from factory.lots.rehearse_images import Images, Place, unpack
from factory.lots.rehearse_portal import CloudUnit, RehearsalPortal
from factory.values import InvalidValue


class Cause(StrEnum):
    """Why a unit would not come online as itself."""

    NO_IMAGE = "no-image"
    IMAGE = "image"
    OTHER_IMAGE = "other-image"
    IDENTITY = "identity"
    NOT_UPLOADED = "not-uploaded"
    STOPPED = "stopped"
    CLONE = "clone"
    OFFLINE = "offline"
    DIFFERS = "differs"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a unit, in words that hold nothing secret."""

    hardware_id: str
    cause: Cause
    text: str

    def as_json(self) -> dict[str, object]:
        """The finding as plain JSON values."""
        return {"hardware_id": self.hardware_id, "cause": str(self.cause), "text": self.text}


class HeldService(Protocol):
    """A service as the unit holds it."""

    @property
    def uid(self) -> str:
        """Its address in the cloud."""

    @property
    def secret_sha256(self) -> str:
        """The SHA-256 of its secret."""


class Held(Protocol):
    """What a unit holds after its boot; None is a file that is not there."""

    @property
    def hardware_id(self) -> str | None:
        """The id."""

    @property
    def code(self) -> str | None:
        """The bulk identification code."""

    @property
    def key_sha256(self) -> str | None:
        """The SHA-256 of the registration key."""

    @property
    def services(self) -> Mapping[str, HeldService]:
        """The services by project id."""


class Booted(Protocol):
    """What a first boot came to."""

    @property
    def stopped(self) -> str:
        """Why it ended early, or nothing."""

    @property
    def reset(self) -> bool:
        """Whether the cloud took the unit for a clone and sent it back to its beginning."""

    @property
    def held(self) -> Held:
        """What the unit holds."""


class Booting(Protocol):
    """What boots a unit; picklable."""

    def boot(self, root: Path, mac: str) -> Booted:
        """Take the unit whose files lie below `root`, and whose network address is `mac`, through its first boot."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A unit as the ledger knows it: the row that its image is made from, one of its addresses, the code that it was
    made with, and the hash of the image that it passed with.
    """

    row: Wanted
    mac: str
    code: str
    image: str | None
    key_sha256: str
    services: frozenset[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A unit after its boot. `booted` is None when it could not be begun."""

    candidate: Candidate
    booted: Booted | None
    found: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Boots:
    """The work of a worker: boot units whose private roots are made below `folder`, and kept there with `keep`."""

    images: Images
    booting: Booting
    place: Place
    folder: Path
    keep: bool = False

    def run(self, units: Sequence[Candidate]) -> tuple[Outcome, ...]:
        """Boot them, one after the other. Raises FileError for the station's own disk."""
        return tuple(self._one(unit) for unit in units)

    def _one(self, unit: Candidate) -> Outcome:
        hardware_id = unit.row.hardware_id
        try:
            tree = self.images.tree(hardware_id, unit.row)
        except (FactoryError, InvalidValue) as error:
            return Outcome(unit, None, (Finding(hardware_id, Cause.IMAGE, error.message),))
        if tree is None:
            return Outcome(unit, None, (Finding(hardware_id, Cause.NO_IMAGE, "there is no image for it"),))
        found: list[Finding] = []
        if tree.manifest is not None and unit.image is not None and tree.manifest.image != unit.image:
            text = f"its image is {tree.manifest.image[:12]}, and it passed the bench with {unit.image[:12]}"
            found.append(Finding(hardware_id, Cause.OTHER_IMAGE, text))
        root = self.folder / f"{hashlib.sha256(hardware_id.encode('utf-8')).hexdigest()[:12]}-{unit.row.row}"
        root.mkdir(mode=0o700)
        try:
            unpack(tree, self.place, root)
            booted = self.booting.boot(root, unit.mac)
        finally:
            if not self.keep:
                shutil.rmtree(root)
        return Outcome(unit, booted, tuple(found))


@dataclass(frozen=True, slots=True)
class Checks:
    """The second work of a worker, when every unit has booted: hold each against the cloud."""

    server: str
    ca: Path

    def run(self, outcomes: Sequence[Outcome]) -> tuple[tuple[Finding, ...], ...]:
        """The findings of each. Raises CloudError."""
        with RehearsalPortal(self.server, self.ca) as portal:
            return tuple(self._one(one, portal.unit(one.candidate.row.hardware_id)) for one in outcomes)

    @staticmethod
    def _one(outcome: Outcome, cloud: CloudUnit | None) -> tuple[Finding, ...]:
        unit, booted = outcome.candidate, outcome.booted
        hardware_id = unit.row.hardware_id
        found = list(outcome.found)
        if cloud is None:
            text = "no upload file has it: the cloud does not know it"
            found.append(Finding(hardware_id, Cause.NOT_UPLOADED, text))
        if booted is not None:
            pairs = [*_identity(unit, booted.held), *_boot(booted), *(_compared(unit, booted, cloud) if cloud else ())]
            found += [Finding(hardware_id, cause, text) for cause, text in pairs]
        elif cloud is not None and cloud.online:
            found.append(Finding(hardware_id, Cause.CLONE, "another unit came online under its identity"))
        return tuple(found)


_Pair = tuple[Cause, str]


def _identity(unit: Candidate, held: Held) -> Iterator[_Pair]:
    """Whether the image is this unit's, by what the ledger says."""
    if held.hardware_id != unit.row.hardware_id:
        yield Cause.IDENTITY, f"its image holds the hardware id {_quoted(held.hardware_id)}"
    if held.code != unit.code:
        yield Cause.IDENTITY, f"its image holds the bulk identification code {_quoted(held.code)}, not {unit.code}"
    if held.key_sha256 != unit.key_sha256:
        what = "no registration key" if held.key_sha256 is None else "another registration key than it passed with"
        yield Cause.IDENTITY, f"its image holds {what}"


def _boot(booted: Booted) -> Iterator[_Pair]:
    if booted.reset:
        yield Cause.CLONE, "the cloud took it for a clone and told it to reset"
    if booted.stopped:
        yield Cause.STOPPED, booted.stopped


def _compared(unit: Candidate, booted: Booted, cloud: CloudUnit) -> Iterator[_Pair]:
    """What the unit holds against what the cloud holds."""
    held = booted.held
    if cloud.cloned:
        yield Cause.CLONE, "a second unit came with its identity"
    if not cloud.online and not booted.stopped:
        yield Cause.OFFLINE, "the cloud does not show it online"
    if held.key_sha256 != cloud.key_sha256:
        yield Cause.DIFFERS, "the registration key in its image is not the one in the upload file"
    if held.code != cloud.code:
        yield Cause.DIFFERS, f"it was uploaded for the product {cloud.code}"
    if cloud.name != unit.row.name:
        yield Cause.DIFFERS, f"the cloud calls it {_quoted(cloud.name)}, the ledger {_quoted(unit.row.name)}"
    missing = sorted(unit.services - cloud.names)
    if missing and cloud.online:
        yield Cause.SERVICE, f"not registered: {', '.join(missing)}"
    for pid, registered in cloud.services.items():
        mine = held.services.get(pid)
        if (None if mine is None else (mine.uid, mine.secret_sha256)) != registered:
            yield Cause.DIFFERS, f"address or secret of the service {pid} are not those in the cloud"
    for pid in held.services.keys() - cloud.services.keys():
        yield Cause.DIFFERS, f"it holds a service {pid} that the cloud does not know"


def _quoted(text: str | None) -> str:
    return "nothing" if text is None else ascii(text)
