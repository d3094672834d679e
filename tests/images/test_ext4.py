"""ext4 made without root: whatever the contents, e2fsck finds nothing and debugfs finds what was put in."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from factory.images import ImageError, read_image, read_tree, write_image
from factory.images.ext4 import Base, Sparse, make_base, read_ext4
from factory.images.ext4.base import shape_of
from factory.images.ext4.crc32c import crc32c, field_tables
from factory.values import FileEntry
from tests.images.product import KEY, builder, identity
from tests.programs import require

SIZE = 4 * 1024 * 1024
ENTRIES = (
    FileEntry("a.txt", 0o644, 0, "x"),
    FileEntry("empty", 0o640, 0, "x"),
    FileEntry("folder", 0o700),
    FileEntry("folder/inner", 0o600, 0, "x"),
    FileEntry("folder/inner.d", 0o755),
    FileEntry("long", 0o755, 0, "x"),
)
FILES = tuple(entry.path for entry in ENTRIES if not entry.is_folder)


def fsck(path: Path) -> str:
    done = subprocess.run([require("e2fsck"), "-fn", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def debugfs(path: Path, command: str) -> bytes:
    return subprocess.run([require("debugfs"), "-R", command, path], capture_output=True, check=True).stdout


def write(sparse: Sparse, path: Path) -> Path:
    with path.open("wb", buffering=0) as stream:
        sparse.write(stream)
    return path


def look(path: Path, entries: tuple[FileEntry, ...], contents: Mapping[str, bytes]) -> None:
    """debugfs' own words about every entry."""
    for entry in entries:
        said = debugfs(path, f"stat {entry.path}").decode()
        kind = "directory" if entry.is_folder else "regular"
        assert re.search(rf"Type: {kind}\s+Mode:\s+{entry.mode:04o}\b", said), said
        assert re.search(r"User:\s+0\s+Group:\s+0\b", said), said
        assert "mtime: 0x00000001" in said
        if not entry.is_folder:
            assert debugfs(path, f"cat {entry.path}") == contents[entry.path]


@pytest.fixture(scope="module")
def bases() -> dict[tuple[int, ...], Base]:
    require("mke2fs"), require("debugfs"), require("e2fsck")
    return {}


sizes = st.one_of(st.just(0), st.integers(1, 40), st.sampled_from([4095, 4096, 4097, 8192, 12289]))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(sizes, min_size=len(FILES), max_size=len(FILES)), st.randoms(use_true_random=False), st.booleans())
def test_any_contents(
    tmp_path: Path, bases: dict[tuple[int, ...], Base], lengths: list[int], random: object, zeros: bool
) -> None:
    draw = random.randbytes  # type: ignore[attr-defined]
    contents = {path: bytes(n) if zeros else draw(n) for path, n in zip(FILES, lengths, strict=True)}
    shape = shape_of(FILES, contents)
    if shape not in bases:
        bases[shape] = make_base("router", SIZE, ENTRIES, shape)
    sparse = bases[shape].patched(contents)
    path = write(sparse, tmp_path / "image")
    fsck(path)
    look(path, ENTRIES, contents)
    assert sparse.known == Sparse.of(path.read_bytes()).payload
    assert Sparse.read(path, SIZE) == sparse == Sparse.of(path.read_bytes()) == Sparse.decoded(sparse.encoded(), "")
    assert path.read_bytes() == sparse.whole()
    found = {member.path: member for member in read_ext4(sparse.read_at, SIZE, "image", limit=SIZE)}
    assert {name: member.content for name, member in found.items() if member.content is not None} == contents
    assert all(found[entry.path].mode == entry.mode and found[entry.path].uid == 0 for entry in ENTRIES)


def test_what_is_behind_the_end_of_a_file_is_zero(bases: dict[tuple[int, ...], Base]) -> None:
    base = make_base("router", SIZE, ENTRIES, (1, 0, 1, 1))
    long = dict.fromkeys(FILES, b"y" * 4096) | {"empty": b""}
    short = dict.fromkeys(FILES, b"z") | {"empty": b""}
    assert b"y" * 2 not in base.patched(short).whole() and b"x" * 2 not in base.patched(short).whole()
    assert base.patched(long).whole().count(b"y" * 4096) == 3


def test_a_base_is_the_same_on_every_day_and_for_every_builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make_base("router", SIZE, ENTRIES, (1, 0, 1, 2))
    time.sleep(1.1)  # a time in the image would show
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("E2FSPROGS_FAKE_TIME", "12345")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "12345")
    previous = os.umask(0o077)
    try:
        assert make_base("router", SIZE, ENTRIES, (1, 0, 1, 2)) == first
    finally:
        os.umask(previous)
    assert make_base("other", SIZE, ENTRIES, (1, 0, 1, 2)) != first


def test_a_product_in_ext4(tmp_path: Path) -> None:
    image = builder(tmp_path, format="ext4").build(identity())
    assert isinstance(image.body, Sparse) and image.manifest.payload == image.body.payload and image.note == ""
    path = write_image(image, tmp_path / "out")
    fsck(path)
    look(path, image.manifest.files, image.contents)
    assert path.stat().st_size == SIZE and path.stat().st_blocks * 512 < SIZE / 8
    assert read_image(path) == image
    assert KEY not in repr(image)


