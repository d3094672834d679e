"""A station's journal: a ledger of its own in a file, for the time in which the server is away.

Its chain has a name of its own (`STATION~xxxxxx`): what the server committed although nobody heard of it, and what the
station tells meanwhile, can then never go on from the same event in two ways.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from factory.errors import UsageError
from factory.files import move_aside
from factory.ledger.carried import JOURNAL, carried, packed, taken_along
from factory.ledger.carrying import DEBT, copy_along, learn_cells, learn_unit, take_along, value_name
from factory.ledger.claim import Claim, Value
from factory.ledger.opening import open_ledger
from factory.ledger.records import as_data, as_text
from factory.ledger.schema import attempts, events, lots, units
from factory.ledger.station import StationLock
from factory.ledger.store import Clock, Store, Writer, utc_now


@dataclass(frozen=True, slots=True)
class Work:
    """What was done in a journal and is not on the server yet: attempts, units, and since when (ISO 8601, UTC)."""

    attempts: int
    units: int
    since: str

    def __str__(self) -> str:
        return f"{self.attempts} attempt{'' if self.attempts == 1 else 's'} since {self.since[:19]} UTC"


class LocalJournal:
    """One journal file; one process has it open. Made where it is missing. `server` says whose ledger it stands in for.

    Raises UsageError for a journal of another station or server that holds work, and where another process has it;
    FileError, LedgerError.
    """

    def __init__(self, path: Path, station: str, server: str, *, operator: str = "", clock: Clock = utc_now) -> None:
        self.path = path
        self._of = (station, server)
        self._operator = operator
        self._clock = clock
        self._guard = StationLock(path, "journal")
        try:
            self.store = self._open()
        except BaseException:
            self._guard.release()
            raise

    @property
    def station(self) -> str:
        """What its chain is called."""
        return self.store.signature.station

    def work(self) -> Work | None:
        """What is not on the server yet; None where nothing was done."""
        with self.store.reading() as connection:
            return work_in(connection)

    def is_filled(self) -> bool:
        """Whether anything was taken along, or done."""
        with self.store.reading() as connection:
            return connection.execute(select(lots.c.name)).first() is not None

    def knows(self, lot: str) -> bool:
        """Whether a lot was taken along."""
        with self.store.reading() as connection:
            return connection.execute(select(lots.c.name).where(lots.c.name == lot)).first() is not None

    def take_along(self, server: Store, lot: str) -> None:
        """Fill it from the server. Call it only while nothing was done in it."""
        with server.snapshot() as source:
            self.store.write(lambda writer: take_along(source, writer, lot))

    def learn_cells(self, server: Store, values: Collection[Value]) -> None:
        """Know values of pools that were given to a unit just now, as the server tells them."""
        with server.reading() as source:
            self.store.write(lambda writer: learn_cells(source, writer, values))

    def learn_unit(self, server: Store, attempt: int) -> None:
        """Know the unit of an attempt that has passed just now."""
        with server.reading() as source:
            self.store.write(lambda writer: learn_unit(source, writer, attempt))

    def known_to_server(self, claim: Claim) -> Mapping[str, Any] | None:
        """What the server said of a unit that has one of these values and is done, or cannot be made here."""
        names = [value_name(value) for value in sorted(claim.owned)]
        with self.store.reading() as connection:
            row = connection.execute(select(carried.c.data).where(carried.c.name.in_(names))).first()
        return None if row is None else as_data(row.data)

    def owe(self, attempt: int, data: Mapping[str, object]) -> None:
        """Keep what is owed to the unit of one of the server's attempts, until the server can be told."""
        at = self.store.now_text()
        self.store.write(
            lambda writer: writer.connection.execute(insert(carried), [packed(f"{DEBT}{attempt}", data, at)])
        )

    def owed(self) -> dict[int, Mapping[str, Any]]:
        """What is owed, by the server's attempt."""
        mine = select(carried).where(carried.c.name.startswith(DEBT))
        with self.store.reading() as connection:
            return {int(row.name.removeprefix(DEBT)): as_data(row.data) for row in connection.execute(mine)}

    def paid(self) -> None:
        """The server knows what is owed."""
        debts = delete(carried).where(carried.c.name.startswith(DEBT))
        self.store.write(lambda writer: writer.connection.execute(debts))

    def put_aside(self) -> Path:
        """Give the file another name, as evidence of what was synced, and begin a new journal in its place, with what
        was taken along. Returns where the old one lies.
        """
        with contextlib.closing(self.store.database.engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.store.close()
        name = f"{self.path.stem}-synced-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{self.station.rpartition('~')[2]}"
        target = self.path.with_name(name + self.path.suffix)
        try:
            move_aside(self.path, target)
        finally:
            self.store = self._open()
        with looked_at(target) as before:
            assert before is not None
            self.store.write(lambda writer: copy_along(before, writer))
        return target

    def close(self) -> None:
        """Give the file back."""
        try:
            self.store.close()
        finally:
            self._guard.release()

    def _open(self) -> Store:
        station, server = self._of
        with open_ledger(str(self.path), station=f"{station}~", operator=self._operator, clock=self._clock) as book:
            name = book._store.write(lambda writer: _named(writer, self.path, station, server))
        return open_ledger(str(self.path), station=name, operator=self._operator, clock=self._clock)._store


def work_in(connection: Connection) -> Work | None:
    """What was done in a journal; None where nothing was."""
    first = connection.execute(select(func.min(events.c.at))).scalar()
    if first is None:
        return None
    count = connection.execute(select(func.count()).select_from(attempts)).scalar_one()
    made = connection.execute(select(func.count()).select_from(units)).scalar_one()
    return Work(int(count), int(made), str(first))


@contextlib.contextmanager
def looked_at(path: Path) -> Iterator[Connection | None]:
    """A journal as it lies there, for reading; None where there is none. Raises LedgerError, UsageError."""
    if not path.exists():
        yield None
        return
    with open_ledger(str(path), create=False) as book, book._store.reading() as connection:
        yield connection


def _named(writer: Writer, path: Path, station: str, server: str) -> str:
    """The name of a journal's chain, made at its first opening."""
    known = taken_along(writer.connection, JOURNAL)
    mine = known is not None and (known["of"], known["server"]) == (station, server)
    work = work_in(writer.connection)
    if known is not None and not mine and work is not None:
        raise UsageError(
            f"{path} is the journal of station {known['of']} for {known['server']}, with {work}",
            hint="Sync it with the bench file it belongs to (`factory ledger sync`), or name another file in [station] "
            "offline.",
            code="ledger.other-journal",
        )
    if known is not None and mine:
        return str(known["name"])
    name = f"{station}~{secrets.token_hex(3)}"
    writer.connection.execute(delete(carried).where(carried.c.name == JOURNAL))
    row = packed(JOURNAL, {"of": station, "server": server, "name": name}, as_text(writer.now))
    writer.connection.execute(insert(carried), [row])
    return name
