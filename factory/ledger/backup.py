"""A copy of a ledger in one SQLite file: taken while stations work on, opened and checked before it gets its name."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection, MetaData, Table, func, insert, select

from factory.errors import UsageError
from factory.files import FileError, appearing
from factory.ledger import migrate, sqlite
from factory.ledger.checks import verify
from factory.ledger.records import damaged
from factory.ledger.sqlite_database import SqliteDatabase
from factory.ledger.store import Signature, Store, utc_now

Progress = Callable[[str, int, int], None]
"""Called with a table's name, the rows copied so far, and how many there are."""
_ROWS = 2000


# Where a page is only read from one file, these come from the other one.
_OF_THE_COPY = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR)


@dataclass(frozen=True, slots=True)
class Backup:
    """A finished copy. `rows` counts every table, `sha256` is the file's, `size` its length in bytes."""

    path: Path
    schema: str
    rows: dict[str, int]
    sha256: str
    size: int

    def as_json(self) -> dict[str, object]:
        """The copy as canonical JSON values."""
        return {
            "file": self.path.name,
            "schema": self.schema,
            "rows": dict(sorted(self.rows.items())),
            "sha256": self.sha256,
            "size": self.size,
        }


def backup(store: Store, target: Path, *, progress: Progress | None = None) -> Backup:
    """Copy one committed state of the ledger to `target`, which must not exist. The copy is a ledger like any other:
    it was opened, its constraints and chains were checked and its rows counted before it got its name.

    Raises UsageError when the name is taken, FileError when it cannot be written or was taken meanwhile, LedgerError
    when the ledger or its copy is damaged.
    """
    if target.exists():
        raise UsageError(f"{target} exists already", hint="Name another file: a backup is never overwritten.")
    with appearing(target, beside=sqlite.SIDE_FILES) as temporary:
        if isinstance(store.database, SqliteDatabase):
            _copy_pages(store.database.path, temporary)
        else:
            _copy_rows(store, temporary, progress)
        return _checked(temporary, target)


def _copy_pages(path: Path, temporary: Path) -> None:
    """SQLite's own way: page by page, again from the start where a writer came in between."""
    source, copy = sqlite3.connect(path), sqlite3.connect(temporary)
    try:
        copy.execute("PRAGMA synchronous=FULL").close()
        source.backup(copy)
        # One file that needs no -wal beside it.
        copy.execute("PRAGMA journal_mode=DELETE").close()
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _OF_THE_COPY:
            raise FileError(
                f"cannot write a backup into {temporary.parent}: {error}",
                hint="Check the folder's rights and the free space; the ledger itself is as it was.",
            ) from error
        raise sqlite.explain(error, path) from error
    finally:
        source.close()
        copy.close()


def _copy_rows(store: Store, temporary: Path, progress: Progress | None) -> None:
    """Row by row out of one snapshot of a server, into tables that the same migrations made."""
    copy = Store(SqliteDatabase(temporary), Signature("", "", ""), utc_now)
    try:
        with store.snapshot() as source:
            found = migrate.revision(source)
            if found is None:
                raise damaged(f"{store.database.location} has no schema")
            with copy.writing() as writer:
                migrate.upgrade(writer.connection, found)
                for table in _tables(writer.connection):
                    _copy_table(source, writer.connection, table, progress)
    finally:
        copy.close()


def _tables(connection: Connection) -> list[Table]:
    """The tables in an order in which no row comes before what it refers to."""
    metadata = MetaData()
    metadata.reflect(connection)
    return [table for table in metadata.sorted_tables if table.name != migrate.VERSIONS]


def _copy_table(source: Connection, copy: Connection, table: Table, progress: Progress | None) -> None:
    total = source.execute(select(func.count()).select_from(table)).scalar_one()
    done = 0
    rows = source.execute(select(table).execution_options(yield_per=_ROWS))
    for part in rows.mappings().partitions(_ROWS):
        copy.execute(insert(table), [dict(row) for row in part])
        done += len(part)
        if progress is not None:
            progress(table.name, done, total)
    if done != total:
        raise damaged(f"{table.name} has {total} rows and {done} could be read")


def _checked(temporary: Path, target: Path) -> Backup:
    """Open the copy as the ledger that it is, check it, and count what it holds."""
    store = Store(SqliteDatabase(temporary), Signature("", "", ""), utc_now)
    try:
        with store.reading() as connection:
            schema = migrate.revision(connection)
            faults = verify(connection) if schema == migrate.HEAD else tuple(sqlite.quick_check(connection))
            rows = {
                table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in _tables(connection)
            }
    finally:
        store.close()
    if faults or schema is None:
        what = faults[0] if faults else "no schema"
        raise damaged(f"a copy of it was made and does not hold together: {what}")
    digest = sha256()
    with temporary.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return Backup(target, schema, rows, digest.hexdigest(), temporary.stat().st_size)
