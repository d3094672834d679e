"""What is owed to a unit whose flash was cut: where its old content waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from factory.errors import FactoryError

SCHEMA = "factory.restore/1"
STAGING = ".factory-flash"
"""The staging folder's name: fixed, so that a unit that was cut is recognised without any ledger."""


@dataclass(frozen=True, slots=True)
class RestorePending:
    """Enough to put a unit's old content back later. `staging` are the absolute paths of the staging folders on the
    unit, the first is the one that holds the undo script; `image` is the image that was being flashed.
    """

    staging: tuple[str, ...]
    image: str

    def as_json(self) -> dict[str, object]:
        """The data as canonical JSON values, for the ledger."""
        return {"schema": SCHEMA, "staging": list(self.staging), "image": self.image}

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> RestorePending:
        """Read what `as_json` gave. Raises FactoryError when it is something else: it names folders to be deleted."""
        staging, image = data.get("staging"), data.get("image")
        if (
            data.get("schema") != SCHEMA
            or not isinstance(image, str)
            or not isinstance(staging, (list, tuple))
            or not staging
            or not all(isinstance(path, str) and path.startswith("/") for path in staging)
            or not all(path.rsplit("/", 1)[1] == STAGING for path in staging)
        ):
            raise FactoryError(
                "the record of a pending restore is not of the form factory.restore/1",
                hint="The ledger is damaged or newer than this program; run factory doctor.",
                code="flash.pending",
            )
        return cls(tuple(staging), image)
