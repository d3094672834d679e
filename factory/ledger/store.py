"""The open database: one writer at a time in this process, readers beside it, errors in a person's words."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from factory.ledger.database import Database
from factory.ledger.errors import AWAY, LedgerError
from factory.ledger.records import as_text, damaged
from factory.values import Event

Clock = Callable[[], datetime]
Listener = Callable[[Event], None]
Result = TypeVar("Result")
_TRIES = 20


def utc_now() -> datetime:
    """The station's clock, which may be wrong: order never depends on it."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Signature:
    """Who writes: every row and event says station, operator and software version."""

    station: str
    operator: str
    software: str

    def columns(self) -> dict[str, str]:
        """The three columns of a row."""
        return {"station": self.station, "operator": self.operator, "software": self.software}


@dataclass(frozen=True, slots=True)
class ChainEnd:
    """The last event of this station's chain: its number, hash and time."""

    seq: int
    hash: str
    at: str


@dataclass(slots=True)
class Writer:
    """One write transaction: its connection, who writes, when, and the events that it will announce. `head` is where
    the station's chain ended when this process last committed; another process of the station may have gone on.
    """

    connection: Connection
    signature: Signature
    now: datetime
    events: list[Event] = field(default_factory=list)
    head: ChainEnd | None = None


class LostRace(LedgerError):  # noqa: N818 - reads as what happened
    """Another transaction was quicker; nothing of this one was kept."""

    code = "ledger.conflict"

    def __init__(self, error: Exception | None, explained: LedgerError | None = None) -> None:
        super().__init__(
            explained.message if explained else "the ledger was written by somebody else at the same moment",
            hint="Nothing was kept: try again.",
        )
        self.error = error


class Store:
    """An engine with the ledger's transactions. Any thread may use it; a process that forks opens its own."""

    def __init__(self, database: Database, signature: Signature, clock: Clock) -> None:
        self.database = database
        self.signature = signature
        self._writing = database.engine.execution_options(**database.writer_options)
        self._clock = clock
        # Threads of one station queue here, in turn, instead of polling for the database's lock.
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []
        self._head: ChainEnd | None = None
        self._closed = False
        self.on_away: Callable[[], None] | None = None
        """Called by any thread that found the server away; it must be quick."""

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every event after its commit; returns what ends that."""
        with self._lock:
            self._listeners.append(listener)

        def unsubscribe() -> None:
            with self._lock:
                self._listeners.remove(listener)

        return unsubscribe

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the ledger. Raises LedgerError."""
        with self._explained(), self.database.engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A transaction that sees one state of the ledger however long it takes. Raises LedgerError."""
        engine = self.database.engine
        frozen = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
        with self._explained(), engine.connect().execution_options(**frozen) as connection:
            yield connection

    def write(self, work: Callable[[Writer], Result]) -> Result:
        """Do `work` in one write transaction, once more from its beginning where another transaction was quicker.
        Raises LedgerError.
        """
        for left in reversed(range(_TRIES)):
            try:
                with self.writing() as writer:
                    return work(writer)
            except LostRace as lost:
                if left:
                    continue
                # The same loss each time is no race: two values of this very work collide, which is a bug of ours.
                raise lost.error or lost from lost
        raise AssertionError("unreachable")

    @contextlib.contextmanager
    def writing(self) -> Iterator[Writer]:
        """A transaction that holds the write lock; commits when the block ends well. Raises LedgerError.

        Once this has returned the work is committed, whatever a listener makes of its events.
        """
        with self._lock:
            self._require_open()
            with self._explained(), self._writing.begin() as connection, self._before_commit():
                now = self._clock()
                # The ledger keeps milliseconds: what is announced equals what is read back.
                now = now.replace(microsecond=now.microsecond // 1000 * 1000)
                writer = Writer(connection, self.signature, now, head=self._head)
                self._head = None  # unless this commits
                yield writer
            self._head = writer.head
            for event in writer.events:
                for listener in self._listeners:
                    _hand(event, listener)

    def now_text(self) -> str:
        """The station's time as the ledger writes it."""
        return as_text(self._clock())

    def close(self) -> None:
        """Wait for the write under way, refuse every later one, and close the file.

        The last connection folds the write-ahead log into it.
        """
        with self._lock:
            self._closed = True
        with self._explained():
            self.database.engine.dispose()

    def _require_open(self) -> None:
        if self._closed:
            raise LedgerError(
                f"the ledger {self.database.location} was closed before this could be written",
                hint="The line was stopped meanwhile: start it again, and run the unit again.",
                code="ledger.closed",
            )
        self.database.require_same()

    @contextlib.contextmanager
    def _before_commit(self) -> Iterator[None]:
        """A connection that ends here, long after it was last used perhaps, has committed nothing: the same work on
        another one.
        """
        try:
            yield
        except DBAPIError as error:
            if error.connection_invalidated:
                raise LostRace(self.database.explain(error) or error) from error
            raise

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            if self.database.lost_race(error):
                raise LostRace(error, self.database.explain(error)) from error
            explained = self.database.explain(error)
            if explained is None:
                raise
            if explained.code == AWAY and self.on_away is not None:
                self.on_away()
            raise explained from error
        except UnicodeDecodeError as error:  # what SQLite said of a damaged file was no text either
            raise damaged(f"the ledger {self.database.location}: a text is none") from error


def _hand(event: Event, listener: Listener) -> None:
    try:
        listener(event)
    except Exception:  # noqa: BLE001 - a bug of the listener's, told below
        # The event is committed. Raising here would make the caller take its unit for not admitted, or not passed;
        # so the listener's fault is as loud as one that ends a thread, and the caller goes on.
        threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))