def test_a_unit_with_another_tree_gets_a_base_of_its_own_and_says_so(tmp_path: Path) -> None:
    text = "{% if serial == 'S-1' %}{% for n in range(2000) %}line {% endfor %}{% endif %}x\n"
    subject = builder(tmp_path, {"oem_settings.j2": text}, format="ext4", files=("oem_settings",))
    image = subject.build(identity())
    assert "oem_settings has 3 blocks, usual are 1" in image.note
    path = write_image(image, tmp_path / "out")
    fsck(path)
    look(path, image.manifest.files, image.contents)
    assert subject.build(identity()) == image


def test_a_file_that_is_too_large_for_the_image(tmp_path: Path) -> None:
    text = "{% for n in range(1490) %}" + "x" * 700 + "{% endfor %}\n"
    subject = builder(tmp_path, {"oem_settings.j2": text}, format="ext4", files=("oem_settings",), size=1024 * 1024)
    with pytest.raises(ImageError) as caught:
        subject.build(identity())
    assert "oem_settings" in caught.value.message and "size" in caught.value.hint
    # It fits by its bytes and not beside what the file system needs for itself.
    text = "{% for n in range(1450) %}" + "x" * 700 + "{% endfor %}\n"
    subject = builder(tmp_path / "b", {"oem_settings.j2": text}, format="ext4", files=("oem_settings",), size=1024**2)
    with pytest.raises(ImageError, match="cannot hold"):
        subject.build(identity())


@pytest.mark.parametrize("size", [1024 * 1024, 4 * 1024 * 1024, 160 * 1024 * 1024])
def test_sizes(tmp_path: Path, size: int) -> None:
    image = builder(tmp_path, format="ext4", size=size).build(identity())
    path = write_image(image, tmp_path / "out")
    fsck(path)
    assert path.stat().st_size == size and read_image(path) == image


def test_any_changed_byte_is_seen(tmp_path: Path) -> None:
    image = builder(tmp_path, format="ext4").build(identity())
    path = write_image(image, tmp_path / "out")
    good = path.read_bytes()
    for at in [*range(0, 80_000, 977), SIZE - 1]:
        path.write_bytes(good[:at] + bytes([good[at] ^ 0x41]) + good[at + 1 :])
        with pytest.raises(ImageError):
            read_image(path)
    path.write_bytes(good[:-4096])
    with pytest.raises(ImageError):
        read_image(path)


@pytest.mark.parametrize(
    "options",
    [
        ["-t", "ext2"],
        ["-t", "ext3"],
        ["-t", "ext4", "-b", "1024"],
        ["-t", "ext4", "-O", "^64bit,^extent"],
        ["-t", "ext4"],
    ],
)
def test_images_that_others_made(tmp_path: Path, options: list[str]) -> None:
    tree = tmp_path / "tree"
    (tree / "deep" / "er").mkdir(parents=True)
    (tree / "deep" / "er" / "big").write_bytes(os.urandom(700_000))
    (tree / "holes").write_bytes(b"a" + bytes(100_000) + b"b")
    (tree / "none").write_bytes(b"")
    (tree / "link").symlink_to("deep/er/big")
    (tree / "far").symlink_to("x" * 100)
    (tree / "deep" / "er" / "big").chmod(0o4751)
    for n in range(300):
        (tree / "deep" / f"file-with-a-rather-long-name-{n:04}").write_text(str(n))
    path = tmp_path / "other.img"
    argv = [require("mke2fs"), "-q", "-F", *options, "-d", str(tree), str(path), "16M"]
    subprocess.run(argv, check=True, capture_output=True)
    found = {member.path: member for member in read_tree(path).members}
    assert found.keys() == {each.relative_to(tree).as_posix() for each in tree.rglob("*")}
    for name, member in found.items():
        if member.content is not None:
            assert member.content == (tree / name).read_bytes()
    assert found["deep/er/big"].mode == 0o4751 and found["deep/er/big"].uid == os.getuid()
    assert found["link"].target == "deep/er/big" and found["far"].target == "x" * 100


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_file_system_is_refused_or_read_and_never_hangs(data: st.DataObject) -> None:
    whole = bytearray(_damaged().whole()[:100_000])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(1024, 80_000))
        whole[at : at + 4] = data.draw(st.binary(min_size=4, max_size=4))
    try:
        list(read_ext4(lambda at, n: bytes(whole[at : at + n]), SIZE, "image", limit=SIZE))
    except ImageError as error:
        assert error.code == "image.damaged"


_KEPT: list[Sparse] = []


def _damaged() -> Sparse:
    if not _KEPT:
        require("mke2fs")
        _KEPT.append(make_base("router", SIZE, ENTRIES, (1, 1, 1, 1)).patched(dict.fromkeys(FILES, b"content\n")))
    return _KEPT[0]


def test_crc32c_by_its_published_check_value() -> None:
    assert crc32c(0xFFFFFFFF, b"123456789") ^ 0xFFFFFFFF == 0xE3069283


@given(st.binary(min_size=40, max_size=40), st.binary(min_size=4, max_size=4))
def test_a_changed_field_changes_the_sum_as_the_tables_say(message: bytes, new: bytes) -> None:
    crc = crc32c(7, message)
    for table, old, byte in zip(field_tables(8, 4, 40), message[8:12], new, strict=True):
        crc ^= table[old ^ byte]
    assert crc == crc32c(7, message[:8] + new + message[12:])
