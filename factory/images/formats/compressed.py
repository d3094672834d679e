"""gzip and zstd: packed without name and time, unpacked with a bound."""

from __future__ import annotations

import zlib

from factory.images.errors import ImageError
from factory.images.formats.names import LARGEST

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


def gzipped(data: bytes) -> bytes:
    """A gzip without name and time: the same bytes for the same data."""
    from isal import igzip

    packed: bytes = igzip.compress(data, compresslevel=1, mtime=0)
    return packed


def unpacked(data: bytes, place: str) -> bytes:
    """What a gzip or zstd holds; other data as they are. Raises ImageError for a broken, cut or too large one."""
    if data.startswith(GZIP):
        return _gunzipped(data, place)
    if data.startswith(ZSTD):
        from factory.images.formats.zstd import unzstd

        return unzstd(data, place)
    return data


def _gunzipped(data: bytes, place: str) -> bytes:
    engine = zlib.decompressobj(wbits=31)
    try:
        found = engine.decompress(data, LARGEST)
    except zlib.error as error:
        raise ImageError(f"{place} is no whole gzip: {error}", hint=_HINT) from error
    if not engine.eof or engine.unused_data or engine.unconsumed_tail:
        raise ImageError(f"{place} is no whole gzip, or larger than {LARGEST} bytes", hint=_HINT)
    return found


_HINT = "Build or copy the image again."
