"""Images on disk: every format comes back as it was, and no changed byte goes unseen."""

from __future__ import annotations

import gzip
import io
import json
import os
import stat
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from factory.files import FileError
from factory.images import Image, ImageError, read_image, write_image
from factory.images.formats import compressed
from tests.images.product import KEY, builder, identity
from tests.programs import require

FORMATS = ("dir", "tar", "tar.gz", "tar.zst", "cpio", "squashfs", "ext4")


def made(folder: Path, form: str) -> tuple[Image, Path]:
    for program in {"squashfs": ("mksquashfs", "unsquashfs"), "ext4": ("mke2fs", "debugfs")}.get(form, ()):
        require(program)
    image = builder(folder, format=form).build(identity())
    return image, write_image(image, folder / "out")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("form", FORMATS)
def test_it_comes_back_as_it_was(tmp_path: Path, form: str) -> None:
    image, path = made(tmp_path, form)
    assert path.name == "b827eb000001" + ("" if form == "dir" else f".{form}")
    assert read_image(path) == image
    assert read_image(tmp_path / "out" / "b827eb000001.manifest.json") == image
    assert mode(path) == (0o700 if form == "dir" else 0o600)
    assert sorted(entry.name for entry in (tmp_path / "out").iterdir()) == sorted(
        [path.name, "b827eb000001.manifest.json"]
    )
    assert KEY not in (tmp_path / "out" / "b827eb000001.manifest.json").read_text()


def test_an_image_has_the_same_identity_in_every_format(tmp_path: Path) -> None:
    assert len({made(tmp_path / form, form)[0].manifest.image for form in FORMATS}) == 1


@pytest.mark.parametrize("form", FORMATS)
def test_writing_again_replaces_whole(tmp_path: Path, form: str) -> None:
    image, path = made(tmp_path, form)
    other = builder(tmp_path / "b", {"oem_settings.j2": "x\n"}, format=form, files=("oem_settings",)).build(identity())
    assert write_image(other, path.parent) == path
    assert read_image(path) == other != image
    assert len(list(path.parent.iterdir())) == 2


def test_the_same_image_is_the_same_file(tmp_path: Path) -> None:
    _, first = made(tmp_path / "a", "tar.gz")
    _, second = made(tmp_path / "b", "tar.gz")
    assert first.read_bytes() == second.read_bytes()
    assert gzip.decompress(first.read_bytes())[:6] == b"active"


def test_the_programs_of_a_unit_unpack_it(tmp_path: Path) -> None:
    image, path = made(tmp_path, "tar.gz")
    target = tmp_path / "unit"
    target.mkdir()
    subprocess.run([require("tar"), "xzf", path, "-C", target, "--no-same-owner", "-p"], check=True)
    for entry in image.manifest.files:
        assert mode(target / entry.path) == entry.mode
        assert entry.is_folder or (target / entry.path).read_bytes() == image.contents[entry.path]


@pytest.mark.parametrize("hardware_id", ["a.tar", "a.tar.gz", "a.manifest.json"])
def test_an_id_that_looks_like_a_suffix(tmp_path: Path, hardware_id: str) -> None:
    for form in ("dir", "tar", "tar.gz", "tar.zst", "cpio"):
        image = builder(tmp_path / form, format=form).build(identity(hardware_id))
        assert read_image(write_image(image, tmp_path / form / "out")) == image


def test_a_failure_leaves_the_image_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, path = made(tmp_path, "dir")
    calls: list[str] = []
    rename = Path.rename

    def second_fails(self: Path, target: Path) -> Path:
        calls.append(self.name)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", second_fails)
    with pytest.raises(FileError, match="No space left"):
        write_image(image, path.parent)
    assert read_image(path) == image
    assert len(list(path.parent.iterdir())) == 2


def change_dir(path: Path, how: str) -> None:
    if how == "byte":
        target = path / "hardware_id.txt"
        target.write_bytes(target.read_bytes().replace(b"1", b"2"))
    elif how == "mode":
        (path / "registration_key.txt").chmod(0o644)
    elif how == "more":
        (path / "services" / ".hidden").write_text("x")
    elif how == "less":
        (path / "hardware_id.txt").unlink()
    elif how == "link":
        (path / "hardware_id.txt").unlink()
        (path / "hardware_id.txt").symlink_to("registration_key.txt")
    elif how == "kind":
        (path / "active").rmdir()
        (path / "active").write_text("")
        (path / "active").chmod(0o700)


