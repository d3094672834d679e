"""The one edge that writes files: whole or not at all, and still there after a power cut."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
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


class FileTaken(FileError):  # noqa: N818 - reads as what happened
    """The name of a file that was to appear was given to another one meanwhile, which stays as it is."""

    code = "files.taken"


@contextlib.contextmanager
def appearing(path: Path, *, mode: int = PRIVATE, beside: Sequence[str] = ()) -> Iterator[Path]:
    """An empty temporary file in the target's folder, for a writer that wants a name (SQLite), which appears as `path`
    when the block ends well: synced, and never in the place of a file that is there. `beside` are endings of files
    that the writer makes next to its own; they are removed with it.

    Raises FileTaken where `path` is there by then; FileError with the path and the system's reason.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.touch(mode=mode, exist_ok=False)
        yield temporary
        _sync_file(temporary)
        try:
            path.hardlink_to(temporary)  # unlike a rename it takes nothing's place
        except FileExistsError as error:
            raise FileTaken(f"{path} was made by somebody else meanwhile", hint="Name another file.") from error
        sync_folder(path.parent)
    except OSError as error:
        raise _failed("make", path, error, "The disk must know hard links. Nothing was changed.") from error
    finally:
        for ending in ("", *beside):
            with contextlib.suppress(OSError):  # on a read-only disk even what is not there cannot be removed
                temporary.with_name(temporary.name + ending).unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(path: Path, *, mode: int = 0o700) -> Iterator[Path]:
    """An empty folder beside `path`, to be filled, that takes its place when the block ends well.

    Every folder in it is synced; its files are the caller's to sync, as `write_bytes` does. A power cut between the
    two renames leaves no folder under the name, never half of one. Raises FileError; what was there stays then.
    """
    staging, old = (path.with_name(f".{path.name}.{secrets.token_hex(4)}.{ending}") for ending in ("tmp", "old"))
    try:
        staging.mkdir(mode=mode)
        yield staging
        for folder in (staging, *(below for below in staging.rglob("*") if below.is_dir())):
            sync_folder(folder)
        if path.exists():
            path.rename(old)
        staging.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise _failed("write", path, error) from error
    finally:
        if old.exists() and not path.exists():
            old.rename(path)
        shutil.rmtree(staging, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def move_aside(path: Path, target: Path) -> None:
    """Give a file another name in its folder, durably, and never the name of a file that is there. A cut in between
    leaves it under both names. Raises FileError.
    """
    try:
        target.hardlink_to(path)
        path.unlink()
        sync_folder(path.parent)
    except OSError as error:
        raise _failed("move", path, error) from error


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


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR | _PLATFORM_FLAGS)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _failed(action: str, path: Path, error: OSError, more: str = "") -> FileError:
    reason = error.strerror or type(error).__name__
    hint = f"Check the path, its rights and the free space of the disk. {more}".rstrip()
    return FileError(f"cannot {action} {path}: {reason}", hint=hint)
