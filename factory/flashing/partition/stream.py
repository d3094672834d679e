"""The orders as one stream with their data between them, and the shell script that carries them out on the unit."""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Callable, Iterator
from shlex import quote
from typing import Protocol

from factory.flashing.partition.mtd import erase_function
from factory.flashing.partition.plan import Plan, body_orders
from factory.flashing.partition.source import Source
from factory.flashing.partition.target import Target

GONE, FAILED = 93, 94
_PIECE = 256 * 1024
# Each program gets exactly its bytes: `read` takes a pipe's bytes one by one, and dd with fullblock counts whole
# blocks. Before each order the device is looked for, since dd would make a file of that name if it were gone.
_SCRIPT = """exec 2>&1; LC_ALL=C; export LC_ALL
T={target}
die() {{ printf 'failed %s\\n' "$*"; exit {failed}; }}
here() {{ [ {test} "$T" ] || {{ printf 'gone\\n'; exit {gone}; }}; }}
w() {{ m=$(dd "$@" of="$T" conv=notrunc 2>&1) || die "$m"; }}
s() {{ if dd if=/dev/null of="$T" conv=notrunc,fsync 2>/dev/null; then :; else sync || die sync; fi; }}
"""
_LOOP = """while read -r k b o n; do
  here
  case $k in
  d) w bs="$b" seek="$o" count="$n" iflag=fullblock;;
  z) w if=/dev/zero bs="$b" seek="$o" count="$n";;
  s) s;;
  x) x "$b" "$n";;
  e) s; printf 'written\\n'; exit 0;;
  *) die "order $k";;
  esac
done
die "the stream ended too early"
"""
_UNPACK = {"none": "", "gzip": "gunzip -c", "zstd": "zstd -dc"}


def script(target: Target, *, compress: str) -> str:
    """The script that takes the stream on its stdin. It prints 'written' at its end, else what failed."""
    head = prelude(target)
    unpack = _UNPACK[compress]
    return f"{head}{unpack} | {{\n{_LOOP}}}" if unpack else head + _LOOP


def prelude(target: Target) -> str:
    """The functions w (dd onto the target), s (sync), here, and for flash memory x (erase)."""
    head = _SCRIPT.format(target=quote(target.path), failed=FAILED, gone=GONE, test=target.test)
    return head + (erase_function(target.tools) if target.kind == "mtd" else "")


class Packer(Protocol):
    """A compressor."""

    def pack(self, data: bytes | memoryview) -> bytes | memoryview:
        """Compressed bytes so far; may be empty."""

    def end(self) -> bytes:
        """The rest."""


class _Plain:
    def pack(self, data: bytes | memoryview) -> bytes | memoryview:
        return data

    def end(self) -> bytes:
        return b""


class _Gzip:
    def __init__(self) -> None:
        self._engine = zlib.compressobj(1, wbits=31)

    def pack(self, data: bytes | memoryview) -> bytes:
        return self._engine.compress(data)

    def end(self) -> bytes:
        return self._engine.flush()


class _Zstd:
    def __init__(self) -> None:
        from factory.flashing.partition.zstandard import compressor

        self._engine = compressor()

    def pack(self, data: bytes | memoryview) -> bytes:
        packed: bytes = self._engine.compress(data)
        return packed

    def end(self) -> bytes:
        packed: bytes = self._engine.flush()
        return packed


def packer(compress: str) -> Packer:
    """A new compressor: none, gzip or zstd."""
    kinds: dict[str, Callable[[], Packer]] = {"none": _Plain, "gzip": _Gzip, "zstd": _Zstd}
    return kinds[compress]()


class OrderStream(io.RawIOBase):
    """The orders for a plan's body as a readable stream. `done` counts bytes of the image that were handed out; once
    the stream was read to its end, `digest` is the hash over the body in `algorithm`, and `late` has the late blocks.
    Raises what the source raises.
    """

    def __init__(self, plan: Plan, *, compress: str, algorithm: str) -> None:
        super().__init__()
        self.digest = hashlib.new(algorithm, usedforsecurity=False)
        self.late: dict[int, bytes] = {}
        self.done = 0
        self.ended = False
        self._pieces = self._packed(plan, packer(compress))
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: object) -> int:
        """As RawIOBase has it."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def _packed(self, plan: Plan, engine: Packer) -> Iterator[bytes | memoryview]:
        with plan.source.opened() as read:
            for order in body_orders(plan, read, self.digest, self.late):
                yield engine.pack(order.line)
                for at in range(0, len(order.data), _PIECE):
                    yield engine.pack(order.data[at : at + _PIECE])
                self.done += order.block * order.count if order.kind in "dz" else 0
        yield engine.end()
        self.ended = True


def sampled_share(source: Source, compress: str, limit: int = 4 * 1024 * 1024) -> float:
    """How large a sample of the source is after compression: 1.0 is as large as before, zeros left out."""
    engine, taken, packed = packer(compress), 0, 0
    with source.looked() as read:
        count = max(1, sum(length for _, length in source.ranges) // limit)
        step = 64 * 1024
        index = 0
        for offset, length in source.ranges:
            for at in range(offset, offset + length, step):
                index += 1
                if index % count:
                    continue
                piece = read(at, min(step, offset + length - at))
                if piece.count(0) < len(piece):
                    taken += len(piece)
                    packed += len(engine.pack(piece))
    packed += len(engine.end())
    return packed / taken if taken else 1.0
