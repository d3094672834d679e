"""The journal of an outage onto the server: in order and once, however often it is cut."""

from __future__ import annotations

from sqlalchemy import select, update

from factory.ledger import attempts, restores
from factory.ledger.journal import append
from factory.ledger.ledger import Ledger
from factory.ledger.local_journal import LocalJournal
from factory.ledger.merging.merge import Merge
from factory.ledger.pool_tables import pool_leases
from factory.ledger.schema import restores as restores_table
from factory.ledger.store import Store, Writer
from factory.values.pools import PoolSpec


def return_home(home: Store, journal: LocalJournal) -> Merge:
    """Merge the journal into the server's ledger, with the units of conflicts set aside. Returns when the server has
    all of it, also where the reply to an earlier commit was lost.

    Nobody is at work on either. Raises LedgerError, MergeRefused, UsageError; then the journal is as it was.
    """
    journal.store.write(lambda writer: attempts.recover(writer))
    hold = home.database.hold(home.signature.station)
    try:
        # What the outage cut off is unknown; then the journal tells what came next.
        home.write(lambda writer: attempts.recover(writer))
        merged = Ledger(home).merge(Ledger(journal.store), quarantine=True)
        _pay(home, journal)
        return merged
    finally:
        hold.release()


def lease_to(book: Ledger, spec: PoolSpec, station: str) -> None:
    """Lease values of a pool to a journal, up to what a lease of the product is."""
    pools = (one for one in book.pool_states() if (one.product, one.name) == (spec.product, spec.name))
    left = next((one.leased.get(station, 0) for one in pools), 0)
    if left < spec.lease:
        book.lease_cells(spec.product, spec.name, station, spec.lease - left)


def hand_over_leases(home: Store, before: str, now: str) -> None:
    """What a journal that was synced did not give is its successor's."""

    def work(writer: Writer) -> None:
        mine = (pool_leases.c.station == before) & (pool_leases.c.next < pool_leases.c.cells)
        count = writer.connection.execute(update(pool_leases).where(mine).values(station=now)).rowcount
        if count:
            append(writer, "pool.handed-over", data={"from": before, "to": now, "leases": count})

    home.write(work)


def _pay(home: Store, journal: LocalJournal) -> None:
    """Tell the server what is owed to units of its own attempts, where nobody worked on the unit since."""
    debts = journal.owed()

    def work(writer: Writer) -> None:
        for attempt, data in debts.items():
            known = attempts.find(writer.connection, attempt)
            told = writer.connection.execute(select(restores_table.c.id).where(restores_table.c.attempt == attempt))
            if known.unit is None or told.first() is not None:
                continue
            if attempts.newest_of(writer.connection, known.unit).id == attempt:
                restores.leave(writer, attempt, data)

    if debts:
        home.write(work)
        journal.paid()
