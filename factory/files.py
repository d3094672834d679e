"""The one edge that writes files: whole or not at all, and still there after a power cut."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from factory.errors import Exit, FactoryError

PUBLIC = 0o644
PRIVATE = 0o600
_PLATFORM_FLAGS: int = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class FileError(FactoryError):
    """A file could not be read or written: disk full, read-only, no right, missing."""

    code = "files"
    exit_code = Exit.USAGE


@contextlib.contextmanager
def replacing(path: Path, *, mode: int = PUBLIC, durable: bool = True) -> Iterator[BinaryIO]:
    """Open a temporary file in the target's folder that replaces `path` when the block ends well.

    The order is write, flush, fsync the file, rename, fsync the folder, so that after a power cut there is the
    old file or the new one and nothing between. The mode is set before the first byte is written. Without
    `durable` the file is whole or not there, too, but only the caller's own sync makes it outlive a power cut: for
    batches of many files, which sync in groups. Raises FileError with the path and the system's reason; the
    temporary file is removed then.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _PLATFORM_FLAGS, mode)
    except OSError as error:
        raise _failed("create", path, error) from error
    try:
        with os.fdopen(descriptor, "wb") as stream:
            if hasattr(os, "fchmod"):  # Windows has neither the call nor the bits
                os.fchmod(stream.fileno(), mode)
            yield stream
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
        temporary.replace(path)
        if durable:
            sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _failed("write", path, error) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, content: bytes, *, mode: int = PUBLIC) -> None:
    """Write a whole file durably, or leave what was there. Raises FileError."""
    with replacing(path, mode=mode) as stream:
        stream.write(content)


def write_text(path: Path, content: str, *, mode: int = PUBLIC) -> None:
    """Write a whole UTF-8 text durably, line ends as given. Raises FileError."""
    write_bytes(path, content.encode("utf-8"), mode=mode)


def make_folder(path: Path, *, mode: int = 0o755) -> Path:
    """Make a folder and its parents if they are missing, and make their entries durable. Raises FileError."""
    try:
        missing = list(itertools.takewhile(lambda folder: not folder.exists(), (path, *path.parents)))
        path.mkdir(mode=mode, parents=True, exist_ok=True)
        for folder in missing or (
            path,
        ):  # one that is there may have been made a moment ago, by somebody who died of it
            sync_folder(folder.parent)
    except OSError as error:
        raise _failed("make the folder", path, error) from error
    return path


def read_bytes(path: Path, *, limit: int = 64 * 1024 * 1024) -> bytes:
    """Read a whole file of at most `limit` bytes. Raises FileError when it is missing, unreadable or larger."""
    try:
        with path.open("rb") as stream:
            content = stream.read(limit + 1)
    except OSError as error:
        raise _failed("read", path, error) from error
    if len(content) > limit:
        raise FileError(f"{path} is larger than {limit} bytes", hint="Is this the file you meant?")
    return content


def sync_folder(folder: Path) -> None:
    """Make the entries of a folder durable; a no-op where a folder cannot be opened (Windows)."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:
        if os.name == "nt":
            return
        raise
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _failed(action: str, path: Path, error: OSError) -> FileError:
    reason = error.strerror or type(error).__name__
    return FileError(
        f"cannot {action} {path}: {reason}", hint="Check the path, its rights and the free space of the disk."
    )