@pytest.mark.parametrize("how", ["byte", "mode", "more", "less", "link", "kind"])
def test_a_changed_folder_is_seen(tmp_path: Path, how: str) -> None:
    _, path = made(tmp_path, "dir")
    change_dir(path, how)
    with pytest.raises(ImageError) as caught:
        read_image(path)
    assert caught.value.code == "image.damaged" and caught.value.exit_code == 1 and KEY not in str(caught.value)


def _retar(data: bytes, change: Callable[[tarfile.TarInfo], None]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as source, tarfile.open(fileobj=stream, mode="w") as target:
        for member in source:
            content = source.extractfile(member) if member.isreg() else None
            change(member)
            target.addfile(member, content)
    return stream.getvalue()


def _older(member: tarfile.TarInfo) -> None:
    member.mtime = 1


def _other_owner(member: tarfile.TarInfo) -> None:
    member.uid = 1000


def _other_mode(member: tarfile.TarInfo) -> None:
    member.mode = 0o777


def _renamed(member: tarfile.TarInfo) -> None:
    member.name = member.name.replace("hardware", "../hardware")


@pytest.mark.parametrize("form", ["tar", "tar.gz"])
@pytest.mark.parametrize("change", [_older, _other_owner, _other_mode, _renamed])
def test_an_archive_made_anew_is_not_the_image(
    tmp_path: Path, form: str, change: Callable[[tarfile.TarInfo], None]
) -> None:
    image, path = made(tmp_path, form)
    data = _retar(image.tar, change)
    path.write_bytes(gzip.compress(data) if form == "tar.gz" else data)
    with pytest.raises(ImageError):
        read_image(path)


@pytest.mark.parametrize("form", ["tar", "tar.gz"])
def test_no_changed_byte_goes_unseen(tmp_path: Path, form: str) -> None:
    image, path = made(tmp_path, form)
    good = path.read_bytes()
    # A byte of the gzip header or of deflate's padding may change without changing the image: then it is the image.
    for at in range(0, len(good), 7 if form == "tar.gz" else 101):
        path.write_bytes(good[:at] + bytes([good[at] ^ 0x41]) + good[at + 1 :])
        try:
            assert read_image(path) == image
            assert form == "tar.gz"
        except ImageError:
            pass
    path.write_bytes(good[: len(good) // 2])
    with pytest.raises(ImageError):
        read_image(path)
    path.write_bytes(good + b"x")
    with pytest.raises(ImageError):
        read_image(path)


def test_a_gzip_that_grows_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, path = made(tmp_path, "tar.gz")
    monkeypatch.setattr(compressed, "LARGEST", 100_000)
    path.write_bytes(gzip.compress(bytes(10_000_000)))
    with pytest.raises(ImageError, match="larger than 100000 bytes"):
        read_image(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema", "other/1"),
        ("image", "0" * 64),
        ("format", "zip"),
        ("files", []),
        ("files", "x"),
        ("product", 7),
        ("extra", 1),
    ],
)
def test_a_changed_manifest_is_seen(tmp_path: Path, key: str, value: object) -> None:
    _, path = made(tmp_path, "tar")
    manifest = tmp_path / "out" / "b827eb000001.manifest.json"
    data = json.loads(manifest.read_text())
    data[key] = value
    manifest.write_text(json.dumps(data))
    with pytest.raises(ImageError):
        read_image(path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'"x"'])
def test_what_is_no_manifest(tmp_path: Path, content: bytes) -> None:
    _, path = made(tmp_path, "tar")
    (tmp_path / "out" / "b827eb000001.manifest.json").write_bytes(content)
    with pytest.raises(ImageError):
        read_image(path)


@pytest.mark.parametrize("form", FORMATS)
def test_a_missing_part_is_an_error(tmp_path: Path, form: str) -> None:
    _, path = made(tmp_path, form)
    os.rename(path, path.with_name("elsewhere"))
    with pytest.raises(FileError):
        read_image(path)
    with pytest.raises(FileError):
        read_image(tmp_path / "nothing.tar")


def test_a_manifest_of_a_million_brackets_and_a_pipe_for_an_image_are_told(tmp_path: Path) -> None:
    _, path = made(tmp_path, "tar.gz")
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(FileError, match="is no file"):
        read_image(path)
    next(path.parent.glob("*.manifest.json")).write_text("[" * 200_000)
    with pytest.raises(ImageError, match="is damaged"):
        read_image(path)
