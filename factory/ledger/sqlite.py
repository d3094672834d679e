"""Everything that is SQLite's own: the file, its pragmas, its transactions, its triggers, its error numbers.

Durability: WAL with synchronous=FULL syncs every commit; NORMAL may lose committed work at a power cut, and a
network share keeps neither locks nor syncs (factory floor reference, section 7).
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from factory.errors import UsageError
from factory.ledger.errors import LedgerError
from factory.ledger.records import damaged

BUSY_SECONDS = 30.0
WRITER = "factory_writer"
SIDE_FILES = ("-wal", "-shm", "-journal")
_MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "coda", "gfs2", "lustre", "ncpfs", "ocfs2"}
)
# FUSE programs that work on a local disk; every other one is taken for a share (sshfs, rclone, s3fs, ...).
_LOCAL_FUSE = frozenset({"fuse.fuse-overlayfs", "fuse.ntfs-3g", "fuse.exfat", "fuse.mergerfs", "fuse.lxcfs"})


def refuse_network(path: Path, mounts: Path = _MOUNTS) -> None:
    """Raise UsageError when `path` lies on a network file system; a system without mountinfo is not judged."""
    if not mounts.exists():
        return
    kind, point = file_system(path.resolve(), mounts.read_text(encoding="utf-8", errors="surrogateescape"))
    if kind in _NETWORK or (kind.startswith("fuse.") and kind not in _LOCAL_FUSE):
        raise UsageError(
            f"the ledger {path} lies on {point}, a network file system ({kind})",
            hint="Keep the ledger on a disk of this computer: a network share loses locks and committed rows.",
            code="ledger.network",
        )


def file_system(path: Path, mountinfo: str) -> tuple[str, str]:
    """Type and mount point of the file system that holds an absolute path, from the text of mountinfo."""
    best, kind = "", ""
    for line in mountinfo.splitlines():
        left, separator, right = line.partition(" - ")
        fields = left.split(" ")
        if not separator or len(fields) < 5:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[4])
        inside = point == "/" or str(path) == point or str(path).startswith(point + "/")
        # A later mount on the same point hides the earlier one.
        if inside and len(point) >= len(best):
            best, kind = point, right.split(" ")[0]
    return kind, best


def file_of(path: Path) -> tuple[int, int]:
    """Device and inode of the ledger's file. Raises LedgerError when it is gone or cannot be looked at."""
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise replaced(path) from error
    except OSError as error:
        raise _io(f"the ledger {path}", str(error.strerror)) from error
    return found.st_dev, found.st_ino


def replaced(path: Path) -> LedgerError:
    """The error for a ledger that somebody moved, removed or exchanged while it was open."""
    return LedgerError(
        f"the ledger {path} was moved, removed or replaced while it was in use: nothing can be written to it",
        hint="Stop the line and put the file back as it was, with its -wal and -shm; then start the line again.",
        code="ledger.replaced",
    )


