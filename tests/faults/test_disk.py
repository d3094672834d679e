"""Fault 4: a disk that is full or read-only, under the ledger, its log, an upload, a transcript, temporary files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from factory.config import Product
from factory.files import FileError
from factory.ledger import Ledger, LedgerError, open_ledger
from factory.line.masking import Masks
from factory.line.transcript import AttemptTranscript
from factory.lots import export
from tests.faults.oracle import sound
from tests.ledger import made
from tests.lots.made import LOT, ledger, make_pass, product
from tests.programs import require

_SIZE = 2 * 1024 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    mount, umount = require("mount"), require("umount")
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("this system mounts nothing")
    yield folder
    subprocess.run([umount, "-l", str(folder)], check=True)


def fill(disk: Path, *, leave: int = 0) -> Path:
    """Use the disk up, but for some bytes."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(b"x" * 4096)
        except OSError:
            pass
        stream.truncate(max(0, stream.tell() - leave))
    return filler


@pytest.fixture
def made_lot(tmp_path: Path) -> Product:
    return product(tmp_path / "p")


@pytest.mark.parametrize("leave", [0, 4096, 20_000, 100_000])
def test_the_ledger_and_its_log(disk: Path, leave: int) -> None:
    with made.opened(disk) as book:
        before = made.make_pass(book, 1)
        filler = fill(disk, leave=leave)
        with pytest.raises(LedgerError) as caught:
            for number in range(2, 2000):
                made.make_pass(book, number, serial=f"SN{number}")
        assert caught.value.code in ("ledger.full", "ledger.io"), caught.value
        assert "space" in caught.value.hint or "disk" in caught.value.hint
        filler.unlink()
        assert book.attempt(before.id).state == "passed"
        sound(book, in_between=True)
        made.make_pass(book, 5000, serial="SN5000")
    with made.opened(disk) as again:
        again.recover()
        sound(again, in_between=True)


def _upload(disk: Path, book: Ledger, made_lot: Product) -> None:
    export(book, made_lot, LOT, disk / "out")


def _transcript(disk: Path, _book: Ledger, _made: Product) -> None:
    transcript = AttemptTranscript(disk / "transcripts" / "a.txt", masks=Masks())
    transcript.received(bytes(range(32, 127)) * 300)
    transcript.save()


def _checkpoint(disk: Path, book: Ledger, _made: Product) -> None:
    book.checkpoint(None, [disk / "checkpoints"])


def _backup(disk: Path, book: Ledger, _made: Product) -> None:
    book.backup(disk / "backup.db")


@pytest.mark.parametrize("work", [_upload, _transcript, _checkpoint, _backup])
@pytest.mark.parametrize("how", ["full", "read-only"])
def test_files_that_are_written(
    disk: Path, tmp_path: Path, made_lot: Product, work: Callable[[Path, Ledger, Product], None], how: str
) -> None:
    (disk / "transcripts").mkdir()
    with ledger(tmp_path) as book:
        make_pass(book, made_lot, 1)
        if how == "full":
            filler = fill(disk)
        else:
            subprocess.run([require("mount"), "-o", "remount,ro", str(disk)], check=True)
        there = sorted(path for path in disk.rglob("*") if path.is_file())
        with pytest.raises((FileError, LedgerError)) as caught:
            work(disk, book, made_lot)
        assert str(disk) in caught.value.message and caught.value.hint
        assert sorted(path for path in disk.rglob("*") if path.is_file()) == there, "nothing half written is left"
        assert book.uploads() == ()
        sound(book)
        if how == "full":
            filler.unlink()
        else:
            subprocess.run([require("mount"), "-o", "remount,rw", str(disk)], check=True)
        work(disk, book, made_lot)
        sound(book)


def test_a_read_only_ledger(disk: Path) -> None:
    with made.opened(disk) as book:
        made.make_pass(book, 1)
    subprocess.run([require("mount"), "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(LedgerError) as caught, open_ledger("ledger.db", folder=disk, station="S1") as book:
        made.admit(book, 2, serial="SN2")
    assert caught.value.code in ("ledger.read-only", "ledger.no-access", "ledger.io")
    subprocess.run([require("mount"), "-o", "remount,rw", str(disk)], check=True)
    with made.opened(disk) as book:
        made.make_pass(book, 2, serial="SN2")
        sound(book)


def test_a_folder_for_temporary_files_that_is_full(disk: Path, tmp_path: Path, made_lot: Product) -> None:
    """No file of ours waits in another folder than its own, where a rename would not be one."""
    with ledger(tmp_path) as book:
        for number in range(1, 4):
            make_pass(book, made_lot, number)
    fill(disk)
    environment = {**os.environ, "TMPDIR": str(disk), "SQLITE_TMPDIR": str(disk)}
    where = ["--ledger", f"sqlite:///{tmp_path / 'ledger.db'}"]
    calls = (
        [
            "sheet",
            "export",
            "--lot",
            LOT,
            "--product",
            str(made_lot.folder / "product.toml"),
            "--out",
            str(tmp_path / "o"),
        ],
        ["ledger", "verify", "--files"],
        ["ledger", "backup", str(tmp_path / "copy.db")],
    )
    for call in calls:
        done = subprocess.run(
            [sys.executable, "-m", "factory", *call, *where],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if call[0] == "sheet":  # the library of workbooks is the only one that wants such a file
            assert (done.returncode, "TMPDIR" in done.stderr) == (2, True), done.stderr
        else:
            assert done.returncode == 0, (call, done.stderr)
    with open_ledger("ledger.db", folder=tmp_path) as book:
        assert book.uploads() == ()
        assert export(book, made_lot, LOT, tmp_path / "o").rows == 3
        sound(book)
