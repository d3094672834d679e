"""Reading an image front to back, whatever it is packed with. What it is says its content, never its name."""

from __future__ import annotations

import lzma
import os
import sys
from collections.abc import Callable
from typing import Protocol

from factory.errors import FactoryError
from factory.flashing.card.disk import CardRefused

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

GZIP, XZ, ZSTD = b"\x1f\x8b", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"
_OTHERS = ((b"BZh", "a bzip2 file"), (b"PK\x03\x04", "a zip archive"), (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"))
_PIECE = 1024 * 1024
_XZ_MEMORY = 512 * 1024 * 1024
_HINT = "Copy or build the image again."


class DamagedImage(FactoryError):  # noqa: N818 - reads as what it is
    """An image file that is not whole: its packing, a checksum, or its size."""

    code = "card.damaged"


class Engine(Protocol):
    """What the three decompressors have in common."""

    @property
    def eof(self) -> bool:
        """The stream has ended."""

    @property
    def needs_input(self) -> bool:
        """Nothing more comes without more input."""

    @property
    def unused_data(self) -> bytes:
        """What was given and lies behind the end."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """At most `max_length` bytes."""


def packing(head: bytes, place: str) -> Callable[[], Engine] | None:
    """What unpacks a file that begins with `head`, None for one that is not packed. Raises CardRefused."""
    if head.startswith(GZIP):
        return _gzip
    if head.startswith(XZ):
        return _xz
    if head.startswith(ZSTD):
        return _zstd
    for magic, what in _OTHERS:
        if head.startswith(magic):
            message = f"{place} is {what}"
            raise CardRefused(message, hint="Images are raw, .gz, .xz or .zst: unpack it first.", code="card.source")
    return None


def _gzip() -> Engine:
    from isal import igzip_lib

    engine: Engine = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    return engine


def _xz() -> Engine:
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)


def _zstd() -> Engine:
    engine: Engine = zstd.ZstdDecompressor()
    return engine


class Unpacked:
    """The unpacked bytes of a file, forwards only. Every stream's own checksum is checked by its end."""

    def __init__(self, descriptor: int, engine: Callable[[], Engine], place: str) -> None:
        self._descriptor, self._make, self._place = descriptor, engine, place
        self._engine: Engine | None = engine()
        self._input = b""
        self.position = 0

    def read_into(self, view: memoryview) -> int:
        """Fill `view`; fewer bytes at the end only. Raises DamagedImage, FileError's OSError is the caller's."""
        done = 0
        while done < len(view):
            part = self._next(len(view) - done)
            if not part:
                break
            view[done : done + len(part)] = part
            done += len(part)
        self.position += done
        return done

    def _next(self, most: int) -> bytes:
        """Some bytes, none at the end of the last stream."""
        while self._engine is not None:
            if self._engine.eof:
                self._follow(self._engine.unused_data)
                continue
            if not self._input and self._engine.needs_input:
                self._input = os.read(self._descriptor, _PIECE)
                if not self._input:
                    raise self._damaged("it is cut")
            try:
                part = self._engine.decompress(self._input, most)
            except _errors() as error:
                raise self._damaged(str(error)) from error
            self._input = b""
            if part:
                return part
        return b""

    def _follow(self, rest: bytes) -> None:
        """After a stream: zeros are padding, anything else must be another stream."""
        while True:
            rest = rest.lstrip(b"\0") or b""
            if rest:
                break
            rest = os.read(self._descriptor, _PIECE)
            if not rest:
                self._engine = None
                return
        self._engine, self._input = self._make(), rest

    def _damaged(self, why: str) -> DamagedImage:
        return DamagedImage(f"{self._place} is no whole packed image: {why}", hint=_HINT)


def _errors() -> tuple[type[Exception], ...]:
    from isal import igzip_lib

    gzip_error: type[Exception] = igzip_lib.error  # type: ignore[assignment]  # declared as an instance
    return (lzma.LZMAError, zstd.ZstdError, gzip_error, EOFError)
