"""Everything that is PostgreSQL's own: connection, durability, error codes, triggers, the station's lock.

Transactions run as READ COMMITTED: what must not be given twice is UNIQUE in the schema, what is read in order to be
changed is locked by FOR UPDATE, and whoever loses a race is run again and then sees the winner. Nothing here but the
advisory lock and the trigger is beyond what PostgreSQL-compatible distributed databases take.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from factory.errors import UsageError
from factory.ledger.errors import AWAY, LedgerError

CONNECT_SECONDS = 10
_SET = "SELECT set_config(name, %s, false) FROM pg_settings WHERE name = ANY(%s)"
_SERVER_PATIENCE = (
    (("tcp_keepalives_idle", "tcp_keepalives_interval"), "10"),
    (("tcp_keepalives_count",), "3"),
    (("tcp_user_timeout",), "25000"),
)
# A server that vanished without a word (a cable, a switch) is found out in half a minute, not in a quarter of an hour.
_PATIENCE = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
IDLE_SECONDS = 5.0
"""A connection that was not used for so long is asked whether it is still there."""
_USED = "factory_used"
_RACES = frozenset({"23505", "40001", "40P01"})
"""unique_violation, serialization_failure, deadlock_detected."""


def append_only(table: str) -> tuple[str, ...]:
    """A trigger that refuses to change or remove a row of `table`."""
    return (
        f"CREATE FUNCTION {table}_are_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{table} are append-only'; END $$",
        f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {table}_are_append_only()",
    )


class PostgresDatabase:
    """A database of a PostgreSQL server. A password in `url` is never shown; libpq's own means (PGPASSFILE, service
    files, certificates) work as well. Raises UsageError where the driver is not installed.
    """

    def __init__(self, url: URL, *, station: str = "") -> None:
        self._url = url
        self.location = url.render_as_string(hide_password=True)
        self.engine: Engine = _open_engine(url, self.location, station)

    @property
    def writer_options(self) -> Mapping[str, object]:
        """Writers need nothing of their own."""
        return {}

    def require_same(self) -> None:
        """A server is what its address says."""

    def explain(self, error: DBAPIError) -> LedgerError | None:
        """PostgreSQL's error in a person's words."""
        return explain(error, self.location)

    def lost_race(self, error: DBAPIError) -> bool:
        """Whether another transaction was quicker."""
        return getattr(error.orig, "sqlstate", None) in _RACES

    def hold(self, station: str) -> PostgresHold:
        """Take the station by a lock of a session of its own."""
        return PostgresHold(self, station)


class PostgresHold:
    """A station held by an advisory lock: the server drops it when the session ends, also by a crash."""

    def __init__(self, database: PostgresDatabase, station: str) -> None:
        self._database = database
        self._seen = time.monotonic()
        try:
            self._connection = database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            taken = self._connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _key(station)}).scalar()
        except DBAPIError as error:
            raise explain(error, database.location) or error from error
        if not taken:
            holder = self._holder(station)
            self._connection.close()
            raise UsageError(
                f"station {station} is already running{holder}",
                hint="Stop it first, or give this bench file another station name.",
                code="ledger.station-busy",
            )

    def release(self) -> None:
        """End the session, and the lock with it: a pooled connection would keep it."""
        self._connection.invalidate()
        self._connection.close()

    def in_place(self) -> bool:
        """Whether the session that holds the lock was still there a few seconds ago."""
        if time.monotonic() - self._seen < IDLE_SECONDS:
            return True
        try:
            self._connection.execute(text("SELECT 1"))
        except DBAPIError:
            return False
        self._seen = time.monotonic()
        return True

    def _holder(self, station: str) -> str:
        query = text("SELECT client_addr, backend_start FROM pg_stat_activity WHERE application_name = :name LIMIT 1")
        row = self._connection.execute(query, {"name": _application(station)}).first()
        if row is None:
            return ""
        return f" ({f'from {row.client_addr}, ' if row.client_addr else ''}since {row.backend_start:%Y-%m-%d %H:%M})"


def explain(error: DBAPIError, location: str) -> LedgerError | None:
    """Turn a driver's error into what happened and what to do; None for what only our own code can cause."""
    where = f"the ledger {location}"
    reason = " ".join(str(error.orig).split())[:300]
    state = getattr(error.orig, "sqlstate", None)
    code, said, hint = _cause(state, connection=error.connection_invalidated or _is_connection(error))
    return LedgerError(f"{where} {said} ({reason})", hint=hint, code=code) if code else None


