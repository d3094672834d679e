"""crc32c (Castagnoli) as ext4 uses it: no final inversion, seeded by the caller; and what a changed field does to it.

The sum is linear over XOR: a field that changes by `delta` changes the sum by that of `delta` in a message of zeros.
So a per-unit size costs four table look-ups instead of a pass over the inode.
"""

from __future__ import annotations

from functools import cache

_POLYNOMIAL = 0x82F63B78


@cache
def _table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        crc = value
        for _ in range(8):
            crc = (crc >> 1) ^ (_POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


def crc32c(seed: int, data: bytes) -> int:
    """The sum of `data`, going on from `seed`."""
    table, crc = _table(), seed
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc


@cache
def field_tables(offset: int, width: int, length: int) -> tuple[tuple[int, ...], ...]:
    """For each byte of a field at `offset` in a message of `length` bytes: by its XOR delta, the delta of the sum."""
    tables = []
    for place in range(offset, offset + width):
        bits = []
        for bit in range(8):
            message = bytearray(length)
            message[place] = 1 << bit
            bits.append(crc32c(0, bytes(message)))
        sums = [0] * 256
        for delta in range(256):
            for bit in range(8):
                if delta >> bit & 1:
                    sums[delta] ^= bits[bit]
        tables.append(tuple(sums))
    return tuple(tables)
