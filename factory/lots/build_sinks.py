"""Where the images of a batch go: a folder tree that the workers write, or one container that is written here."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from factory.errors import UsageError
from factory.files import FileError, make_folder, read_bytes, write_text
from factory.images import ImageError, open_pack
from factory.images.pack import SUFFIX
from factory.images.pack_writer import PackWriter
from factory.lots.build_work import Made

BATCH_FILE = "batch.json"
_SYNC_EVERY = 5000
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


class Sink(AbstractContextManager["Sink"], Protocol):
    """Where images go. `done` counts the images that are whole there, in the order of the rows."""

    @property
    def done(self) -> int:
        """Images there."""

    @property
    def finished(self) -> bool:
        """True when an earlier run finished this batch."""

    def take(self, made: Made) -> None:
        """Take in what a worker made. Raises FileError."""

    def finish(self) -> Path:
        """All images are there: make that known. Returns where. Raises FileError."""


class PackSink:
    """One container below `out`, named after what it was made from."""

    def __init__(self, out: Path, name: str, batch: Mapping[str, object]) -> None:
        """Open it, or take it up. Raises UsageError (`image.other-batch`), FileError, ImageError."""
        stem = Path(name).stem if "." in name else name
        self._path = out / f"{_UNSAFE.sub('-', stem).strip('-.') or 'images'}{SUFFIX}"
        self._writer: PackWriter | None = None
        self._done = 0
        if self._path.exists():
            with open_pack(self._path) as pack:
                if dict(pack.header) != dict(batch):
                    raise _other(self._path)
                self._done = len(pack)
        else:
            self._writer = PackWriter(self._path, batch)

    @property
    def done(self) -> int:
        """Images there."""
        return self._done if self._writer is None else self._writer.done

    @property
    def finished(self) -> bool:
        """True when the container was there."""
        return self._writer is None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.__exit__(kind, error, trace)

    def take(self, made: Made) -> None:
        """Append the records."""
        assert self._writer is not None
        self._writer.append(made.names, made.lengths, made.data)

    def finish(self) -> Path:
        """Write the index and give the container its name."""
        if self._writer is not None:
            self._done = self._writer.done
            self._writer.finish()
            self._writer = None
        return self._path


class TreeSink:
    """A folder tree with batch.json at its top: what the batch is, and how much of it is certainly on the disk."""

    def __init__(self, out: Path, batch: Mapping[str, object]) -> None:
        """Begin it, or take it up. Raises UsageError (`image.other-batch`), FileError, ImageError."""
        self._out, self._file, self._batch = out, out / BATCH_FILE, dict(batch)
        self._done = self._synced = 0
        self.finished = False
        make_folder(out, mode=0o700)
        if self._file.exists():
            found = self._read()
            if found.get("batch") != self._batch:
                raise _other(out)
            self._done = self._synced = int(str(found.get("done", 0)))
            self.finished = found.get("finished") is True
        elif any(out.iterdir()):
            raise UsageError(
                f"{out} is not empty and no batch of images", hint="Name a folder that is new or empty.",
                code="image.folder",
            )  # fmt: skip
        else:
            self._write()

    @property
    def done(self) -> int:
        """Images there."""
        return self._done

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and not issubclass(kind, FileError):  # a full disk takes no note either
            self._checkpoint()

    def take(self, made: Made) -> None:
        """Count what the worker wrote; note it once it is on the disk."""
        self._done += len(made.names)
        if self._done - self._synced >= _SYNC_EVERY:
            self._checkpoint()

    def finish(self) -> Path:
        """Make it outlive a power cut, and say that it is all there."""
        if not self.finished:
            self.finished = True
            self._checkpoint()
        return self._out

    def _checkpoint(self) -> None:
        # One sync for thousands of small files: fsync on each would take longer than making them.
        if hasattr(os, "sync"):
            os.sync()
        self._synced = self._done
        self._write()

    def _write(self) -> None:
        document = {"batch": self._batch, "done": self._synced, "finished": self.finished}
        write_text(self._file, json.dumps(document, indent=2) + "\n")

    def _read(self) -> dict[str, object]:
        try:
            found = json.loads(read_bytes(self._file, limit=1024 * 1024))
        except ValueError as error:
            raise ImageError(f"{self._file} is damaged: {error}", hint="Build into a new folder.") from error
        if not isinstance(found, dict):
            raise ImageError(f"{self._file} is damaged", hint="Build into a new folder.")
        return found


def _other(place: Path) -> UsageError:
    return UsageError(
        f"{place} is of another batch: other rows, templates, key, settings or format",
        hint="Name another --out, or move the old one away. Nothing was changed.",
        code="image.other-batch",
    )
