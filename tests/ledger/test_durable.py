"""Every connection to a ledger syncs each commit, whichever part of the program opened it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, create_engine, make_url, text

from factory.cli import main
from factory.ledger import LedgerError, open_ledger
from tests import postgres
from tests.ledger.made import make_pass, opened
from tests.ledger.test_upgrade import old_ledger

FULL = 2


class Watched(sqlite3.Connection):
    """Notes how it syncs at each commit, and at its end."""

    seen: list[tuple[str, int]]

    def commit(self) -> None:
        self.note("commit")
        super().commit()

    def close(self) -> None:
        self.note("close")
        super().close()

    def note(self, when: str) -> None:
        try:
            (mode,) = self.execute("PRAGMA synchronous").fetchone()
        except sqlite3.ProgrammingError:  # closed already
            return
        Watched.seen.append((when, mode))


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, int]]]:
    real: Any = sqlite3.connect

    def connect(*arguments: Any, **named: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = real(*arguments, **{**named, "factory": Watched})
        return connection

    Watched.seen = []
    monkeypatch.setattr(sqlite3, "connect", connect)
    monkeypatch.setattr(sqlite3.dbapi2, "connect", connect)
    yield Watched.seen


def test_every_connection_syncs_every_commit(tmp_path: Path, seen: list[tuple[str, int]]) -> None:
    """Making, writing, reading, backup, upgrade, merge, and every command that opens a ledger."""
    with opened(tmp_path) as ledger:
        make_pass(ledger, 1, serial="SN1")
        assert ledger.trace("SN1").found
        assert ledger.verify() == ()
    where = ("--ledger", str(tmp_path / "ledger.db"))
    for command in (("ledger", "backup", str(tmp_path / "copy.db")), ("ledger", "verify"), ("doctor",)):
        assert main([*command, *where]) == 0
    (tmp_path / "old").mkdir()
    with open_ledger(str(old_ledger(tmp_path / "old"))) as upgraded:
        assert upgraded.upgraded is not None
    assert len([when for when, _ in seen if when == "commit"]) > 10
    assert len([when for when, _ in seen if when == "close"]) > 8
    assert {mode for when, mode in seen} == {FULL}


def test_a_connection_that_would_not_sync_is_seen(tmp_path: Path, seen: list[tuple[str, int]]) -> None:
    with sqlite3.connect(tmp_path / "a.db") as careless:
        careless.execute("PRAGMA synchronous=NORMAL")
    careless.close()
    assert ("close", 1) in seen


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
def test_a_server_that_does_not_sync_is_refused(postgres_server: URL, setting: str) -> None:
    """The server's own view of its settings is hidden by one that says off: nobody else's server is changed."""
    url = postgres.schema(postgres_server, f"careless_{setting}")
    engine = create_engine(url)
    with engine.begin() as connection:
        shown = f"CASE name WHEN '{setting}' THEN 'off' ELSE setting END AS setting"
        view = f"SELECT name, {shown} FROM pg_catalog.pg_settings"
        connection.execute(text(f"CREATE OR REPLACE VIEW careless_{setting}.pg_settings AS {view}"))
    engine.dispose()
    path = {"options": f"-csearch_path=careless_{setting},pg_catalog"}
    hidden = make_url(url).update_query_dict(path).render_as_string(hide_password=False)
    with pytest.raises(LedgerError, match=f"the server runs with {setting} off") as caught:
        open_ledger(hidden)
    assert caught.value.code == "ledger.unsafe"
