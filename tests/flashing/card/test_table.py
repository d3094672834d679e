"""Partition tables: what sfdisk wrote, what nobody may write, and what hypothesis makes of them."""

from __future__ import annotations

import struct
import tempfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.flashing.card import CardRefused
from factory.flashing.card.table import Table, read_table
from tests.flashing.card.bench import MIB, sfdisk

SIZE = 64 * MIB


def table_of(data: bytes | bytearray, sector: int = 512) -> Table | None:
    return read_table(lambda at, length: bytes(data[at : at + length]), sector, "the image")


def made(script: str, size: int = SIZE) -> tuple[bytearray, list[dict[str, int]]]:
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        file.truncate(size)
        listed = sfdisk(Path(file.name), script).get("partitions", [])
        return bytearray(Path(file.name).read_bytes()), listed  # type: ignore[return-value]


SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=6)


@settings(max_examples=6)
@given(SIZES, st.sampled_from(["gpt", "dos"]))
def test_as_sfdisk_has_it(sizes: list[int], label: str) -> None:
    sizes = sizes[:4] if label == "dos" else sizes
    data, listed = made(f"label: {label}\n" + "".join(f",{size}M\n" for size in sizes))
    table = table_of(data)
    assert table is not None
    assert [(one.start, one.length) for one in table.partitions] == [
        (one["start"] * 512, one["size"] * 512) for one in listed
    ]


@settings(max_examples=5)
@given(st.lists(st.integers(1, 6), min_size=0, max_size=7))
def test_logical_partitions_as_sfdisk_has_them(sizes: list[int]) -> None:
    logical = "".join(f"{number} : size={size}M\n" for number, size in enumerate(sizes, 5))
    data, listed = made(f"label: dos\n1 : size=4M\n2 : size=58M, type=E\n{logical}")
    table = table_of(data)
    assert table is not None
    assert [(one.start, one.length) for one in table.partitions] == [
        (one["start"] * 512, one["size"] * 512) for one in listed
    ]
    assert [one.container for one in table.partitions][:2] == [False, True]


def gpt(entries: list[tuple[int, int]], *, sector: int = 512, low: int = 34, high: int = 10_000) -> bytearray:
    listed = b"".join(
        struct.pack("<16s16sQQ80x", b"\1" * 16, bytes([n] * 16), *one) for n, one in enumerate(entries, 1)
    )
    listed = listed.ljust(128 * 128, b"\0")
    head = struct.pack(
        "<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, 1, 20_000, low, high, bytes(16), 2, 128, 128,
        zlib.crc32(listed),
    )  # fmt: skip
    head = head[:16] + struct.pack("<I", zlib.crc32(head)) + head[20:]
    mbr = bytes(446) + struct.pack("<B3xB3xII", 0, 0xEE, 1, 20_000) + bytes(48) + b"\x55\xaa"
    return bytearray(mbr.ljust(sector, b"\0") + head.ljust(sector, b"\0") + listed)


def test_gpt_of_large_sectors() -> None:
    data = gpt([(40, 99)], sector=4096)
    table = table_of(data, 4096)
    assert table is not None
    assert (table.partitions[0].start, table.partitions[0].length) == (40 * 4096, 60 * 4096)
    with pytest.raises(CardRefused, match="sectors of 4096 bytes, and the card has sectors of 512"):
        table_of(data, 512)


def test_gaps_in_the_numbers() -> None:
    data = gpt([(40, 49), (50, 59)])
    data[1024 : 1024 + 16] = bytes(16)
    struct.pack_into("<I", data, 512 + 88, zlib.crc32(data[1024:]))
    struct.pack_into("<I", data, 512 + 16, 0)
    struct.pack_into("<I", data, 512 + 16, zlib.crc32(data[512 : 512 + 92]))
    table = table_of(data)
    assert table is not None
    assert [one.number for one in table.partitions] == [2]


