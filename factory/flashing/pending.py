"""What is owed to a unit whose flash was cut: where its old content waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from factory.errors import FactoryError

SCHEMA = "factory.restore/1"
STAGING = ".factory-flash"
"""The staging folder's name: fixed, so that a unit that was cut is recognised without any ledger."""
CLEARED = ".factory-cleared"
"""Folder under connectd_dir that keeps what was cleared, until the proof."""


class Owed(Protocol):
    """What a unit must still get if its flash ends here; every method has its own."""

    def as_json(self) -> dict[str, object]:
        """The data as canonical JSON values with a `schema`, for the ledger."""


@dataclass(frozen=True, slots=True)
class RestorePending:
    """Enough to put a unit's old content back later. `staging` are the absolute paths of the staging folders on the
    unit, the first is the one that holds the undo script; `image` is the image that was being flashed; `cleared` is
    the folder with what was cleared before, which `finish` deletes.
    """

    staging: tuple[str, ...]
    image: str
    cleared: str

    def as_json(self) -> dict[str, object]:
        """The data as canonical JSON values, for the ledger."""
        return {"schema": SCHEMA, "staging": list(self.staging), "image": self.image, "cleared": self.cleared}

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> RestorePending:
        """Read what `as_json` gave. Raises FactoryError when it is something else: it names folders to be deleted."""
        staging, image, cleared = data.get("staging"), data.get("image"), data.get("cleared")
        if (
            data.get("schema") == SCHEMA
            and isinstance(image, str)
            and isinstance(cleared, str)
            and _is_named(cleared, CLEARED)
            and isinstance(staging, (list, tuple))
            and staging
            and all(isinstance(path, str) and _is_named(path, STAGING) for path in staging)
        ):
            return cls(tuple(staging), image, cleared)
        raise FactoryError(
            f"the record of a pending restore is not of the form {SCHEMA}",
            hint="The ledger is damaged or newer than this program; run factory doctor.",
            code="flash.pending",
        )


def _is_named(path: str, name: str) -> bool:
    return path.startswith("/") and path.rsplit("/", 1)[1] == name and ".." not in path.split("/")
