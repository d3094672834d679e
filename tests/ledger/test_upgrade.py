"""A ledger of an older version: upgraded in place, once, after a copy that holds what it held."""

from __future__ import annotations

import os
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import select

from factory.files import FileError
from factory.ledger import LedgerError, migrate, open_ledger, sqlite
from factory.ledger.columns import metadata
from factory.ledger.schema import identity_values
from tests.ledger.made import BINDING, LOT, make_pass, opened


def old_ledger(folder: Path) -> Path:
    """A ledger as version 0001 made it, with a lot, a passed unit's upload row and a chain."""
    path = folder / "ledger.db"
    path.touch(mode=0o600)
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    engine = sqlite.open_engine(path)
    with engine.execution_options(**{sqlite.WRITER: True}).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    with sqlite3.connect(path) as bare:
        signed = "'S1', 'Kim', '0'"
        at = "'2026-11-20T10:00:00.000+00:00'"
        hashes = f"'{BINDING.product_sha256}', '{BINDING.template_sha256}', 1"
        bare.execute(f"INSERT INTO lots VALUES ('{LOT}', 'router', {hashes}, {at}, {signed})")
        bare.execute(f"INSERT INTO units VALUES (1, 'open', 'SN1', {at}, {signed}, 'A')")
        bare.execute("INSERT INTO identity_values VALUES ('mac', 'b827eb000001', 1, 'eth0')")
    return path


def test_an_older_ledger_is_upgraded_after_a_copy(tmp_path: Path) -> None:
    path = old_ledger(tmp_path)
    with open_ledger("ledger.db", folder=tmp_path, station="S1") as ledger:
        done = ledger.upgraded
        assert done is not None
        assert (done.found, done.now) == ("0001", migrate.HEAD)
        assert str(done.copy) in str(done)
        assert ledger.lot(LOT).binding == BINDING
        assert ledger.trace("SN1").found is False  # a unit without an attempt was shown by none
        assert ledger.verify() == ()
        assert ledger.head().seq == 1
    with sqlite3.connect(done.copy) as copy:
        assert copy.execute("SELECT version_num FROM alembic_version").fetchone() == ("0001",)
        assert copy.execute("SELECT value FROM identity_values").fetchone() == ("b827eb000001",)
    copy.close()
    assert stat.S_IMODE(done.copy.stat().st_mode) == 0o600
    with open_ledger(str(path)) as again:
        assert again.upgraded is None
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["ledger.db", "ledger.db.schema-0001.bak"]


def test_the_upgraded_schema_is_the_new_one(tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata

    path = old_ledger(tmp_path)
    open_ledger(str(path)).close()
    engine = sqlite.open_engine(path)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_many_openers_upgrade_once(tmp_path: Path) -> None:
    path = old_ledger(tmp_path)

    def use(_: int) -> bool:
        with open_ledger(str(path)) as ledger:
            return ledger.upgraded is not None

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(use, range(6))) == 1
    assert len(list(tmp_path.glob("*.bak"))) == 1


def test_an_earlier_copy_is_kept(tmp_path: Path) -> None:
    path = old_ledger(tmp_path)
    (tmp_path / "ledger.db.schema-0001.bak").write_text("somebody's")
    with open_ledger(str(path)) as ledger:
        assert ledger.upgraded is not None
        assert ledger.upgraded.copy.name == "ledger.db.schema-0001-2.bak"
    assert (tmp_path / "ledger.db.schema-0001.bak").read_text() == "somebody's"


def test_without_a_copy_nothing_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = old_ledger(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match="No space left") as caught:
        open_ledger(str(path))
    assert "Nothing was changed" in caught.value.hint
    monkeypatch.undo()
    assert [entry.name for entry in tmp_path.iterdir() if entry.suffix == ".bak"] == []
    with sqlite3.connect(path) as bare:
        assert bare.execute("SELECT version_num FROM alembic_version").fetchone() == ("0001",)
    bare.close()


def test_a_copy_that_differs_stops_the_upgrade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = old_ledger(tmp_path)
    monkeypatch.setattr(sqlite, "quick_check", lambda _: ["row 7 is missing from its index"])
    with pytest.raises(LedgerError, match="does not hold together: row 7 is missing"):
        open_ledger(str(path))
    assert list(tmp_path.glob("*.bak")) == []


def test_the_upgraded_ledger_works(tmp_path: Path) -> None:
    old_ledger(tmp_path)
    with opened(tmp_path) as ledger:
        assert make_pass(ledger, 2, serial="SN2").unit == 2
        assert [unit.hardware_id for unit in ledger.passed_units(LOT)] == ["hw-2"]
        assert ledger.holders({"b827eb000002"})["b827eb000002"][0].passed


def test_serials_of_an_older_ledger_are_found_without_case_and_separators(tmp_path: Path) -> None:
    path = old_ledger(tmp_path)
    with sqlite3.connect(path) as bare:
        bare.execute("INSERT INTO identity_values VALUES ('serial', 'SN-0 1', 1, '')")
    bare.close()
    with open_ledger(str(path)) as ledger, ledger._store.reading() as connection:
        found = connection.execute(select(identity_values.c.name).where(identity_values.c.value == "SN-0 1")).scalar()
    assert found == "sn01"
