"""A bad disk, a full disk, a locked or damaged file: what was committed stays, and a person reads what to do."""

from __future__ import annotations

import multiprocessing
import os
import resource
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from factory.errors import FactoryError
from factory.ledger import LedgerError, open_ledger, sqlite
from factory.values import canonical
from tests.ledger.made import admit, make_pass, opened

_SPAWN = multiprocessing.get_context("spawn")
_NOBODY = 65534


def _answer(pipe: Connection, work: Callable[[Path], object], folder: Path) -> None:
    try:
        pipe.send(work(folder))
    except FactoryError as error:
        pipe.send((error.code, error.message, error.hint))


def _in_child(work: Callable[[Path], object], folder: Path) -> Any:
    """Run `work` in a process of its own; its result, or (code, message, hint) of its FactoryError."""
    here, there = _SPAWN.Pipe()
    child = _SPAWN.Process(target=_answer, args=(there, work, folder))
    child.start()
    there.close()
    answer = here.recv()
    child.join(20)
    return answer


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    with opened(tmp_path) as ledger:
        for number in range(1, 30):
            make_pass(ledger, number, serial=f"SN{number}")
    return tmp_path / "ledger.db"


@pytest.mark.parametrize("place", ["header", "middle", "cut"])
def test_a_damaged_file_is_told_from_a_bug(filled: Path, place: str) -> None:
    content = bytearray(filled.read_bytes())
    if place == "header":
        content[:100] = os.urandom(100)
    elif place == "middle":
        content[4096:] = os.urandom(len(content) - 4096)
    else:
        del content[len(content) // 2 :]
    filled.write_bytes(content)
    with pytest.raises(LedgerError) as caught, open_ledger(str(filled)) as ledger:
        ledger.bind_lot("other", ledger.lot("2026-11").binding)
        admit(ledger, 77, serial="SN77")
        findings = ledger.verify()
        assert findings
        raise LedgerError("found by verify", hint=findings[0].hint, code="ledger.damaged")
    assert caught.value.code == "ledger.damaged"
    assert "Stop the line" in caught.value.hint


def test_one_changed_bit_in_an_event_is_found(filled: Path) -> None:
    content = filled.read_bytes()
    assert content.count(b'"hardware_id":"hw-17","image":"c') > 0
    filled.write_bytes(content.replace(b'"hardware_id":"hw-17","image":"c', b'"hardware_id":"hw-17","image":"b'))
    with open_ledger(str(filled)) as ledger:
        assert "LEDGER-CHAIN" in {finding.code for finding in ledger.verify()}


def test_a_page_that_makes_no_sense_is_a_finding(filled: Path) -> None:
    with sqlite3.connect(filled) as bare:
        (page,) = bare.execute("SELECT rootpage FROM sqlite_master WHERE name = 'hooks'").fetchone()
        (size,) = bare.execute("PRAGMA page_size").fetchone()
    content = bytearray(filled.read_bytes())
    content[(page - 1) * size : page * size] = os.urandom(size)
    filled.write_bytes(content)
    with open_ledger(str(filled)) as ledger:
        assert {finding.code for finding in ledger.verify()} == {"LEDGER-FILE"}
        assert {finding.code for finding in ledger.doctor()} == {"LEDGER-FILE"}


def _until_full(folder: Path) -> tuple[str, int, int, int]:
    with opened(folder) as ledger:
        used = max(path.stat().st_size for path in folder.iterdir())
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (used + 50_000, hard))
        committed = 0
        code = ""
        while not code:
            try:
                ledger.record("slot.state", slot="A", data={"text": "x" * 500})
                committed += 1
            except LedgerError as error:
                assert error.hint
                code = error.code
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        after = ledger.record("slot.state", slot="A")
        return code, committed, after.seq or 0, len(ledger.verify())


def test_a_full_disk_keeps_what_was_committed_and_goes_on_later(tmp_path: Path) -> None:
    opened(tmp_path).close()
    code, committed, seq, faults = _in_child(_until_full, tmp_path)
    assert code in ("ledger.full", "ledger.io")
    assert committed > 5
    assert (seq, faults) == (committed + 2, 0)  # the lot's binding was the first event


def _make_in_no_room(folder: Path) -> object:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))
    return open_ledger("ledger.db", folder=folder).location


def test_no_room_for_a_new_ledger_leaves_nothing(tmp_path: Path) -> None:
    code, message, hint = _in_child(_make_in_no_room, tmp_path)
    assert code in ("ledger.full", "ledger.io")
    assert "ledger.db" in message
    assert "disk" in hint or "space" in hint
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that another user may enter, which pytest's own is not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


def _write_as_nobody(folder: Path) -> object:
    if os.geteuid() == 0:
        canonical({"loads": "its codec"})  # nobody may be unable to read Python's own library later
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
    with open_ledger("ledger.db", folder=folder) as ledger:
        return ledger.record("slot.removed").seq


@pytest.mark.parametrize("folder_mode", [0o777, 0o555])
def test_a_read_only_ledger_says_so(open_to_all: Path, folder_mode: int) -> None:
    opened(open_to_all).close()
    (open_to_all / "ledger.db").chmod(0o444)
    open_to_all.chmod(folder_mode)
    code, message, hint = _in_child(_write_as_nobody, open_to_all)
    assert code in ("ledger.read-only", "ledger.no-access")
    assert "ledger.db" in message
    assert "rights" in hint


def test_a_lock_that_never_ends_names_its_cause(tmp_path: Path) -> None:
    opened(tmp_path).close()
    with open_ledger("ledger.db", folder=tmp_path, busy_seconds=0.1) as ledger:
        other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError) as caught:
            ledger.record("slot.removed")
        assert caught.value.code == "ledger.busy"
        assert ledger.show().attempts == ()
        other.execute("ROLLBACK")
        other.close()
        assert ledger.record("slot.removed").seq == 1


def test_a_file_that_cannot_be_wal_is_refused() -> None:
    # An in-memory database answers like a file system without shared memory: it stays with its own journal.
    connection = sqlite3.connect(":memory:")
    with pytest.raises(LedgerError, match="journal_mode is memory, wal needed") as caught:
        sqlite._configure(connection, Path("ledger.db"))
    connection.close()
    assert "local disk" in caught.value.hint
