"""Opening and making a ledger, and every way in which that is refused."""

from __future__ import annotations

import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from factory.errors import FactoryError, UsageError
from factory.ledger import migrate, open_ledger, sqlite
from factory.ledger.columns import metadata
from tests.ledger.made import opened


def _code(url: str, folder: Path, *, create: bool = True) -> str:
    with pytest.raises(UsageError) as caught:
        open_ledger(url, folder=folder, create=create)
    assert caught.value.hint
    return caught.value.code


def test_a_missing_ledger_is_made_whole_and_private(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        path = Path(ledger.location)
        assert path == tmp_path / "ledger.db"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["ledger.db"]
    with open_ledger(str(path), create=False) as again:
        assert again.lot("2026-11").station == "S1"


def test_every_connection_is_durable(tmp_path: Path) -> None:
    open_ledger("ledger.db", folder=tmp_path).close()
    engine = sqlite.open_engine(tmp_path / "ledger.db")
    with engine.connect() as one, engine.connect() as two:
        for connection in (one, two):
            settings = [
                connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys")
            ]
            assert settings == ["wal", 2, 1]
    engine.dispose()


def test_refusals(tmp_path: Path) -> None:
    assert _code("sqlite:///ledger.db", tmp_path, create=False) == "ledger.missing"
    assert _code("sqlite:///deep/ledger.db", tmp_path) == "ledger.folder"
    assert _code("mysql://host/ledger", tmp_path) == "ledger.url"
    assert _code("sqlite://", tmp_path) == "ledger.url"
    assert _code("sqlite:///:memory:", tmp_path) == "ledger.url"
    assert _code("nonsense://", tmp_path) == "ledger.url"
    assert list(tmp_path.iterdir()) == []


def test_a_newer_schema_and_a_foreign_file_are_refused(tmp_path: Path) -> None:
    open_ledger("ledger.db", folder=tmp_path).close()
    with sqlite3.connect(tmp_path / "ledger.db") as bare:
        bare.execute("UPDATE alembic_version SET version_num = '0999'")
    with pytest.raises(UsageError, match=rf"schema 0999, .* up to {migrate.HEAD}"):
        open_ledger("ledger.db", folder=tmp_path)
    with sqlite3.connect(tmp_path / "other.db") as bare:
        bare.execute("CREATE TABLE notes (text)")
    assert _code("other.db", tmp_path) == "ledger.foreign"


def test_an_empty_file_is_not_taken_for_a_new_ledger(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").touch()
    with pytest.raises(FactoryError, match="is empty"):
        open_ledger("ledger.db", folder=tmp_path)


def test_many_openers_make_one_ledger(tmp_path: Path) -> None:
    def make(_: int) -> None:
        open_ledger("ledger.db", folder=tmp_path).close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(8)))
    assert [entry.name for entry in tmp_path.iterdir()] == ["ledger.db"]


def test_the_migrations_make_exactly_the_tables_of_the_schema(tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    open_ledger("ledger.db", folder=tmp_path).close()
    engine = create_engine(f"sqlite:///{tmp_path / 'ledger.db'}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == migrate.HEAD


_MOUNTS = r"""22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 22 0:40 / /mnt/share rw - nfs4 server:/x rw
41 22 0:41 / /mnt/with\040blank rw master:3 - cifs //server/y rw
42 22 0:42 / /home/me/ssh rw - fuse.sshfs me@host: rw
43 22 0:43 / /overlay rw - fuse.fuse-overlayfs overlay rw
44 40 0:44 / /mnt/share/local rw - tmpfs tmpfs rw
45 22 0:45 / /twice rw - ext4 /dev/vdb rw
46 22 0:46 / /twice rw - nfs server:/z rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/mnt/share/ledger.db", "nfs4"),
        ("/mnt/with blank/a/ledger.db", "cifs"),
        ("/home/me/ssh/ledger.db", "fuse.sshfs"),
        ("/twice/ledger.db", "nfs"),
        ("/mnt/sharedisk/ledger.db", None),
        ("/mnt/share/local/ledger.db", None),
        ("/overlay/ledger.db", None),
        ("/srv/ledger.db", None),
    ],
)
def test_network_file_systems_are_refused(tmp_path: Path, path: str, kind: str | None) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(_MOUNTS)
    if kind is None:
        sqlite.refuse_network(Path(path), mounts)
        return
    with pytest.raises(UsageError, match=rf"network file system \({kind}\)"):
        sqlite.refuse_network(Path(path), mounts)


def test_a_system_without_mountinfo_is_not_judged(tmp_path: Path) -> None:
    sqlite.refuse_network(tmp_path / "ledger.db", tmp_path / "none")


def test_this_machines_own_mounts_can_be_read(tmp_path: Path) -> None:
    kind, point = sqlite.file_system(tmp_path.resolve(), Path("/proc/self/mountinfo").read_text())
    assert kind
    assert str(tmp_path.resolve()).startswith(point)


def test_a_folder_that_may_not_be_entered_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_dir", forbidden)
    assert _code("sqlite:///ledger.db", tmp_path) == "ledger.folder"
