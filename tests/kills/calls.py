"""The one seam of these tests: every call by which our own code changes a file is told to a listener, before and after.

The functions of `os` are wrapped while a block runs, and the stream that `os.fdopen` gives writes through them, so what
`factory.files` and all others do to files below one folder is seen, whatever Python's own library makes of it.
SQLite's own calls are not seen: its commits are a seam of their own (steps.py).
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch


@dataclass(frozen=True, slots=True)
class Call:
    """One call. `kind` is create, write, truncate, fsync, sync-folder, rename, link, unlink, mkdir, rmdir or
    chmod; `to` is the second path of a rename or link; `at` the offset of a write, the size of a truncate, the mode of
    a chmod.
    """

    kind: str
    path: Path
    to: Path | None = None
    data: bytes = b""
    at: int = 0

    def __str__(self) -> str:
        to = f" -> {self.to.name}" if self.to else ""
        return f"{self.kind} {self.path.name}{to}{f' {len(self.data)} bytes at {self.at}' if self.data else ''}"


Heard = Callable[[Call], None]


@dataclass(frozen=True, slots=True)
class Listener:
    """`before` may raise in the place of the call, or never return; `after` is told what was done."""

    before: Heard
    after: Heard = lambda call: None
    split_writes: bool = False


class _Raw(io.RawIOBase):
    """A raw file whose writes go through os.write, which is wrapped."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return os.write(self._descriptor, bytes(data))

    def seek(self, offset: int, whence: int = 0) -> int:
        return os.lseek(self._descriptor, offset, whence)

    def truncate(self, size: int | None = None) -> int:
        size = self.tell() if size is None else size
        os.ftruncate(self._descriptor, size)
        return size

    def close(self) -> None:
        if not self.closed:
            super().close()
            os.close(self._descriptor)


