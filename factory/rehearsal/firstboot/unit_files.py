"""connectd's files on a unit, read as its shell reads them (remote.it reference, section 2.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from factory.errors import UsageError
from factory.files import PRIVATE, read_bytes, replacing

CODE, ID, KEY = "bulk_identification_code.txt", "hardware_id.txt", "registration_key.txt"
END_OF_CONFIGURATION = b"#####-#####\n"
_FOLDERS = ("dfiles", "pfiles", "available", "active")
_LARGEST = 1024 * 1024
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class HeldService:
    """A service that the unit holds: its address in the cloud, and the SHA-256 of its secret."""

    uid: str
    secret_sha256: str


@dataclass(frozen=True, slots=True)
class Held:
    """What a unit holds after its boot: texts as they stand in its files, what is no text escaped; keys as SHA-256.

    None is a file that is not there. `services` go by project id.
    """

    hardware_id: str | None
    code: str | None
    key_sha256: str | None
    services: Mapping[str, HeldService] = field(default_factory=dict)


class UnitFiles:
    """`etc/connectd` below the unit's private root."""

    def __init__(self, root: Path) -> None:
        self.top = root / "etc" / "connectd"

    def text(self, name: str) -> bytes | None:
        """A file as `$(cat FILE)` gives it: line ends at its end are dropped, a carriage return stays. None without it.

        Raises FileError for one that cannot be read.
        """
        path = self.top / name
        if not path.is_file():
            return None
        return read_bytes(path, limit=_LARGEST).replace(b"\0", b"").rstrip(b"\n")

    def read(self, folder: str, name: str) -> bytes | None:
        """The whole content of a file in one of the four folders, None without it."""
        path = self._path(folder, name)
        return read_bytes(path, limit=_LARGEST) if path.is_file() else None

    def write(self, folder: str, name: str, content: bytes) -> None:
        """Write a file in one of the four folders, or on top with an empty `folder`. Raises FileError."""
        with replacing(self._path(folder, name), mode=PRIVATE, durable=False) as stream:
            stream.write(content)

    def names(self, folder: str) -> tuple[str, ...]:
        """The visible files of one of the four folders, sorted as a shell does."""
        path = self.top / folder
        return (
            tuple(sorted(one.name for one in path.iterdir() if not one.name.startswith("."))) if path.is_dir() else ()
        )

    def make_folders(self) -> None:
        """Make the folders that are missing."""
        for name in _FOLDERS:
            (self.top / name).mkdir(mode=0o700, parents=True, exist_ok=True)

    def clear(self) -> None:
        """What `connectd_control reset y` deletes."""
        for path in self.top.glob("*.ver"):
            path.unlink()
        for folder in _FOLDERS:
            for name in self.names(folder):
                (self.top / folder / name).unlink()

    def activate(self, name: str) -> None:
        """Link a provisioned service into `active`."""
        link = self._path("active", name)
        link.unlink(missing_ok=True)
        link.symlink_to(self._path("available", name))

    def deactivate(self, name: str) -> None:
        """Take the link away."""
        self._path("active", name).unlink(missing_ok=True)

    def provisioned(self, name: str) -> tuple[str, str]:
        """UID and secret of a service in `available`, the last of each; empty without it."""
        uid = secret = ""
        for line in (self.read("available", name) or b"").split(b"\n"):
            key, _, rest = line.decode("utf-8", "backslashreplace").partition(" ")
            uid, secret = (rest if key == "UID" else uid), (rest if key == "password" else secret)
        return uid, secret

    def _path(self, folder: str, name: str) -> Path:
        if "/" in name or "\0" in name or name in ("", ".", "..") or len(name) > _LONGEST_NAME:
            raise UsageError(f"the server named a service {name[:60]!r}, which is no file name", code="firstboot.name")
        return self.top / folder / name if folder else self.top / name

    def held(self) -> Held:
        """What the unit holds now. Raises FileError."""
        services = {}
        for name in self.names("available"):
            uid, secret = self.provisioned(name)
            services[name] = HeldService(uid, digest(secret.encode("utf-8")))
        key = self.text(KEY)
        return Held(_shown(self.text(ID)), _shown(self.text(CODE)), None if key is None else digest(key), services)


def digest(content: bytes) -> str:
    """SHA-256 as hex."""
    return hashlib.sha256(content).hexdigest()


def _shown(content: bytes | None) -> str | None:
    return None if content is None else content.decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class Boot:
    """One first boot: why it ended before the unit said that it is ready (empty if it did), whether the cloud took it
    for a clone, what it said (without secrets), and what it holds.
    """

    stopped: str
    reset: bool
    said: tuple[str, ...]
    held: Held