def open_engine(path: Path, *, busy_seconds: float = BUSY_SECONDS) -> Engine:
    """An engine on an existing file whose every connection is durable, or raises LedgerError when it is used."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)), connect_args={"timeout": busy_seconds}, pool_size=8, max_overflow=-1
    )

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        try:
            _configure(connection, path)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise explain(error, path) from error

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # sqlite3's own transaction control is off (see _configure). A writer takes the write lock at once: a
        # reader that turns writer half-way would be thrown out by SQLite without waiting.
        writes = connection.get_execution_options().get(WRITER)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _configure(connection: sqlite3.Connection, path: Path) -> None:
    connection.isolation_level = None
    expected = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    for name, value in expected.items():
        setting = "FULL" if name == "synchronous" else value
        connection.execute(f"PRAGMA {name}={setting}").close()
        found = connection.execute(f"PRAGMA {name}").fetchone()[0]
        if found != value:
            raise LedgerError(
                f"the ledger {path} cannot be kept safe: {name} is {found}, {setting} needed",
                hint="Keep the ledger on a local disk with a usual file system (ext4, xfs, btrfs).",
                code="ledger.unsafe",
            )


def append_only(table: str) -> tuple[str, ...]:
    """Triggers that refuse to change or remove a row of `table`."""
    return tuple(
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} are append-only'); END"
        for verb in ("UPDATE", "DELETE")
    )


def quick_check(connection: Connection) -> Sequence[str]:
    """What SQLite itself finds wrong with the file and its references; empty when it is sound, and for an engine that
    is no file of ours to check.
    """
    if connection.dialect.name != "sqlite":
        return []
    # The quick one would not see an index that says something else than its table: answers go by the indexes.
    faults = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check(20)") if row[0] != "ok"]
    if faults:
        return faults
    lost = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(20)
    return [f"{row[0]} row {row[1]} names a row of {row[2]} that is not there" for row in lost]


def translate(error: DBAPIError, path: Path) -> LedgerError | None:
    """What a database error means to a person; None when it is a bug of ours."""
    return explain(error.orig, path) if isinstance(error.orig, sqlite3.Error) else None


def explain(error: sqlite3.Error | UnicodeDecodeError, path: Path) -> LedgerError:
    """Turn SQLite's error into what happened and what to do; re-raises what only our own code can cause."""
    number = getattr(error, "sqlite_errorcode", None)
    if isinstance(error, UnicodeDecodeError) or (number is None and "decode to UTF-8" in str(error)):
        return _damaged(f"the ledger {path}", "a text is none")  # Python's own errors, without a number
    primary = None if number is None else number & 0xFF
    make = _CAUSES.get(primary if primary is not None else -1)
    if make is None:
        raise error
    return make(f"the ledger {path}", str(error))


def _full(where: str, reason: str) -> LedgerError:
    return LedgerError(
        f"{where} cannot be written: the disk or the quota is full ({reason})",
        hint="Free some space; what was committed before is safe.",
        code="ledger.full",
    )


def _io(where: str, reason: str) -> LedgerError:
    return LedgerError(
        f"{where} cannot be read or written ({reason})",
        hint="Check the disk: free space, quota, file size limit, cable, kernel log. What was committed is safe.",
        code="ledger.io",
    )


def _read_only(where: str, reason: str) -> LedgerError:
    return LedgerError(
        f"{where} cannot be written: it or its folder is read-only ({reason})",
        hint="Check the rights of the file and its folder, and how the disk is mounted.",
        code="ledger.read-only",
    )


def _no_access(where: str, reason: str) -> LedgerError:
    return LedgerError(
        f"{where} cannot be opened ({reason})",
        hint="Check the rights of the file and its folder: SQLite also needs to make files beside it.",
        code="ledger.no-access",
    )


def _busy(where: str, reason: str) -> LedgerError:
    return LedgerError(
        f"{where} is held by another program ({reason})",
        hint="Close what has it open for writing (a backup, a database viewer), then try again.",
        code="ledger.busy",
    )


def _damaged(where: str, reason: str) -> LedgerError:
    return damaged(f"{where}: {reason}")


_CAUSES: dict[int, Callable[[str, str], LedgerError]] = {
    sqlite3.SQLITE_FULL: _full,
    sqlite3.SQLITE_IOERR: _io,
    sqlite3.SQLITE_READONLY: _read_only,
    sqlite3.SQLITE_PERM: _no_access,
    sqlite3.SQLITE_CANTOPEN: _no_access,
    sqlite3.SQLITE_AUTH: _no_access,
    sqlite3.SQLITE_BUSY: _busy,
    sqlite3.SQLITE_LOCKED: _busy,
    sqlite3.SQLITE_PROTOCOL: _busy,
    sqlite3.SQLITE_CORRUPT: _damaged,
    sqlite3.SQLITE_NOTADB: _damaged,
    sqlite3.SQLITE_FORMAT: _damaged,
}
