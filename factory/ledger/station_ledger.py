"""The ledger of a station that goes on when its server is away: into its journal, and back by a merge of it.

One object for whoever works with it. It changes its place only while nobody is at work on a unit: an attempt ends where
it began. One thread of its own does that, looks for the server, and takes along what the station would need.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from factory.errors import FactoryError
from factory.ledger.beside_journal import NEEDS_SERVER, BesideJournal
from factory.ledger.errors import AWAY, LedgerError
from factory.ledger.gate import Gate
from factory.ledger.local_journal import LocalJournal
from factory.ledger.merging.merge import Merge
from factory.ledger.news import OFFLINE, ONLINE, WARNING, News
from factory.ledger.pool_records import PoolState
from factory.ledger.records import Binding, LotRecord
from factory.ledger.return_home import hand_over_leases, lease_to, return_home
from factory.ledger.store import Listener, Store
from factory.ledger.upgrade import Upgrade
from factory.values import Event
from factory.values.pools import PoolSpec

FIRST_LOOK, LONGEST_LOOK = 2.0, 60.0
"""Seconds between two looks for the server, at first and at last."""
REFRESH = 600.0
"""Seconds between two takings along."""


Prepare = Callable[[Store], Upgrade | None]
"""Makes the server's ledger ready: its schema is this version's. Raises LedgerError while it is away, UsageError."""


class StationLedger(BesideJournal):
    """A ledger on a server with a journal beside it. Made by `open_station`. Every event of either is handed on.

    `Ledger`'s methods work where it is now. While the server is away, what needs its knowledge is refused by name
    (`ledger.needs-server`).
    """

    def __init__(self, home: Store, journal: LocalJournal, prepare: Prepare, *, first_look: float = FIRST_LOOK) -> None:
        super().__init__(home, journal)
        self._prepare = prepare
        self._first_look = first_look
        self._news = News()
        self._lot: str | None = None
        self._pools: tuple[PoolSpec, ...] = ()
        self._since: datetime | None = None
        self._gate = Gate()
        self._keeper = threading.Thread(target=self._keep, name="offline", daemon=True)
        home.on_away = self._found_away
        home.subscribe(self._news.hand_on)
        journal.store.subscribe(self._news.hand_on)

    @property
    def location(self) -> str:
        """Where the ledger is at home: the same also while the server is away."""
        return self._home.database.location

    @property
    def journal(self) -> LocalJournal:
        """What it goes on in."""
        return self._journal

    def begin(self) -> Merge | None:
        """Find out where to work; what an earlier run left in the journal is synced first. Returns what came of that.

        Raises LedgerError `ledger.away` when the server is away and nothing was taken along; MergeRefused.
        """
        try:
            self._upgraded = self._prepare(self._home)
        except LedgerError as error:
            if error.code != AWAY:
                raise
            if not self._journal.is_filled():
                hint = (
                    f"{error.hint} {self._journal.path} has nothing taken along: start once while the server is there."
                )
                raise LedgerError(error.message, hint=hint, code=AWAY) from error
            self._go_out()
            done = None
        else:
            done = self._come_back() if self._journal.work() or self._journal.owed() else None
        self._gate.trouble.clear()
        self._keeper.start()
        return done

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """As `Ledger.subscribe`, wherever the ledger is."""
        return self._news.subscribe(listener)

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Held during an attempt. Waits while the ledger changes its place."""
        try:
            with self._gate.inside():
                yield
        finally:
            if self.is_offline:
                self._announce()

    def close(self) -> None:
        """End the thread, and give back the server and the journal."""
        self._gate.close()
        if self._keeper.is_alive():
            self._keeper.join()
        try:
            super().close()
        finally:
            if self.is_offline:
                self._home.close()
            self._journal.close()

    # What the line asks, where it is another matter while the server is away.

    def bind_lot(self, lot: str, binding: Binding, *, accept_reason: str | None = None) -> LotRecord:
        """As `Ledger.bind_lot`; takes along what the lot needs. Raises LedgerError where it was not taken along."""
        if self.is_offline and not self._journal.knows(lot):
            raise LedgerError(
                f"the ledger {self.location} is away, and lot {lot} was not taken along",
                hint="A station can go on with the lot that it worked on while the server was there.",
                code=NEEDS_SERVER,
            )
        bound = super().bind_lot(lot, binding, accept_reason=accept_reason)
        self._lot = lot
        self._take_along()
        return bound

    def bind_pools(self, specs: Sequence[PoolSpec]) -> tuple[PoolState, ...]:
        """As `Ledger.bind_pools`; leases values to the journal, so that it can give them alone."""
        states = super().bind_pools(specs)
        self._pools = tuple(specs)
        self._take_along()
        return states

    def record(self, kind: str, **more: Any) -> Event:
        """As `Ledger.record`; outside an attempt the journal takes what the server cannot."""
        try:
            return super().record(kind, **more)
        except LedgerError as error:
            if error.code != AWAY or self._gate.is_inside:
                raise
            self._gate.until_still()
            return super().record(kind, **more)

    # Moving.

    def _keep(self) -> None:
        """The thread: out when the server is found away, back when it is there again."""
        pause = self._first_look
        try:
            while not self._gate.closed.is_set():
                if self.is_offline:
                    self._gate.closed.wait(pause)
                    pause = self._first_look if self._moved(self._try_back) else min(pause * 1.5, LONGEST_LOOK)
                elif self._gate.trouble.wait(REFRESH):
                    self._moved(self._try_out)
                else:
                    self._moved(self._refresh)
        finally:
            # Nobody waits for a thread that is gone.
            self._gate.close()

    def _moved(self, move: Callable[[], bool]) -> bool:
        try:
            return move()
        except FactoryError as error:
            self._news.say(WARNING, self.station, error.message, hint=error.hint)
            return False

    def _try_out(self) -> bool:
        with self._gate.moving():
            if not self._gate.closed.is_set():
                if self._is_there():
                    self._settle_own()
                elif self._lot is not None and self._journal.knows(self._lot):
                    self._go_out()
        return True

    def _try_back(self) -> bool:
        if self._gate.closed.is_set() or not self._is_there():
            return False
        with self._gate.moving():
            try:
                self._come_back()
            except FactoryError as error:
                if error.code != AWAY:
                    self._announce(f"; they cannot be synced: {error.message}", hint=error.hint)
                return False
        return True

    def _go_out(self) -> None:
        self._release()
        self._store = self._journal.store
        self._since = datetime.now().astimezone()
        super().recover()
        super().record("station.offline", data={"ledger": self.location})
        self._announce()

    def _come_back(self) -> Merge:
        """Sync the journal, and work on the server again. Raises FactoryError; then everything is as it was."""
        self._prepare(self._home)
        done = return_home(self._home, self._journal)
        before = self._journal.station
        try:
            kept = self._journal.put_aside()
        finally:
            # Also where that failed: its store is another one now.
            self._journal.store.subscribe(self._news.hand_on)
            if self.is_offline:
                self._store = self._journal.store
        self._release()
        self._store = self._home
        self._since = None
        super().recover()
        hand_over_leases(self._home, before, self._journal.station)
        super().record("station.online", data={"journal": kept.name, "attempts": done.attempts, "units": done.units})
        self._take_along()
        told = f"online again: {done.attempts} attempts synced"
        if done.conflicts:
            told += f", {len(done.conflicts)} conflicts, units set aside: {', '.join(done.quarantined) or 'none'}"
        self._news.say(ONLINE, self.station, told, conflicts=[one.as_json() for one in done.conflicts])
        return done

    def _found_away(self) -> None:
        if not self.is_offline:
            self._gate.trouble.set()

    def _is_there(self) -> bool:
        try:
            # Connections of before the outage are no use, and each would be found out one by one.
            self._home.database.engine.dispose()
            with self._home.reading():
                return True
        except LedgerError:
            return False

    def _settle_own(self) -> None:
        """The server was away for a moment only: what it cut off here is unknown now, and may be tried again."""
        with contextlib.suppress(LedgerError):
            self._release()
            super().recover()

    def _release(self) -> None:
        with self._taking:
            if self._station_lock is not None:
                self._station_lock.release()
                self._station_lock = None

    def _refresh(self) -> bool:
        with contextlib.suppress(LedgerError):
            self._take_along()
        return True

    def _take_along(self) -> None:
        """Fill the journal anew, while the server is there."""
        if self.is_offline or self._lot is None:
            return
        for spec in self._pools:
            lease_to(self, spec, self._journal.station)
        self._journal.take_along(self._home, self._lot)

    # Telling.

    def _announce(self, trouble: str = "", **more: object) -> None:
        self._news.say(OFFLINE, self.station, self._standing() + trouble, **more)

    def _standing(self) -> str:
        work = self._journal.work()
        count = 0 if work is None else work.units
        since = "" if self._since is None else f" since {self._since:%H:%M}"
        return f"OFFLINE{since}, {count} {'unit waits' if count == 1 else 'units wait'} for sync"
