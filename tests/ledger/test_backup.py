"""Backups: one file that is a ledger, whatever the original lies on; the way to a newer schema on a server."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from factory.errors import UsageError
from factory.ledger import Ledger, LedgerError, backup, migrate, open_ledger, upgrade_ledger
from tests.ledger import made
from tests.ledger.made import BINDING, LOT, admit, make_pass, opened

pytestmark = pytest.mark.usefixtures("both_engines")


def test_a_backup_is_a_ledger(ledger: Ledger, tmp_path: Path) -> None:
    first = make_pass(ledger, 1)
    ledger.failed(admit(ledger, 2, serial="SN2").id, "x", "y")
    copy = ledger.backup(tmp_path / "safe.db")
    assert copy.rows["units"] == 2 and copy.schema == migrate.HEAD and copy.size == copy.path.stat().st_size
    assert copy.path.stat().st_mode & 0o777 == 0o600
    with open_ledger(str(copy.path), create=False) as kept:
        assert kept.verify() == ()
        assert kept.trace("hw-1").units[0].attempts[0].id == first.id
        assert [unit.hardware_id for unit in kept.passed_units(LOT)] == ["hw-1"]
    assert sorted(entry.name for entry in tmp_path.iterdir() if "safe" in entry.name) == ["safe.db"]


def test_a_backup_overwrites_nothing(ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "safe.db").write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        ledger.backup(tmp_path / "safe.db")
    assert (tmp_path / "safe.db").read_text() == "mine"


def test_a_backup_while_stations_work(ledger: Ledger, tmp_path: Path) -> None:
    ledger.recover()
    stop = threading.Event()

    def work() -> None:
        number = 10
        while not stop.is_set():
            make_pass(ledger, number, serial=f"SN{number}")
            number += 1

    worker = threading.Thread(target=work)
    worker.start()
    try:
        copies = [ledger.backup(tmp_path / f"{index}.db") for index in range(3)]
    finally:
        stop.set()
        worker.join(30)
    for copy in copies:
        with open_ledger(str(copy.path), create=False) as kept:
            assert kept.verify() == ()
            counts = kept.show().lots[0].attempts
            assert counts.get("passed", 0) == len(kept.passed_units(LOT))


def test_a_damaged_ledger_gives_no_backup(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        make_pass(ledger, 1)
        with made.bare(ledger) as connection:
            connection.execute(text("UPDATE attempts SET state = 'failed'"))
        with pytest.raises(LedgerError, match="does not hold together"):
            ledger.backup(tmp_path / "safe.db")
    assert not list(tmp_path.glob("*safe*"))


def test_an_older_schema_on_a_server_waits_for_the_command(tmp_path: Path, both_engines: str) -> None:
    if both_engines == "sqlite":
        assert upgrade_ledger(_made(tmp_path), folder=tmp_path) is None
        return
    url = made.url_of(tmp_path)
    with opened(tmp_path) as ledger:
        make_pass(ledger, 1)
        with made.bare(ledger) as connection:
            connection.execute(text("DROP TABLE mentions"))
            connection.execute(text("UPDATE alembic_version SET version_num = '0011'"))
    with pytest.raises(UsageError, match="has schema 0011") as caught:
        opened(tmp_path)
    assert caught.value.code == "ledger.older"
    done = upgrade_ledger(url, backup_to=tmp_path / "before.db")
    assert done is not None and (done.found, done.now) == ("0011", migrate.HEAD)
    with opened(tmp_path) as ledger:
        assert ledger.verify() == ()
        # What was told before is found by what it is about, too.
        assert [event.kind for event in ledger.trace(BINDING.template_sha256).events] == ["lot.bound"]
        assert [unit.hardware_id for unit in ledger.passed_units(LOT)] == ["hw-1"]
    with open_ledger(str(tmp_path / "before.db"), create=False) as kept:
        assert kept.upgraded is not None and kept.verify() == ()


def _made(folder: Path) -> str:
    opened(folder).close()
    return made.url_of(folder)


def test_what_a_copy_lacks_is_seen(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.record("test.event")
    monkeypatch.setattr(backup, "verify", lambda _: ("the chain ends early",))
    with pytest.raises(LedgerError, match="the chain ends early"):
        ledger.backup(tmp_path / "safe.db")
    assert not list(tmp_path.glob("*safe*"))
