"""The k-th call fails, for every k: a full disk or a bad one. What was there stays, or the new one is there, whole."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from factory.clouds.xyte.device import DeviceKey
from factory.clouds.xyte.store import KeyStore
from factory.errors import FactoryError
from factory.files import FileError, make_folder, write_bytes
from factory.images import Image, open_pack, read_image, write_image
from factory.images.pack_writer import PackWriter
from factory.ledger import checkpoints, open_ledger
from factory.ledger.backup import backup
from factory.lots import ExportError, export
from factory.secrets import Secret
from tests.images.product import builder, identity
from tests.images.test_pack import BATCH, append, images
from tests.kills.calls import Call, Listener, heard
from tests.lots.made import LOT, ledger, make_pass, product

FAILING = {"create", "write", "truncate", "fsync", "sync-folder", "rename", "link", "mkdir"}
REASONS = (errno.ENOSPC, errno.EIO)


@dataclass
class Failing:
    """Lets the `at`-th call that changes something fail."""

    at: int
    number: int
    failed: str = ""

    def __call__(self, call: Call) -> None:
        if call.kind in FAILING and self.at > 0:
            self.at -= 1
            if not self.at:
                self.failed = f"{call}: {os.strerror(self.number)}"
                raise OSError(self.number, os.strerror(self.number))


def failures(folder: Path, work: Callable[[], object]) -> Iterator[str]:
    """Do `work` again and again, each time with the next call failing; yields what failed, after each failure. Ends
    when it went through. Only what this package's errors say may be raised.
    """
    at = 0
    while True:
        at += 1
        for number in REASONS:
            failing = Failing(at, number)
            with heard(folder, Listener(failing)):
                raised = failed_with(work)
            assert raised == bool(failing.failed), f"raised: {raised}, failed: {failing.failed}"
            if not failing.failed:
                assert at > 3, "nothing was done"
                return
            yield failing.failed


def failed_with(work: Callable[[], object]) -> bool:
    try:
        work()
    except FactoryError:
        return True
    return False


def temporaries(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.name.startswith(".") or path.name.endswith(".tmp")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    path.mkdir()
    return path


def test_a_file(folder: Path) -> None:
    path = folder / "a" / "file"

    def work() -> None:
        make_folder(path.parent)
        write_bytes(path, b"new" * 9000)

    for what in failures(folder, work):
        assert not path.exists() or path.read_bytes() in (b"old", b"new" * 9000), what
        assert temporaries(folder) == [], what
        if path.parent.exists():
            path.write_bytes(b"old")
    assert path.read_bytes() == b"new" * 9000


@pytest.mark.parametrize("form", ["dir", "tar.gz", "ext4"])
def test_an_image(folder: Path, tmp_path: Path, form: str) -> None:
    old = builder(tmp_path / "a", {"oem_settings.j2": "x\n"}, format=form, files=("oem_settings",)).build(identity())
    new = builder(tmp_path / "b", format=form).build(identity())
    path = write_image(old, folder)

    for what in failures(folder, lambda: write_image(new, folder)):
        assert read_or_none(path) in (None, old, new), what  # the manifest of the one beside the other is refused
        assert temporaries(folder) == [], what
        write_image(old, folder)
    assert read_image(path) == new


def read_or_none(path: Path) -> Image | None:
    try:
        return read_image(path)
    except FactoryError:
        return None


def test_a_container_goes_on(folder: Path, tmp_path: Path) -> None:
    some = images(tmp_path / "p", 4)
    path = folder / "lot.pack"

    def work() -> None:
        with PackWriter(path, BATCH) as writer:
            for image in some[writer.done :]:
                append(writer, [image])
            writer.finish()

    for what in failures(folder, work):
        if path.exists():
            with open_pack(path) as pack:
                assert pack.verify() == 4, what
            path.unlink()
    with open_pack(path) as pack:
        assert pack.verify() == 4


def test_a_checkpoint(folder: Path) -> None:
    checkpoint = checkpoints.Checkpoint("2026-11-21T10:00:00.000+00:00", "S1", "Kim", "1", (), {})
    places = (folder / "own", folder / "copy")
    for what in failures(folder, lambda: checkpoints.write(checkpoint, None, places)):
        there = list(folder.rglob("*.json"))
        assert all(checkpoints.read(path, ())[0] == checkpoint for path in there), what
        assert there, f"the other place was not written: {what}"
        assert temporaries(folder) == [], what


def test_a_device_key(folder: Path) -> None:
    store = KeyStore(folder / "keys")
    key = DeviceKey("id-1", Secret("access-key"), {})

    def work() -> None:
        store.require_room()
        store.put("0123456789abcdef", key)

    for what in failures(folder, work):
        assert all(store.open(kept.token) == key for kept in store.kept()), what
        assert [name for name in temporaries(folder) if name != ".probe"] == [], what


def test_an_export_that_failed_is_done_again(folder: Path, tmp_path: Path) -> None:
    made = product(tmp_path / "p")
    with ledger(tmp_path) as book:
        make_pass(book, made, 1)
        out = folder / "out"
        done = False

        def work() -> None:
            nonlocal done
            try:
                export(book, made, LOT, out)
            except ExportError as error:
                assert error.code == "export.nothing", error
                done = True

        for what in failures(folder, work):
            assert temporaries(folder) == [], what
            assert len(book.uploads(LOT)) <= 1
        assert len(book.uploads(LOT)) == 1
        assert sorted(path.suffix for path in out.iterdir()) == [".csv", ".json", ".xlsx"]
        assert book.verify() == ()


def test_a_backup_and_a_new_ledger(folder: Path, tmp_path: Path) -> None:
    with ledger(tmp_path) as book:
        for what in failures(folder, lambda: backup(book._store, folder / "copy.db")):
            assert not (folder / "copy.db").exists() or open_ledger(str(folder / "copy.db")).verify() == (), what
            (folder / "copy.db").unlink(missing_ok=True)
            assert temporaries(folder) == [], what
    for what in failures(folder, lambda: open_ledger(str(folder / "new.db")).close()):
        (folder / "new.db").unlink(missing_ok=True)
        assert temporaries(folder) == [], what


def test_the_error_names_the_file(folder: Path) -> None:
    def full(call: Call) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with heard(folder, Listener(full)), pytest.raises(FileError, match="No space left") as caught:
        write_bytes(folder / "file", b"x")
    assert str(folder / "file") in caught.value.message
