"""An older ledger brought to this version's schema, in place, after a copy that was read back."""

from __future__ import annotations

import os
import secrets
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from factory.errors import UsageError
from factory.files import PRIVATE, FileError, sync_folder
from factory.ledger import migrate, sqlite
from factory.ledger.journal import append
from factory.ledger.records import damaged
from factory.ledger.sqlite_database import SqliteDatabase
from factory.ledger.store import Store

_COUNTED = ("alembic_version", "events", "attempts", "identity_values", "upload_rows")


@dataclass(frozen=True, slots=True)
class Upgrade:
    """A ledger that was brought from schema `found` to `now`; `copy` is the ledger as it was."""

    found: str
    now: str
    copy: Path

    def __str__(self) -> str:
        return f"the ledger was brought from schema {self.found} to {self.now}; as it was before it lies at {self.copy}"


def bring_up(store: Store) -> Upgrade | None:
    """Upgrade an older schema; None when there was nothing to do. The copy is there before anything is changed.

    Raises UsageError for a newer schema or a foreign file, FileError when the copy cannot be made, LedgerError.
    """
    with store.reading() as connection:
        if not migrate.is_older(connection):
            migrate.require_head(connection, store.database.location)
            return None
    with store.writing() as writer:
        # Under the write lock: another process may have upgraded it meanwhile.
        found = migrate.revision(writer.connection)
        if found is None or not migrate.is_older(writer.connection):
            migrate.require_head(writer.connection, store.database.location)
            return None
        copy = _copy(_path(store, found), found)
        migrate.upgrade(writer.connection)
        append(writer, "ledger.upgraded", data={"found": found, "now": migrate.HEAD, "copy": copy.name})
    return Upgrade(found, migrate.HEAD, copy)


def _path(store: Store, found: str) -> Path:
    """The file of a ledger. Raises UsageError for a server's: others may be at work with the old schema."""
    if isinstance(store.database, SqliteDatabase):
        return store.database.path
    raise UsageError(
        f"{store.database.location} has schema {found}, and this version of factory works with {migrate.HEAD}",
        hint="Stop every station, then upgrade it: factory ledger upgrade --ledger URL.",
        code="ledger.older",
    )


def _copy(path: Path, found: str) -> Path:
    """Copy the committed state into a file of its own, read it back, and give it a name that was free."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.touch(mode=PRIVATE, exist_ok=False)
        try:
            _copy_pages(path, temporary)
        except sqlite3.Error as error:
            raise sqlite.explain(error, temporary) from error
        descriptor = os.open(temporary, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        target = _linked(temporary, path, found)
        sync_folder(path.parent)
        return target
    except OSError as error:
        raise FileError(
            f"cannot copy the ledger {path} before its upgrade: {error.strerror or type(error).__name__}",
            hint="Nothing was changed. Check the folder's rights and the free space.",
        ) from error
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            temporary.with_name(temporary.name + suffix).unlink(missing_ok=True)


def _copy_pages(path: Path, target: Path) -> None:
    source, copy = sqlite3.connect(path), sqlite3.connect(target)
    try:
        source.backup(copy)
        # One file that needs no -wal beside it.
        copy.execute("PRAGMA journal_mode=DELETE").close()
        faults = [row[0] for row in copy.execute("PRAGMA quick_check(1)") if row[0] != "ok"]
        if faults or _counts(source) != _counts(copy):
            raise damaged(f"{path}: its copy does not hold what it holds ({'; '.join(faults) or 'other counts'})")
    finally:
        source.close()
        copy.close()


def _counts(connection: sqlite3.Connection) -> list[int]:
    return [connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in _COUNTED]  # noqa: S608


def _linked(temporary: Path, path: Path, found: str) -> Path:
    number = 1
    while True:
        again = "" if number == 1 else f"-{number}"
        target = path.with_name(f"{path.name}.schema-{found}{again}.bak")
        try:
            target.hardlink_to(temporary)
        except FileExistsError:
            number += 1
        else:
            return target
