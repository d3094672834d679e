"""Looking for secrets in what was left behind: as they are, in base64 at any alignment, in gzip within it."""

from __future__ import annotations

import base64
import contextlib
import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

_RUN = re.compile(rb"[A-Za-z0-9+/_-]{12,}")


def views(data: bytes, depth: int = 2) -> Iterator[bytes]:
    """The bytes themselves, every run of base64 in them decoded, everything packed in them unpacked."""
    yield data
    # JSON and transcripts escape line ends; a run may go on behind them.
    joined = data.replace(b"\\x0d", b"").replace(b"\\x0a", b"").replace(b"\\n", b"").replace(b"\n", b"")
    if depth == 0:
        return
    if joined != data:
        yield joined
    for source in {data, joined}:
        for run in _RUN.findall(source):
            letters = run.translate(bytes.maketrans(b"-_", b"+/"))
            for start in range(4):
                piece = letters[start:]
                piece = piece[: len(piece) - 1] if len(piece) % 4 == 1 else piece
                yield from views(base64.b64decode(piece + b"A" * (-len(piece) % 4)), depth - 1)
        start = source.find(b"\x1f\x8b")
        while start >= 0:
            unpacker = zlib.decompressobj(wbits=31)
            with contextlib.suppress(zlib.error):
                yield from views(unpacker.decompress(source[start:], 1 << 20), depth - 1)
            start = source.find(b"\x1f\x8b", start + 1)


def leaks(files: Iterable[Path], secrets: Iterable[str]) -> list[str]:
    """Which file shows which secret (by number, so that a failing test does not show it either)."""
    wanted = [secret.encode() for secret in secrets]
    found = set()
    for file in files:
        for view in views(file.read_bytes()):
            found |= {f"{file.name}: secret {number}" for number, secret in enumerate(wanted) if secret in view}
    return sorted(found)


def probe(secret: str) -> list[bytes]:
    """Ways in which a secret can hide, to show that `leaks` finds each of them."""
    raw = secret.encode()
    return [
        raw,
        *(base64.b64encode(b"x" * offset + raw + b"y") for offset in range(3)),
        gzip.compress(raw),
        base64.b64encode(gzip.compress(b"a" + raw)),
        base64.encodebytes(b"z" * 50 + raw),
    ]
