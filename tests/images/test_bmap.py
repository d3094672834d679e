"""Block maps: what is read is what bmap-tools wrote; anything odd or changed is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.images import ImageError
from factory.images.bmap import BmapRange, bmap_beside, parse_bmap, read_bmap

BLOCK = 4096
A, B = "a" * 64, "b" * 64


def text(ranges: Sequence[tuple[str, str]], size: int = 10 * BLOCK - 5, *, mapped: int | None = None) -> str:
    lines = "".join(f'<Range chksum="{digest}"> {place} </Range>' for place, digest in ranges)
    count = "" if mapped is None else f"<MappedBlocksCount> {mapped} </MappedBlocksCount>"
    return (
        f'<?xml version="1.0" ?><bmap version="2.0"><!-- made by hand --><ImageSize> {size} </ImageSize>'
        f"<BlockSize> {BLOCK} </BlockSize><BlocksCount> {-(-size // BLOCK)} </BlocksCount>{count}"
        f"<ChecksumType> sha256 </ChecksumType><BmapFileChecksum> {'0' * 64} </BmapFileChecksum>"
        f"<BlockMap>{lines}</BlockMap></bmap>"
    )


def signed(body: str) -> bytes:
    return body.replace("0" * 64, hashlib.sha256(body.encode()).hexdigest()).encode()


def test_ranges_are_bytes_and_end_with_the_image() -> None:
    bmap = parse_bmap(signed(text([("0-1", A), ("4", B), ("8-9", A)], mapped=5)))
    assert bmap.image_size == 10 * BLOCK - 5 and bmap.block_size == BLOCK and bmap.version == "2.0"
    assert bmap.ranges == (
        BmapRange(0, 2 * BLOCK, A),
        BmapRange(4 * BLOCK, BLOCK, B),
        BmapRange(8 * BLOCK, 2 * BLOCK - 5, A),
    )
    assert bmap.mapped == 5 * BLOCK - 5


def test_a_map_of_version_1_has_no_checksums() -> None:
    data = (
        '<bmap version="1.0"><ImageSize>8192</ImageSize><BlockSize>4096</BlockSize><BlocksCount>2</BlocksCount>'
        "<BlockMap><Range>1</Range></BlockMap></bmap>"
    )
    assert parse_bmap(data.encode()).ranges == (BmapRange(4096, 4096),)


ODD = {
    "overlap": (text([("0-3", A), ("3", B)]), "bmap.form"),
    "backwards": (text([("4", A), ("1", B)]), "bmap.form"),
    "outside": (text([("9-10", A)]), "bmap.form"),
    "no hash": (text([("0", "")]), "bmap.form"),
    "negative": (text([("-1", A)]), "bmap.form"),
    "count": (text([("0-1", A)], mapped=3), "bmap.form"),
    "block": (text([("0", A)]).replace("<BlockSize> 4096", "<BlockSize> 4095"), "bmap.form"),
    "blocks": (text([("0", A)]).replace("<BlocksCount> 10", "<BlocksCount> 11"), "bmap.form"),
    "twice": (text([("0", A)]).replace("<BlockSize>", "<ImageSize> 1 </ImageSize><BlockSize>"), "bmap.form"),
    "nothing": (text([]), "bmap.form"),
    "no map": (text([]).replace("<BlockMap></BlockMap>", ""), "bmap.form"),
    "sha1": (text([("0", A)]).replace("sha256", "sha1"), "bmap.checksum"),
    "version": (text([("0", A)]).replace('version="2.0"', 'version="3.0"'), "bmap.version"),
    "entity": (
        '<!DOCTYPE x [<!ENTITY a "b">]>' + text([("0", A)]).removeprefix('<?xml version="1.0" ?>'),
        "bmap.xml",
    ),
    "cut": (text([("0", A)])[:-30], "bmap.xml"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_maps_are_refused(name: str) -> None:
    body, code = ODD[name]
    with pytest.raises(ImageError) as caught:
        parse_bmap(signed(body), "x.bmap")
    assert caught.value.code == code and "x.bmap" in caught.value.message


def test_any_changed_byte_is_seen() -> None:
    data = signed(text([("0-1", A), ("4", B)]))
    with pytest.raises(ImageError):
        parse_bmap(data.replace(b"made by hand", b"made by hens"))
    with pytest.raises(ImageError):
        parse_bmap(data.replace(b" 0-1 ", b" 0-2 "))


@given(st.binary(max_size=200))
def test_whatever_it_is_only_our_error_comes(data: bytes) -> None:
    for wrapped in (data, b'<bmap version="2.0">' + data + b"</bmap>"):
        with pytest.raises(ImageError):
            parse_bmap(wrapped)


def test_the_map_beside_an_image(tmp_path: Path) -> None:
    image = tmp_path / "os.img"
    image.touch()
    assert bmap_beside(image) is None
    other = tmp_path / "os.bmap"
    other.write_bytes(signed(text([("0", A)])))
    assert bmap_beside(image) == other
    assert read_bmap(other).ranges[0].sha256 == A
    nearer = tmp_path / "os.img.bmap"
    nearer.touch()
    assert bmap_beside(image) == nearer
    with pytest.raises(ImageError) as caught:
        read_bmap(tmp_path / "none.bmap")
    assert caught.value.code == "bmap.read"
