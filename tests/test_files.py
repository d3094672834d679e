"""Files: whole or not at all, with the right mode, and errors that name the path."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from factory.files import (
    PRIVATE,
    FileError,
    FileTaken,
    appearing,
    make_folder,
    read_bytes,
    replacing,
    replacing_folder,
    write_bytes,
    write_text,
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_replaced_whole_with_its_mode_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "a"
    old = os.umask(0o077)
    try:
        write_bytes(path, b"old")
        assert mode(path) == 0o644
        write_text(path, "new\u00e9\n", mode=PRIVATE)
    finally:
        os.umask(old)
    assert (path.read_bytes(), mode(path)) == ("new\u00e9\n".encode(), 0o600)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


class BoomError(Exception):
    pass


@pytest.mark.parametrize("error", [BoomError, KeyboardInterrupt])
def test_a_failure_in_between_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a"
    write_bytes(path, b"old")
    with pytest.raises(error), replacing(path) as stream:
        stream.write(b"half")
        raise error
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_the_mode_is_there_before_the_first_byte(tmp_path: Path) -> None:
    with replacing(tmp_path / "a", mode=PRIVATE) as stream:
        (temporary,) = tmp_path.iterdir()
        assert mode(temporary) == 0o600
        stream.write(b"secret")


@pytest.mark.parametrize("failing", ["fsync", "rename"])
def test_a_disk_that_fails_is_an_error_with_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    path = tmp_path / "a"
    write_bytes(path, b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if failing == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(FileError, match="No space left") as caught:
        write_bytes(path, b"new")
    assert str(path) in caught.value.message
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_a_folder_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot create"):
        write_bytes(tmp_path / "no" / "a", b"")
    with pytest.raises(FileError, match="cannot read"):
        read_bytes(tmp_path / "no")


def test_a_read_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_bytes(path, b"12345")
    assert read_bytes(path, limit=5) == b"12345"
    with pytest.raises(FileError, match="larger than 4 bytes"):
        read_bytes(path, limit=4)


def test_a_folder_in_the_way_of_a_folder_is_an_error(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"")
    with pytest.raises(FileError, match="make the folder"):
        make_folder(tmp_path / "a")
    assert make_folder(tmp_path / "b" / "c").is_dir()
    assert make_folder(tmp_path / "b" / "c").is_dir()


def test_a_file_appears_whole_and_what_its_writer_left_beside_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with appearing(path, beside=("-wal",)) as temporary:
        assert mode(temporary) == 0o600 and not path.exists()
        temporary.write_bytes(b"new")
        temporary.with_name(f"{temporary.name}-wal").touch()
    assert (path.read_bytes(), mode(path)) == (b"new", 0o600)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_a_file_that_appears_takes_nobodys_place(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with pytest.raises(FileTaken) as caught, appearing(path) as temporary:
        temporary.write_bytes(b"mine")
        path.write_bytes(b"theirs")
    assert str(path) in caught.value.message
    assert path.read_bytes() == b"theirs"
    with pytest.raises(BoomError), appearing(tmp_path / "b"):
        raise BoomError
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_a_folder_takes_the_place_of_another_or_nothing_happens(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for content in (b"old", b"new"):
        with replacing_folder(path) as staging:
            (staging / "below").mkdir()
            write_bytes(staging / "below" / "file", content)
        assert (path / "below" / "file").read_bytes() == content
    with pytest.raises(BoomError), replacing_folder(path) as staging:
        write_bytes(staging / "file", b"half")
        raise BoomError
    assert (path / "below" / "file").read_bytes() == b"new" and mode(path) == 0o700
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_every_folder_that_is_made_on_the_way_is_made_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr("factory.files.sync_folder", synced.append)
    make_folder(tmp_path / "a" / "b")
    assert set(synced) == {tmp_path, tmp_path / "a"}