@pytest.mark.parametrize(
    ("entries", "what"),
    [
        ([(40, 99), (90, 120)], "overlap"),
        ([(10, 99)], "outside"),
        ([(99, 40)], "outside"),
        ([(40, 10_001)], "outside"),
        ([(40, 2**64 - 1)], "outside"),
    ],
)
def test_impossible_gpts(entries: list[tuple[int, int]], what: str) -> None:
    with pytest.raises(CardRefused, match=what):
        table_of(gpt(entries))


@given(st.integers(512, 512 + 91) | st.integers(1024, 1024 + 128 * 128 - 1), st.integers(1, 255))
def test_one_changed_byte_of_a_gpt_is_seen(place: int, change: int) -> None:
    data = gpt([(40, 99), (100, 199)])
    data[place] ^= change
    with pytest.raises(CardRefused) as refused:
        table_of(data)
    assert refused.value.code == "card.table"


def test_an_old_gpt_under_a_plain_mbr_is_not_looked_at() -> None:
    data = gpt([(40, 99)])
    struct.pack_into("<B3xB3xII", data, 446, 0x80, 0x0C, 2048, 4096)
    table = table_of(data)
    assert table is not None
    assert (table.kind, table.partitions[0].start) == ("mbr", MIB)


def mbr(*entries: tuple[int, int, int, int]) -> bytearray:
    rows = b"".join(struct.pack("<B3xB3xII", *entry) for entry in entries).ljust(64, b"\0")
    return bytearray(bytes(446) + rows + b"\x55\xaa" + bytes(SIZE - 512))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (mbr((0, 0x83, 2048, 4096), (0, 0x83, 4096, 4096)), "overlap"),
        (mbr((0, 0x83, 0, 4096)), "begins where the table lies"),
        (mbr((0, 5, 2048, 4096), (0, 15, 8192, 4096)), "more than one extended"),
        (mbr((0, 5, 2048, 4096), (0, 0x83, 3000, 10)), "overlap"),
    ],
)
def test_impossible_mbrs(data: bytearray, what: str) -> None:
    with pytest.raises(CardRefused, match=what):
        table_of(data)


def test_chains_without_an_end_or_out_of_bounds() -> None:
    data = mbr((0, 5, 2048, 8192))
    record = 2048 * 512
    data[record + 510 : record + 512] = b"\x55\xaa"
    struct.pack_into("<B3xB3xII", data, record + 446, 0, 0x83, 64, 100)
    for place, what in ((0, "no end|lead out"), (9000, "lead out")):
        struct.pack_into("<B3xB3xII", data, record + 462, 0, 5, place, 100)
        with pytest.raises(CardRefused, match=what):
            table_of(data)
    struct.pack_into("<B3xB3xII", data, record + 462, 0, 0, 0, 0)
    struct.pack_into("<B3xB3xII", data, record + 446, 0, 0x83, 64, 9000)
    with pytest.raises(CardRefused, match="outside the extended"):
        table_of(data)
    struct.pack_into("<B3xB3xII", data, record + 446, 0, 0x83, 64, 100)
    struct.pack_into("<B3xB3xII", data, record + 462, 0, 5, 4096, 100)  # nothing there
    with pytest.raises(CardRefused, match="is broken"):
        table_of(data)


@pytest.mark.parametrize(
    "data",
    [b"", bytes(511), bytes(4096), b"\xeb\x3c\x90" + b"F" * 443 + b"\x99" * 64 + b"\x55\xaa", mbr()],
)
def test_no_table(data: bytes) -> None:
    assert table_of(data) is None


@given(st.binary(max_size=64), st.binary(min_size=64, max_size=64))
def test_any_bytes_are_a_table_or_refused(head: bytes, rows: bytes) -> None:
    data = head.ljust(446, b"\0")[:446] + rows + b"\x55\xaa" + bytes(4096)
    try:
        table = table_of(data)
    except CardRefused as refused:
        assert refused.code == "card.table"
    else:
        assert table is None or all(one.length > 0 and one.start > 0 for one in table.partitions)
