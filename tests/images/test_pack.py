"""Containers: every image found by its id, whatever stops the writer, and no changed byte unseen."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from factory.errors import UsageError
from factory.files import FileError
from factory.images import Image, ImageError, open_pack, read_tree
from factory.images import pack_writer as writer_module
from factory.images.pack import image_record
from factory.images.pack_writer import PackWriter
from tests.images.product import builder, identity
from tests.programs import require

BATCH = {"product": "router", "rows": 5, "format": "tar.gz"}


def images(folder: Path, count: int = 5, form: str = "tar.gz") -> list[Image]:
    subject = builder(folder, format=form)
    return [subject.build(identity(f"b827eb{n:06x}")) for n in range(count)]


def append(writer: PackWriter, some: list[Image]) -> None:
    records = [image_record(image) for image in some]
    names = [str(image.manifest.identity["hardware_id"]).encode() for image in some]
    writer.append(names, map(len, records), b"".join(records))


def packed(path: Path, some: list[Image]) -> Path:
    with PackWriter(path, BATCH) as writer:
        append(writer, some)
        return writer.finish()


@pytest.mark.parametrize("form", ["tar", "tar.gz", "tar.zst", "cpio", "squashfs", "ext4"])
def test_every_image_is_found_by_its_id(tmp_path: Path, form: str) -> None:
    for program in {"squashfs": ("mksquashfs", "unsquashfs"), "ext4": ("mke2fs", "debugfs")}.get(form, ()):
        require(program)
    some = images(tmp_path, form=form)
    path = packed(tmp_path / "lot.pack", some)
    assert [each.name for each in tmp_path.glob("lot*")] == ["lot.pack"] and path.stat().st_mode & 0o777 == 0o600
    with open_pack(path) as pack:
        assert len(pack) == 5 == pack.verify() and pack.header == BATCH
        assert list(pack.ids()) == [f"b827eb{n:06x}" for n in range(5)]
        for image in some:
            assert pack.read(str(image.manifest.identity["hardware_id"])) == image
        for absent in ("b827eb000009", "B827EB000001", ""):
            with pytest.raises(UsageError) as caught:
                pack.read(absent)
            assert caught.value.code == "image.not-in-pack"
    tree = read_tree(path, "b827eb000003")
    assert tree.manifest == some[3].manifest
    with pytest.raises(UsageError, match="which one"):
        read_tree(path)


def test_ids_whose_hash_collides_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "key_of", lambda name: 7)
    monkeypatch.setattr("factory.images.pack.key_of", lambda name: 7)
    some = images(tmp_path)
    with open_pack(packed(tmp_path / "lot.pack", some)) as pack:
        assert all(pack.read(str(one.manifest.identity["hardware_id"])) == one for one in some)
        with pytest.raises(UsageError):
            pack.read("other")


def test_the_same_batch_gives_the_same_file_however_often_it_was_cut(tmp_path: Path) -> None:
    some = images(tmp_path)
    whole = packed(tmp_path / "whole.pack", some).read_bytes()
    with PackWriter(tmp_path / "first.pack", BATCH) as writer:
        append(writer, some[:3])
    started = (tmp_path / "first.pack.part").read_bytes()
    for length in (0, 10, 60, len(started) // 2, len(started) - 1, len(started)):
        part = tmp_path / f"cut{length}.pack.part"
        part.write_bytes(started[:length])
        with PackWriter(tmp_path / f"cut{length}.pack", BATCH) as writer:
            assert writer.done <= 3
            append(writer, some[writer.done :])
            assert writer.finish().read_bytes() == whole


def test_garbage_behind_the_last_whole_record_is_overwritten(tmp_path: Path) -> None:
    some = images(tmp_path)
    with PackWriter(tmp_path / "lot.pack", BATCH) as writer:
        append(writer, some[:2])
    with (tmp_path / "lot.pack.part").open("ab") as stream:
        stream.write(b"IMG\n" + os.urandom(50_000))
    with PackWriter(tmp_path / "lot.pack", BATCH) as writer:
        assert writer.done == 2
        append(writer, some[2:])
        writer.finish()
    with open_pack(tmp_path / "lot.pack") as pack:
        assert pack.verify() == 5


def test_another_batch_does_not_go_on_in_it(tmp_path: Path) -> None:
    with PackWriter(tmp_path / "lot.pack", BATCH) as writer:
        append(writer, images(tmp_path, 1))
    with pytest.raises(UsageError) as caught:
        PackWriter(tmp_path / "lot.pack", BATCH | {"rows": 6})
    assert caught.value.code == "image.other-batch"


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = images(tmp_path)
    with PackWriter(tmp_path / "lot.pack", BATCH) as writer:
        append(writer, some[:2])
        with monkeypatch.context() as patch:
            calls: list[int] = []
            pwrite = os.pwrite

            def full(descriptor: int, data: bytes, offset: int) -> int:
                calls.append(len(data))
                if len(calls) > 1:
                    raise OSError(errno.ENOSPC, "No space left on device")
                return pwrite(descriptor, memoryview(data)[:100], offset)

            patch.setattr(os, "pwrite", full)
            with pytest.raises(FileError, match="No space left") as caught:
                append(writer, some[2:])
            assert "2 images are whole" in caught.value.hint
    with PackWriter(tmp_path / "lot.pack", BATCH) as writer:
        assert writer.done == 2


def test_no_changed_byte_goes_unseen(tmp_path: Path) -> None:
    path = packed(tmp_path / "lot.pack", images(tmp_path, 2))
    good = path.read_bytes()
    for at in range(0, len(good), 5):
        path.write_bytes(good[:at] + bytes([good[at] ^ 0x41]) + good[at + 1 :])
        with pytest.raises((ImageError, UsageError)), open_pack(path) as pack:
            pack.verify()
    for length in (0, 5, 40, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:length])
        with pytest.raises((ImageError, UsageError)), open_pack(path) as pack:
            pack.verify()
    with pytest.raises(FileError), open_pack(tmp_path / "nothing"):
        pass
