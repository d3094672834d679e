"""An older ledger brought to this version's schema, in place, after a copy that was read back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from factory.errors import UsageError
from factory.ledger import migrate
from factory.ledger.backup import backup
from factory.ledger.journal import append
from factory.ledger.sqlite_database import SqliteDatabase
from factory.ledger.store import Store


@dataclass(frozen=True, slots=True)
class Upgrade:
    """A ledger that was brought from schema `found` to `now`; `copy` is the ledger as it was."""

    found: str
    now: str
    copy: Path

    def __str__(self) -> str:
        return f"the ledger was brought from schema {self.found} to {self.now}; as it was before it lies at {self.copy}"


def bring_up(store: Store, backup_to: Path | None = None) -> Upgrade | None:
    """Upgrade an older schema; None when there was nothing to do. The copy is there before anything is changed: at
    `backup_to`, or beside a ledger that is a file.

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
        copy = _kept(store, found, backup_to)
        migrate.upgrade(writer.connection)
        append(writer, "ledger.upgraded", data={"found": found, "now": migrate.HEAD, "copy": copy.name})
    return Upgrade(found, migrate.HEAD, copy)


def _kept(store: Store, found: str, backup_to: Path | None) -> Path:
    """Keep a checked copy of the ledger as it is, under a name that was free. Raises UsageError for a server's ledger
    where no file was named: others may be at work with the old schema.
    """
    if backup_to is not None:
        return backup(store, backup_to).path
    if not isinstance(store.database, SqliteDatabase):
        raise UsageError(
            f"{store.database.location} has schema {found}, and this version of factory works with {migrate.HEAD}",
            hint="Stop every station, then: factory ledger upgrade --ledger URL --backup FILE.",
            code="ledger.older",
        )
    path, number = store.database.path, 1
    while True:
        again = "" if number == 1 else f"-{number}"
        target = path.with_name(f"{path.name}.schema-{found}{again}.bak")
        if not target.exists():
            return backup(store, target).path
        number += 1