class _Seam:
    def __init__(self, folder: Path, listener: Listener, without: Path | None) -> None:
        self._folder = Path(os.path.realpath(folder))
        self._without = () if without is None else (self._folder / without,)
        self._listener = listener
        self._open: dict[int, Path] = {}
        self._lock = threading.Lock()
        self._real = {name: getattr(os, name) for name in _WRAPPED}

    def path(self, name: Any, dir_fd: int | None = None) -> Path | None:
        """The place that a call names, if it lies in the folder; the last part is not followed."""
        if isinstance(name, int):
            return self._open.get(name)
        given = Path(os.fsdecode(name))
        if dir_fd is not None:
            if dir_fd not in self._open:
                return None
            given = self._open[dir_fd] / given
        place = Path(os.path.realpath(given.parent)) / given.name
        inside = place.is_relative_to(self._folder)
        return place if inside and not any(place.is_relative_to(one) for one in self._without) else None

    def told(self, call: Call | None, do: Callable[[], Any]) -> Any:
        if call is None:
            return do()
        self._listener.before(call)
        done = do()
        self._listener.after(call)
        return done

    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        place = self.path(path, dir_fd)
        real = self._real["open"]
        if place is None:
            return int(real(path, flags, mode, dir_fd=dir_fd))
        missing = not os.path.lexists(place)
        call = Call("create", place) if flags & os.O_CREAT and missing else None
        if flags & os.O_TRUNC and not missing:
            call = Call("truncate", place)
        descriptor: int = self.told(call, lambda: real(path, flags, mode, dir_fd=dir_fd))
        with self._lock:
            self._open[descriptor] = place
        return descriptor

    def close(self, descriptor: int) -> None:
        with self._lock:
            self._open.pop(descriptor, None)
        self._real["close"](descriptor)

    def fdopen(self, descriptor: int, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        if descriptor not in self._open or "b" not in mode or not set(mode) & set("wax+"):
            return self._real["fdopen"](descriptor, mode, *arguments, **named)
        return io.BufferedWriter(_Raw(descriptor))

    def write(self, descriptor: int, data: bytes) -> int:
        place = self._open.get(descriptor)
        if place is None:
            return int(self._real["write"](descriptor, data))
        at = os.lseek(descriptor, 0, os.SEEK_CUR)
        return self._pieces(place, bytes(data), at, lambda piece, _: self._real["write"](descriptor, piece))

    def pwrite(self, descriptor: int, data: Any, offset: int) -> int:
        place = self._open.get(descriptor)
        if place is None:
            return int(self._real["pwrite"](descriptor, data, offset))
        return self._pieces(place, bytes(data), offset, lambda piece, at: self._real["pwrite"](descriptor, piece, at))

    def pwritev(self, descriptor: int, buffers: Any, offset: int) -> int:
        if descriptor not in self._open:
            return int(self._real["pwritev"](descriptor, buffers, offset))
        return self.pwrite(descriptor, b"".join(buffers), offset)

    def _pieces(self, place: Path, data: bytes, at: int, do: Callable[[bytes, int], int]) -> int:
        """One write, or two halves of it, so that a kill may fall between them."""
        half = len(data) // 2 if self._listener.split_writes else 0
        if half:
            self.told(Call("write", place, data=data[:half], at=at), lambda: do(data[:half], at))
        rest = data[half:]
        return half + int(self.told(Call("write", place, data=rest, at=at + half), lambda: do(rest, at + half)))

    def ftruncate(self, descriptor: int, size: int) -> None:
        place = self._open.get(descriptor)
        call = Call("truncate", place, at=size) if place else None
        self.told(call, lambda: self._real["ftruncate"](descriptor, size))

    def fchmod(self, descriptor: int, mode: int) -> None:
        place = self._open.get(descriptor)
        call = Call("chmod", place, at=mode) if place else None
        self.told(call, lambda: self._real["fchmod"](descriptor, mode))

    def fsync(self, descriptor: int) -> None:
        place = self._open.get(descriptor)
        call = Call("sync-folder" if place.is_dir() else "fsync", place) if place else None
        self.told(call, lambda: self._real["fsync"](descriptor))

    def two(self, name: str, kind: str) -> Callable[..., None]:
        def wrapped(source: Any, target: Any, **named: Any) -> None:
            first, second = self.path(source), self.path(target)
            call = Call(kind, first or second, to=second) if first or second else None  # type: ignore[arg-type]
            self.told(call, lambda: self._real[name](source, target, **named))
            if kind == "rename" and first and second:
                with self._lock:  # what is open under the old name goes on under the new one
                    self._open = {fd: second if at == first else at for fd, at in self._open.items()}

        return wrapped

    def one(self, name: str, kind: str) -> Callable[..., None]:
        def wrapped(path: Any, *arguments: Any, **named: Any) -> None:
            place = self.path(path, named.get("dir_fd"))
            at = int(arguments[0]) if kind == "chmod" else 0
            nothing = kind in ("mkdir", "unlink", "rmdir") and place and os.path.lexists(place) == (kind == "mkdir")
            call = Call(kind, place, at=at) if place and not nothing else None
            self.told(call, lambda: self._real[name](path, *arguments, **named))

        return wrapped

    def wrappers(self) -> dict[str, Callable[..., Any]]:
        whole = {name: getattr(self, name) for name in _WHOLE}
        pairs = {name: self.two(name, kind) for name, kind in _PAIRS.items()}
        return whole | pairs | {name: self.one(name, kind) for name, kind in _ONES.items()}


_PAIRS = {"rename": "rename", "replace": "rename", "link": "link"}
_ONES = {"unlink": "unlink", "remove": "unlink", "mkdir": "mkdir", "rmdir": "rmdir", "chmod": "chmod"}
_WHOLE = ("open", "close", "fdopen", "write", "pwrite", "pwritev", "ftruncate", "fchmod", "fsync")
_WRAPPED = (*_WHOLE, *_PAIRS, *_ONES)


@contextmanager
def heard(folder: Path, listener: Listener, without: Path | None = None) -> Iterator[None]:
    """While the block runs, tell `listener` what is done to files below `folder`, but not below its part `without`."""
    seam = _Seam(folder, listener, without)
    with ExitStack() as stack:
        for name, wrapper in seam.wrappers().items():
            stack.enter_context(patch.object(os, name, wrapper))
        yield