def _cause(state: str | None, *, connection: bool) -> tuple[str, str, str]:
    if state in _RACES:
        return "ledger.conflict", "was written by somebody else at the same moment", "Nothing was kept: try again."
    if state == "53100":
        return "ledger.full", "cannot be written: its disk is full", "Free some space on the server."
    if state in ("25006", "42501"):
        return "ledger.read-only", "cannot be written", "Check the rights of this user, and that this is the primary."
    if state in ("28000", "28P01", "3D000"):
        return "ledger.no-access", "cannot be opened", "Check user, password and database name in the ledger's URL."
    if state in ("53300", "53200", "55P03", "57014"):
        return "ledger.busy", "has no room for this station now", "Look at the server's connections and memory."
    if state in ("XX001", "XX002", "58030"):
        return "ledger.damaged", "is damaged", "Stop the line; ask whoever runs the server; go on from a backup."
    if connection or state in ("57P01", "57P02", "57P03") or (state or "").startswith("08"):
        return AWAY, "does not answer", "Check network and server. What was committed before is safe."
    return "", "", ""


def _is_connection(error: DBAPIError) -> bool:
    """A driver that never reached a server has no code to show."""
    return getattr(error.orig, "sqlstate", None) is None and type(error.orig).__name__ == "OperationalError"


def _open_engine(url: URL, location: str, station: str) -> Engine:
    try:
        engine = create_engine(
            url,
            pool_size=8,
            max_overflow=-1,
            isolation_level="READ COMMITTED",
            connect_args={"application_name": _application(station), **_PATIENCE},
        )
    except ModuleNotFoundError as error:
        raise UsageError(
            "a ledger in PostgreSQL needs the driver psycopg",
            hint='Install factory with it: pip install "oem-factory[postgres]".',
            code="ledger.url",
        ) from error

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = on")
            # The server, too, shall find out soon that a station has vanished: it holds that station's lock. A server
            # that has no such setting is none the worse.
            for names, value in _SERVER_PATIENCE:
                cursor.execute(_SET, (value, list(names)))
            cursor.execute("SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes')")
            unsafe = sorted(name for name, setting in cursor.fetchall() if setting != "on")
        connection.commit()
        if unsafe:
            raise LedgerError(
                f"the ledger {location} cannot be kept safe: the server runs with {' and '.join(unsafe)} off",
                hint="Switch it on in postgresql.conf: without it a power cut loses what was committed.",
                code="ledger.unsafe",
            )

    @event.listens_for(engine, "checkin")
    def used(_connection: Any, record: ConnectionPoolEntry) -> None:
        record.info[_USED] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def look(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
        # Asking before every transaction would double the round trips of a station in work.
        if time.monotonic() - record.info.get(_USED, float("inf")) < IDLE_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.dbapi.Error as error:  # type: ignore[union-attr]
            raise DisconnectionError from error

    return engine


def is_empty(connection: Connection) -> bool:
    """Whether the schema that tables would be made in has none yet."""
    query = "SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema()"
    return bool(connection.execute(text(query)).scalar_one() == 0)


def lock_for_making(connection: Connection) -> None:
    """Let one of several makers go first; held until the transaction ends."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _key("\0make")})


def _key(station: str) -> int:
    return int.from_bytes(hashlib.sha256(f"factory station {station}".encode()).digest()[:8], "big", signed=True)


def _application(station: str) -> str:
    # PostgreSQL cuts it after 63 bytes, and keeps printable ASCII only.
    return f"factory {station}".encode("ascii", "replace").decode("ascii")[:63]
