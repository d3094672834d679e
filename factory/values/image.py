"""What goes onto a unit and what came of it: files, manifest, receipt, proof."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file or folder of an image. `path` is relative to the image's top, with `/` and no leading dot;
    `mode` is the permission bits; `sha256` and `size` (bytes) are of the content, None and 0 for a folder.
    """

    path: str
    mode: int
    size: int = 0
    sha256: str | None = None

    @property
    def is_folder(self) -> bool:
        """True for a folder, which an image lists so that its mode is set."""
        return self.sha256 is None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an image holds and where it came from; it never holds a registration key.

    `image` is the SHA-256 of the canonical uncompressed tar, the image's identity in every format. `payload` is that
    of the file system's blocks, where the format is one: over the size and every block that holds anything.
    """

    image: str
    format: str
    product: str
    template: str
    identity: Mapping[str, object]
    files: tuple[FileEntry, ...]
    payload: str | None = None

    def as_json(self) -> dict[str, object]:
        """The manifest as plain JSON values; `payload` only where there is one."""
        document: dict[str, object] = {
            "schema": "factory.image/1",
            "image": self.image,
            "format": self.format,
            "product": self.product,
            "template": self.template,
            "identity": dict(self.identity),
            "files": [
                {"path": entry.path, "mode": f"{entry.mode:04o}", "size": entry.size, "sha256": entry.sha256}
                for entry in self.files
            ],
        }
        if self.payload is not None:
            document["payload"] = self.payload
        return document


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a flash wrote and how it was read back. `read_back` names the way; `seconds` is wall time.

    `medium` is what was written to (a folder, a device on the unit, a card by its physical path). For a device,
    `ranges` are the written ranges as (offset, length) in bytes, in order; `written` is the SHA-256 of what was sent
    over them and `found` that of what was read back over them. They are empty and None for files, whose hashes stand
    in `files`. `saved` is what the unit's program that keeps the files over a restart said, None where none ran.
    """

    image: str
    method: str
    route: str
    files: Mapping[str, str]
    bytes_written: int
    read_back: str
    seconds: float
    retries: int = 0
    kept: Mapping[str, str] = field(default_factory=dict)
    medium: str = ""
    ranges: tuple[tuple[int, int], ...] = ()
    written: str | None = None
    found: str | None = None
    saved: str | None = None

    @property
    def rate(self) -> float:
        """Bytes per second, over the whole flash."""
        return self.bytes_written / self.seconds if self.seconds > 0 else 0.0

    def as_json(self) -> dict[str, object]:
        """The receipt as canonical JSON values (times in whole milliseconds, the rate in whole bytes per second)."""
        return {
            "image": self.image,
            "method": self.method,
            "route": self.route,
            "files": dict(sorted(self.files.items())),
            "bytes_written": self.bytes_written,
            "read_back": self.read_back,
            "milliseconds": round(self.seconds * 1000),
            "retries": self.retries,
            "kept": dict(sorted(self.kept.items())),
            "medium": self.medium,
            "ranges": [list(one) for one in self.ranges],
            "written": self.written,
            "found": self.found,
            "saved": self.saved,
            "rate": round(self.rate),
        }


@dataclass(frozen=True, slots=True)
class Proof:
    """What the unit itself said after its reboot: boot ids before and after, what was compared. `warnings` is what it
    did not show although the product wanted no more.
    """

    reboot: str
    boot_before: str | None
    boot_after: str | None
    compared: tuple[str, ...]
    connectd: bool
    route: str
    seconds: float
    warnings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """The proof as canonical JSON values (times in whole milliseconds)."""
        return {
            "reboot": self.reboot,
            "boot_before": self.boot_before,
            "boot_after": self.boot_after,
            "compared": list(self.compared),
            "connectd": self.connectd,
            "route": self.route,
            "milliseconds": round(self.seconds * 1000),
            **({"warnings": list(self.warnings)} if self.warnings else {}),
        }
