"""Where each file of an image goes on one unit, and what stood there before. Values and pure decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from factory.errors import UsageError
from factory.flashing.digests import Digest
from factory.flashing.look import Seen
from factory.flashing.mounts import Persistence, Verdict
from factory.flashing.pending import CLEARED, STAGING, RestorePending, Saving
from factory.values import FileEntry, Manifest

CODE_FILE = "bulk_identification_code.txt"
"""Without this file a unit cannot register (remote.it reference, section 2.1): it goes first and comes last."""
WITHHELD = (CODE_FILE, "access_key", "hardware_key", "registration")
"""The file of each cloud without which a unit can do nothing there; the first of them that an image has."""
ID_FILE = "hardware_id.txt"
PACKAGE_FILES = frozenset(("oem_settings", "schannel.conf"))
"""Files of the installed package, whose original hash is kept when the image replaces them."""
EMPTY_FOLDERS = ("dfiles", "pfiles", "available", "active", "services")
"""No file may lie in these on a unit that will register anew (remote.it reference, section 2.2)."""


class Flashable(Protocol):
    """What flashing needs of an image: the manifest and the content of each of its files."""

    @property
    def manifest(self) -> Manifest:
        """What the image holds."""

    @property
    def contents(self) -> Mapping[str, bytes]:
        """The content of every file, by the manifest's path."""


@dataclass(frozen=True, slots=True)
class Destination:
    """One file or folder of the image on this unit. `real` is the absolute path, symlinks resolved; `before` is
    what stood there at the preflight.
    """

    entry: FileEntry
    real: str
    verdict: Verdict
    before: Seen

    @property
    def parent(self) -> str:
        """The folder that holds it."""
        return self.real.rsplit("/", 1)[0] or "/"


@dataclass(frozen=True, slots=True)
class Staging:
    """The staging folder on one mounted file system and the files that go through it, by index into the plan."""

    path: str
    files: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Preflight:
    """A unit that may be flashed. `folder` is connectd_dir resolved; `cleared` is where the old contents of the five
    folders were moved to, None when there were none; `interrupted` says that an earlier flash was cut and its old
    content still waits; `free` is the free space in bytes on the code's file system, None where the unit has no `df`;
    `boot` is the unit's boot id; `saving` is what a unit is owed that saves its folder, else None.
    """

    image: str
    folder: str
    destinations: tuple[Destination, ...]
    digest: Digest | None
    free: int | None
    interrupted: bool = False
    cleared: str | None = None
    boot: str | None = None
    saving: Saving | None = None

    @property
    def verdict(self) -> Persistence:
        """The worst verdict of all destinations."""
        found = {destination.verdict.persistence for destination in self.destinations}
        return next(one for one in (Persistence.NO, Persistence.UNKNOWN, Persistence.YES) if one in found)

    @property
    def code(self) -> int:
        """The index of the bulk identification code's file, or what stands for it at another cloud."""
        name = withheld(one.entry for one in self.destinations)
        return next(i for i, one in enumerate(self.destinations) if one.entry.path == name)

    @property
    def files(self) -> tuple[int, ...]:
        """Indices of the files."""
        return tuple(i for i, one in enumerate(self.destinations) if not one.entry.is_folder)

    @property
    def folders(self) -> tuple[int, ...]:
        """Indices of the folders."""
        return tuple(i for i, one in enumerate(self.destinations) if one.entry.is_folder)

    @property
    def stagings(self) -> tuple[Staging, ...]:
        """One staging folder per mount, beside the first file there; the first is the code's.

        A rename works within one mount only, also where two mounts show the same device.
        """
        order = (self.code, *(index for index in self.files if index != self.code))
        groups: dict[str, list[int]] = {}
        for index in order:
            destination = self.destinations[index]
            groups.setdefault(destination.verdict.point or destination.parent, []).append(index)
        return tuple(
            Staging(f"{self.destinations[indices[0]].parent.rstrip('/')}/{STAGING}", tuple(indices))
            for indices in groups.values()
        )

    @property
    def medium(self) -> str:
        """What is written to."""
        return self.folder

    @property
    def pending(self) -> RestorePending:
        """What is owed to the unit from the moment that flashing begins: commit it before."""
        staging = tuple(staging.path for staging in self.stagings)
        return RestorePending(staging, self.image, f"{self.folder.rstrip('/')}/{CLEARED}", self.saving)

    def as_json(self) -> dict[str, object]:
        """The result as canonical JSON values, for the ledger's event."""
        return {
            "connectd_dir": self.folder,
            "persistence": str(self.verdict),
            "why": sorted({destination.verdict.why for destination in self.destinations}),
            "free": self.free,
            "interrupted": self.interrupted,
            "cleared": self.cleared,
        }


def withheld(entries: Iterable[FileEntry]) -> str | None:
    """The path of the file that goes first and comes last."""
    files = {entry.path for entry in entries if not entry.is_folder}
    return next((name for name in WITHHELD if name in files), None)


def require_flashable(image: Flashable) -> None:
    """Raise UsageError for an image that this method cannot put on a unit safely."""
    entries = image.manifest.files
    if withheld(entries) is None:
        raise UsageError(
            f"the image has none of {', '.join(WITHHELD)}",
            hint="The order of the flash rests on that file: without it a unit cut half-way could register.",
            code="flash.image",
        )
    for entry in entries:
        parts = entry.path.split("/")
        if any(part in ("", ".", "..") for part in parts) or parts[0].startswith((STAGING, ".factory-")):
            raise UsageError(f"the image has the path {entry.path!r}, which cannot be flashed", code="flash.image")
        if not entry.is_folder and entry.path not in image.contents:
            raise UsageError(f"the image lacks the content of {entry.path}", code="flash.image")
