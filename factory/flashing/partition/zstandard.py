"""A zstd compressor for streams, by Python's own module, which Python before 3.14 has as a package."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_FASTEST = 1


def compressor() -> zstd.ZstdCompressor:
    """A compressor whose frame carries a checksum."""
    options = {
        int(zstd.CompressionParameter.compression_level): _FASTEST,
        int(zstd.CompressionParameter.checksum_flag): 1,
    }
    return zstd.ZstdCompressor(options=options)
