"""After a power cut at any moment: what was there before, or what was written; and the new once the writer returned."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from factory.clouds.xyte.device import DeviceKey
from factory.clouds.xyte.store import KeyStore
from factory.errors import FactoryError
from factory.files import make_folder, replacing, write_bytes, write_text
from factory.images import open_pack, read_image, write_image
from factory.images.pack_writer import PackWriter
from factory.ledger import checkpoints, open_ledger
from factory.ledger.sshsig import SigningKey
from factory.lots import export
from factory.secrets import Secret
from tests.images.product import builder, identity
from tests.images.test_pack import BATCH, append, images
from tests.kills.calls import Call
from tests.kills.commits import EVENTS
from tests.kills.disk import Disk, Moment, laid_out, moments_of, recorded
from tests.kills.traced import traced
from tests.lots.made import LOT, ledger, make_pass, product

Say = Callable[[str], None]
TOKEN = "0123456789abcdef"
OLD, NEW = b"old" * 7000, b"new" * 9000


def moments(folder: Path, work: Callable[[Say], object]) -> Iterator[tuple[Moment, Path]]:
    """Every state that a power cut may leave, as files to look at."""
    count = 0
    for moment in recorded(folder, work):
        count += 1
        yield moment, laid_out(moment.state, folder.parent / "after-the-cut")
    assert count > 3, "nothing was recorded"


def content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _ed25519() -> str:
    form = (Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return Ed25519PrivateKey.generate().private_bytes(*form).decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    path.mkdir()
    return path


def in_pieces(path: Path) -> None:
    with replacing(path) as stream:
        stream.write(NEW[:12000])
        stream.seek(0)
        stream.write(NEW)


WRITERS: dict[str, Callable[[Path], None]] = {
    "write_bytes": lambda path: write_bytes(path, NEW),
    "write_text": lambda path: write_text(path, NEW.decode()),
    "replacing": in_pieces,
}


@pytest.mark.parametrize("before", [None, OLD])
@pytest.mark.parametrize("writer", WRITERS)
def test_a_file_is_the_old_one_or_the_new_one(folder: Path, writer: str, before: bytes | None) -> None:
    path = folder / "file"
    if before is not None:
        path.write_bytes(before)
    for moment, found in moments(folder, lambda say: WRITERS[writer](path)):
        assert content(found / "file") in ((NEW,) if moment.ended else (before, NEW)), moment.after


def test_the_oracle_sees_what_a_careless_writer_does(folder: Path) -> None:
    """Without each of its three syncs a writer leaves something else, or loses what it promised."""
    path = folder / "file"
    path.write_bytes(OLD)

    def careless(say: Say) -> None:
        with replacing(path, durable=False) as stream:
            stream.write(NEW)

    found = {content(found / "file") for _, found in moments(folder, careless)}
    assert {OLD, NEW, b""} <= found


def test_a_file_in_folders_that_were_made_for_it(folder: Path) -> None:
    path = folder / "a" / "b" / "c" / "file"

    def work(say: Say) -> None:
        make_folder(path.parent)
        say("folder")
        write_bytes(path, NEW)

    for moment, found in moments(folder, work):
        if "folder" in moment.marks:
            assert (found / "a/b/c").is_dir(), moment.after
        if moment.ended:
            assert content(found / "a/b/c/file") == NEW, moment.after


@pytest.mark.parametrize("form", ["dir", "tar.gz", "ext4"])
@pytest.mark.parametrize("again", [False, True])
def test_an_image_is_whole_or_refused(folder: Path, tmp_path: Path, form: str, again: bool) -> None:
    old = builder(tmp_path / "a", {"oem_settings.j2": "x\n"}, format=form, files=("oem_settings",)).build(identity())
    new = builder(tmp_path / "b", format=form).build(identity())
    out = folder / "out"
    if again:
        write_image(old, out)
    for moment, found in moments(folder, lambda say: write_image(new, out)):
        place = found / "out" / out.joinpath(f"b827eb000001{'' if form == 'dir' else f'.{form}'}").name
        try:
            read = read_image(place)
        except FactoryError:
            assert not moment.ended, moment.after
        else:
            assert read == new or (again and read == old and not moment.ended), moment.after


def test_a_container_is_whole_or_goes_on(folder: Path, tmp_path: Path) -> None:
    some = images(tmp_path / "p", 3)
    path = folder / "lot.pack"

    def work(say: Say) -> None:
        with PackWriter(path, BATCH) as writer:
            append(writer, some[:2])
            append(writer, some[2:])
            writer.finish()

    for moment, found in moments(folder, work):
        place = found / "lot.pack"
        if not place.exists():
            assert not moment.ended, moment.after
            with PackWriter(place, BATCH) as writer:
                append(writer, some[writer.done :])
                writer.finish()
        with open_pack(place) as pack:
            assert pack.verify() == 3, moment.after


def test_a_checkpoint_that_is_there_is_signed(folder: Path) -> None:
    key = SigningKey(Secret(_ed25519()))
    checkpoint = checkpoints.Checkpoint("2026-11-21T10:00:00.000+00:00", "S1", "Kim", "1", (), {})
    places = (folder / "own", folder / "copy")
    for moment, found in moments(folder, lambda say: checkpoints.write(checkpoint, key, places)):
        there = [path for name in ("own", "copy") for path in (found / name).glob("*.json")]
        for path in there:
            assert checkpoints.read(path, [key.public]) == (checkpoint, key.public), moment.after
        assert len(there) == 2 or not moment.ended


def test_a_device_key_that_was_kept_is_there(folder: Path) -> None:
    store = KeyStore(folder / "keys")
    key = DeviceKey("id-1", Secret("access-key-of-the-unit"), {})

    def work(say: Say) -> None:
        store.require_room()
        store.put(TOKEN, key)

    for moment, found in moments(folder, work):
        kept = KeyStore(found / "keys")
        if moment.ended or kept.find(TOKEN) is not None:
            assert kept.open(TOKEN) == key, moment.after


def test_what_the_ledger_calls_exported_is_there(folder: Path, tmp_path: Path) -> None:
    """The upload files are on the disk before the ledger says so; the manifest comes last, behind its signature."""
    made = product(tmp_path / "p")
    with ledger(tmp_path) as book:
        for number in (1, 2):
            make_pass(book, made, number)

        def work(say: Say) -> None:
            recorded_in = book._store.subscribe(lambda event: say(event.kind))
            export(book, made, LOT, folder / "out", key=SigningKey(Secret(_ed25519())))
            recorded_in()

        expected: dict[str, bytes] = {}
        for moment, found in moments(folder, work):
            expected = expected or {path.name: path.read_bytes() for path in (folder / "out").iterdir()}
            names = {path.name: path.read_bytes() for path in (found / "out").glob("[!.]*")}
            assert names.items() <= expected.items(), moment.after
            if "upload.exported" in moment.marks:
                assert {name for name in expected if name.endswith((".csv", ".xlsx"))} <= set(names), moment.after
            if any(name.endswith(".manifest.json") for name in names):
                assert set(names) == set(expected), moment.after
            assert names == expected or not moment.ended


def test_what_the_ledger_committed_is_there(folder: Path, tmp_path: Path) -> None:
    """SQLite's own calls as the kernel saw them, replayed: no event whose commit had returned is lost, none is half
    there, and what was made earlier is not damaged. So a power cut of the station loses nothing that it acted upon.
    """
    with open_ledger("ledger.db", folder=folder, station="S1") as book:
        book.record("station.started")
    disk = Disk(folder)
    calls = traced("tests.kills.commits", folder)
    whole = events(folder / "ledger.db")
    assert len(whole) == EVENTS + 1
    assert {call.kind for call in calls if isinstance(call, Call)} >= {"write", "fsync", "link", "sync-folder"}
    count = 0
    for moment in moments_of(disk, calls, without=r"-shm$|\.tmp"):
        count += 1
        found = laid_out(moment.state, tmp_path / "cut")
        committed = 1 + sum(mark.startswith("event") for mark in moment.marks)
        there = events(found / "ledger.db")
        assert there == whole[: len(there)] and len(there) >= committed, moment.after
        if (found / "copy.db").exists():
            assert events(found / "copy.db") == whole, moment.after
        assert "backup" not in moment.marks or (found / "copy.db").exists(), moment.after
        if count % 50 == 0:
            with open_ledger("ledger.db", folder=found) as again:
                assert again.verify() == (), moment.after
    assert count > 100


def events(path: Path) -> list[tuple[int, str]]:
    """Number and hash of every event; SQLite finds nothing wrong with the file."""
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
        return connection.execute("SELECT seq, hash FROM events ORDER BY seq").fetchall()
    finally:
        connection.close()
