"""Alembic, configured in code: it works the same from a checkout and from a wheel."""

from __future__ import annotations

import threading
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from factory.errors import UsageError

# The revision that this code is written for. Alembic is only loaded when a ledger is made or moved.
HEAD = "0012"
_OLDER = frozenset({"0001", "0002", "0003", "0004", "0006", "0007", "0008", "0009", "0010", "0011"})
VERSIONS = "alembic_version"
# Alembic's `op` and `context` are one per process: two threads that make ledgers at once would share them.
_ALEMBIC = threading.Lock()


def revision(connection: Connection) -> str | None:
    """The schema revision of a ledger; None when the database has no table that could tell."""
    if not inspect(connection).has_table(VERSIONS):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSIONS}")).scalars().all()  # noqa: S608 - constant
    return found[0] if len(found) == 1 else None


def is_older(connection: Connection) -> bool:
    """Whether the schema is one that `upgrade` brings to HEAD."""
    return revision(connection) in _OLDER


def require_head(connection: Connection, where: str) -> None:
    """Raise UsageError unless the schema is the one that this code is written for."""
    found = revision(connection)
    if found == HEAD:
        return
    if found is None:
        raise UsageError(
            f"{where} is no ledger of this program", hint="Name another file, or none yet.", code="ledger.foreign"
        )
    raise UsageError(
        f"{where} has schema {found}, and this version of factory knows schemas up to {HEAD}",
        hint="It was written by a newer version: install that one (or later) on this computer too.",
        code="ledger.newer",
    )


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring an empty database, or an older ledger, to `revision` within the connection's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    # A per cent sign in the installation's path would be read as interpolation.
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    with _ALEMBIC:
        command.upgrade(config, revision)
