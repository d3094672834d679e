"""zstd by Python's own module, which Python before 3.14 has as a package."""

from __future__ import annotations

import sys

from factory.images.errors import ImageError
from factory.images.formats.names import LARGEST

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_LEVEL = 3
_HINT = "Build or copy the image again."


def zstandard(data: bytes) -> bytes:
    """One zstd frame with its size and its checksum."""
    options = {
        int(zstd.CompressionParameter.compression_level): _LEVEL,
        int(zstd.CompressionParameter.checksum_flag): 1,
    }
    return zstd.compress(data, options=options)


def unzstd(data: bytes, place: str) -> bytes:
    """What one frame holds. Raises ImageError for a broken, cut or too large one."""
    engine = zstd.ZstdDecompressor()
    try:
        found = engine.decompress(data, LARGEST)
    except zstd.ZstdError as error:
        raise ImageError(f"{place} is no whole zstd: {error}", hint=_HINT) from error
    if not engine.eof or engine.unused_data:
        raise ImageError(f"{place} is no whole zstd, or larger than {LARGEST} bytes", hint=_HINT)
    return found
