"""Opening a ledger, and making one that is there whole or not at all."""

from __future__ import annotations

import contextlib
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

import factory
from factory.errors import UsageError
from factory.files import FileTaken, appearing
from factory.ledger import migrate, postgres, sqlite
from factory.ledger.ledger import Ledger
from factory.ledger.postgres import PostgresDatabase
from factory.ledger.records import damaged
from factory.ledger.sqlite_database import SqliteDatabase
from factory.ledger.store import Clock, Signature, Store, Writer, utc_now
from factory.ledger.upgrade import Upgrade, bring_up


def open_ledger(
    url: str,
    *,
    station: str = "office",
    operator: str = "",
    folder: Path | None = None,
    create: bool = True,
    busy_seconds: float = sqlite.BUSY_SECONDS,
    clock: Clock = utc_now,
) -> Ledger:
    """Open a ledger by URL (`sqlite:///ledger.db`, `postgresql+psycopg://USER@HOST/NAME`) or by path; relative paths
    start at `folder`.

    A missing ledger is made in its folder, which must exist, unless `create` is False. One of an older version is
    upgraded in place after a copy of it was made beside it (`Ledger.upgraded` says so). Raises UsageError for a
    folder or ledger that is not there, a network file system, another engine, a newer schema or a foreign file;
    LedgerError when the file cannot be read or written. `busy_seconds` is how long another writer is waited for.
    """
    signature = Signature(station, operator, factory.__version__)
    server = server_store(url, station=station, operator=operator, clock=clock)
    if server is not None:
        try:
            return Ledger(server, prepare_server(server, create=create))
        except BaseException:
            server.close()
            raise
    path = _path(url, folder or Path())
    if not _is_there(path):
        if not create:
            raise UsageError(
                f"no ledger at {path}",
                hint="Name its bench file with --bench, or it with --ledger; the first `factory run` makes it.",
                code="ledger.missing",
            )
        _create(path)
    store = Store(SqliteDatabase(path, busy_seconds=busy_seconds), signature, clock)
    try:
        upgraded = bring_up(store)
    except BaseException:
        store.close()
        raise
    return Ledger(store, upgraded)


def upgrade_ledger(
    url: str,
    *,
    backup_to: Path | None = None,
    station: str = "office",
    operator: str = "",
    folder: Path | None = None,
    clock: Clock = utc_now,
) -> Upgrade | None:
    """Bring an existing ledger to this version's schema; None when it is there already. A checked copy is made before:
    at `backup_to`, without which a ledger on a server is refused. Raises as `open_ledger` does.
    """
    signature = Signature(station, operator, factory.__version__)
    parsed = _server(url)
    path = None if parsed is not None else _path(url, folder or Path())
    if path is not None and not _is_there(path):
        raise UsageError(f"no ledger at {path}", hint="Name it with --ledger or --bench.", code="ledger.missing")
    database = PostgresDatabase(parsed, station=station) if parsed is not None else SqliteDatabase(path or Path())
    store = Store(database, signature, clock)
    try:
        return bring_up(store, backup_to)
    finally:
        store.close()


def _server(url: str) -> URL | None:
    """The URL of a ledger on a PostgreSQL server; None for every other one."""
    scheme = url.partition("://")[0]
    if scheme not in ("postgresql", "postgresql+psycopg"):
        return None
    return _parsed(url).set(drivername="postgresql+psycopg")


def server_store(url: str, *, station: str, operator: str, clock: Clock) -> Store | None:
    """A ledger on a server that nobody has looked at yet; None for another engine's URL."""
    parsed = _server(url)
    if parsed is None:
        return None
    return Store(PostgresDatabase(parsed, station=station), Signature(station, operator, factory.__version__), clock)


def prepare_server(store: Store, *, create: bool = True) -> Upgrade | None:
    """Look at a ledger on a server, and make it where there is none yet. Raises UsageError, LedgerError."""
    with store.reading() as connection:
        missing = migrate.revision(connection) is None
        empty = missing and postgres.is_empty(connection)
    if empty and not create:
        raise UsageError(
            f"no ledger in {store.database.location}",
            hint="The first `factory run` with this URL makes it.",
            code="ledger.missing",
        )
    if empty:
        store.write(_make)
    return bring_up(store)


def _make(writer: Writer) -> None:
    postgres.lock_for_making(writer.connection)
    if migrate.revision(writer.connection) is None:
        migrate.upgrade(writer.connection)


def _is_there(path: Path) -> bool:
    """Whether the ledger exists, in a folder that can hold one. Raises UsageError, or LedgerError for a husk."""
    try:
        folder, there = path.parent.is_dir(), path.exists()
        husk = there and path.stat().st_size == 0
    except OSError as error:
        raise UsageError(
            f"cannot look at the ledger {path}: {error.strerror}",
            hint="Check the rights of its folder.",
            code="ledger.folder",
        ) from error
    if not folder:
        raise UsageError(
            f"no folder {path.parent} for the ledger {path.name}",
            hint="Make the folder, or name another place.",
            code="ledger.folder",
        )
    if husk:
        # SQLite would take it for a new database and forget what was there.
        raise damaged(f"{path} is empty")
    sqlite.refuse_network(path)
    return there


def _path(url: str, folder: Path) -> Path:
    if "://" not in url:
        return (folder / Path(url).expanduser()).absolute()
    parsed = _parsed(url)
    engine = parsed.get_backend_name()
    if engine != "sqlite":
        raise UsageError(
            f"factory keeps its ledger in SQLite or PostgreSQL, not in {engine}",
            hint="Write sqlite:///ledger.db, or postgresql+psycopg://USER@HOST/NAME.",
            code="ledger.url",
        )
    if not parsed.database or parsed.database == ":memory:" or parsed.query:
        raise UsageError(
            "a ledger is a file, and the URL names none or has options",
            hint="Write sqlite:///ledger.db.",
            code="ledger.url",
        )
    return (folder / parsed.database).absolute()


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError as error:
        raise UsageError(
            "the ledger's URL cannot be read",
            hint="Write sqlite:///ledger.db, or postgresql+psycopg://USER@HOST/NAME.",
            code="ledger.url",
        ) from error


def _create(path: Path) -> None:
    """Make the ledger beside its place and link it there: a crash leaves none, and the first of two makers wins."""
    with contextlib.suppress(FileTaken), appearing(path, beside=sqlite.SIDE_FILES) as temporary:
        _fill(temporary)


def _fill(path: Path) -> None:
    store = Store(SqliteDatabase(path), Signature("", "", factory.__version__), utc_now)
    try:
        with store.writing() as writer:
            migrate.upgrade(writer.connection)
    finally:
        store.close()
