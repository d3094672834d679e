"""Writing a container: records are appended, an unfinished one is taken up where its last whole record ends."""

from __future__ import annotations

import os
import zlib
from array import array
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from factory.errors import UsageError
from factory.files import FileError, make_folder, sync_folder
from factory.images.errors import ImageError
from factory.images.pack import ENTRY, INDEX, TAIL, header_of, key_of, record_at

_SYNC_EVERY = 64 * 1024 * 1024
_ENTRIES = 10_000


class PackWriter:
    """One container being written as `PATH.part`; `done` is the number of records that it holds, in row order.

    It is not mapped and no index is kept but 16 bytes per image. Use it in a `with` block: what was appended stays
    there, and only `finish` gives it its name.
    """

    def __init__(self, path: Path, batch: Mapping[str, object]) -> None:
        """Open or take up the container of `batch` (JSON values that say what the images are made of).

        Raises UsageError (`image.other-batch`) where an unfinished one is of another batch, and FileError.
        """
        self.path, self._part = path, path.with_name(f"{path.name}.part")
        self._keys, self._places = array("Q"), array("Q")
        self._synced = 0
        make_folder(path.parent)
        head = header_of(batch)
        try:
            self._file = os.open(self._part, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
            self._end = self._taken_up(head)
        except OSError as error:
            raise self._failed(error) from error

    @property
    def done(self) -> int:
        """How many images it holds."""
        return len(self._keys)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file >= 0:
            os.close(self._file)

    def append(self, names: Iterable[bytes], lengths: Iterable[int], data: bytes) -> None:
        """Append whole records, `data` joined of them, each with its hardware id and its length in bytes.

        Raises FileError; what was whole before stays whole.
        """
        at = self._end
        try:
            offset = self._write(data, at)
            if offset - self._synced > _SYNC_EVERY:
                os.fsync(self._file)
                self._synced = offset
        except OSError as error:
            raise self._failed(error) from error
        self._end = offset
        for name, length in zip(names, lengths, strict=True):
            self._keys.append(key_of(name))
            self._places.append(at)
            at += length
        if at != offset:
            raise ValueError("the lengths of the records are not those of their bytes")

    def finish(self) -> Path:
        """Write the index and give the container its name. Raises FileError."""
        order = sorted(range(len(self._keys)), key=self._keys.__getitem__)
        try:
            os.ftruncate(self._file, self._end)
            at, crc = self._end, 0
            for start in range(0, len(order), _ENTRIES):
                part = b"".join(ENTRY.pack(self._keys[n], self._places[n]) for n in order[start : start + _ENTRIES])
                at, crc = self._write(part, at), zlib.crc32(part, crc)
            self._write(TAIL.pack(INDEX, self._end, len(order), crc), at)
            os.fsync(self._file)
            os.close(self._file)
            self._file = -1
            self._part.replace(self.path)
            sync_folder(self.path.parent)
        except OSError as error:
            raise self._failed(error) from error
        return self.path

    def _write(self, data: bytes, at: int) -> int:
        """Write all of `data` at a place and return the place behind it. Raises OSError."""
        view = memoryview(data)
        while view:
            written = os.pwrite(self._file, view, at)
            view, at = view[written:], at + written
        return at

    def _taken_up(self, head: bytes) -> int:
        """Check what is there, note its whole records, and return where the next one goes."""
        size = os.fstat(self._file).st_size
        # A power cut may leave nothing of a head that was being written, or zeros.
        if size < len(head) or not any(os.pread(self._file, len(head), 0)):
            os.ftruncate(self._file, 0)
            self._write(head, 0)
            # Before the first record: without its head nobody could tell whose the unfinished container is.
            os.fsync(self._file)
            sync_folder(self.path.parent)
            return len(head)
        with self._part.open("rb") as stream:
            if stream.read(len(head)) != head:
                raise UsageError(
                    f"{self._part} is the unfinished container of another batch: other rows, templates, key or format",
                    hint="Finish that one with its own sheet and product, or delete it.",
                    code="image.other-batch",
                )
            return self._scan(stream.fileno(), len(head), size)

    def _scan(self, descriptor: int, at: int, size: int) -> int:
        import mmap

        with mmap.mmap(descriptor, size, access=mmap.ACCESS_READ) as data:
            while at < size:
                try:
                    found = record_at(data, at, str(self._part))
                except ImageError:  # cut by whatever stopped the writer: overwritten by what comes now
                    break
                self._keys.append(key_of(found.name))
                self._places.append(at)
                at = found.end
        return at

    def _failed(self, error: OSError) -> FileError:
        reason = error.strerror or type(error).__name__
        return FileError(
            f"cannot write {self._part}: {reason}",
            hint=f"{self.done} images are whole in it: make room and run the same command again, it goes on there.",
        )
