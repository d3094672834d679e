"""What is owed to a unit whose flash was cut: where its old content waits."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Protocol

from factory.errors import FactoryError

SCHEMA = "factory.restore/1"
STAGING = ".factory-flash"
"""The staging folder's name: fixed, so that a unit that was cut is recognised without any ledger."""
LOCK = ".factory-lock"
"""The lock's name in the folder that holds the first staging folder, before a dot and the unit's boot id."""
WITHDRAWING = ".factory-withdrawing"
"""The mark of an identity that is being taken away, before a dot and the unit's boot id."""
CLEARED = ".factory-cleared"
"""Folder under connectd_dir that keeps what was cleared, until the proof."""


class Owed(Protocol):
    """What a unit must still get if its flash ends here; every method has its own."""

    def as_json(self) -> dict[str, object]:
        """The data as canonical JSON values with a `schema`, for the ledger."""


PROGRAMS = ("/usr/bin/connectd_save_config", "connectd_save_config")
"""What saves connectd's folder: on a unit, and on a simulated one, which has it on its PATH."""


@dataclass(frozen=True, slots=True)
class Saving:
    """What is owed beside the old content to a unit that saves its folder and restores it at boot, where the new
    content comes back with every restart once it was saved. `program` saves; `boot` is the boot that was flashed;
    `files` are the new files, the code first; `id` is the file with the hardware id, whose content is `text` ('' where
    the image has none).
    """

    program: str
    boot: str
    files: tuple[str, ...]
    id: str
    text: str

    def as_json(self) -> dict[str, object]:
        """The data as canonical JSON values."""
        return {**asdict(self), "files": list(self.files)}

    @classmethod
    def from_json(cls, data: object) -> Saving:
        """Read what `as_json` gave. Raises ValueError when it is something else."""
        if isinstance(data, Mapping):
            given = ((name, data.get(name)) for name in ("program", "boot", "id", "text"))
            texts = {name: text for name, text in given if isinstance(text, str)}
            files = data.get("files")
            if (
                len(texts) == 4
                and isinstance(files, (list, tuple))
                and files
                and all(isinstance(path, str) and _is_whole(path) for path in (*files, texts["id"]))
                and texts["program"] in PROGRAMS
            ):
                return cls(files=tuple(files), **texts)
        raise ValueError("not what is owed to a unit that saves its folder")


@dataclass(frozen=True, slots=True)
class RestorePending:
    """Enough to put a unit's old content back later. `staging` are the absolute paths of the staging folders on the
    unit, the first is the one that holds the undo script; `image` is the image that was being flashed; `cleared` is
    the folder with what was cleared before, which `finish` deletes; `saving` is None unless the unit saves its folder.
    """

    staging: tuple[str, ...]
    image: str
    cleared: str
    saving: Saving | None = None

    def as_json(self) -> dict[str, object]:
        """The data as canonical JSON values, for the ledger."""
        data: dict[str, object] = {
            "schema": SCHEMA,
            "staging": list(self.staging),
            "image": self.image,
            "cleared": self.cleared,
        }
        return data if self.saving is None else {**data, "saving": self.saving.as_json()}

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
            saving = data.get("saving")
            with contextlib.suppress(ValueError):
                return cls(tuple(staging), image, cleared, None if saving is None else Saving.from_json(saving))
        raise FactoryError(
            f"the record of a pending restore is not of the form {SCHEMA}",
            hint="The ledger is damaged or newer than this program; run factory doctor.",
            code="flash.pending",
        )


def _is_whole(path: str) -> bool:
    return path.startswith("/") and ".." not in path.split("/")


def _is_named(path: str, name: str) -> bool:
    return path.startswith("/") and path.rsplit("/", 1)[1] == name and ".." not in path.split("/")
