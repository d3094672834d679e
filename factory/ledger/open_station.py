"""Opening the ledger of a station that has a journal for the time when its server is away."""

from __future__ import annotations

from pathlib import Path

from factory.errors import FactoryError, UsageError
from factory.ledger.carried import JOURNAL, taken_along
from factory.ledger.local_journal import LocalJournal, looked_at, work_in
from factory.ledger.merging.merge import Merge
from factory.ledger.opening import prepare_server, server_store
from factory.ledger.station_ledger import FIRST_LOOK, StationLedger
from factory.ledger.store import Clock, utc_now
from factory.values import Finding, Severity


def open_station(
    url: str,
    journal: Path,
    *,
    station: str,
    operator: str = "",
    clock: Clock = utc_now,
    first_look: float = FIRST_LOOK,
) -> tuple[StationLedger, Merge | None]:
    """Open a ledger on a server, and the journal beside it. What an earlier outage left there is synced first, and
    returned; where the server is away the journal is gone on with.

    Raises UsageError (`ledger.offline-url`) for a ledger that is no server's, and as `open_ledger` and `LocalJournal`
    do; LedgerError `ledger.away` when nothing was taken along; MergeRefused.
    """
    home = server_store(url, station=station, operator=operator, clock=clock)
    if home is None:
        raise UsageError(
            "[station] offline is for a ledger on a server; this one is a file of this computer, which is never away",
            hint="Take the line out of bench.toml.",
            code="ledger.offline-url",
        )
    try:
        local = LocalJournal(journal, station, home.database.location, operator=operator, clock=clock)
    except BaseException:
        home.close()
        raise
    book = StationLedger(home, local, prepare_server, first_look=first_look)
    try:
        return book, book.begin()
    except BaseException:
        book.close()
        raise


def journal_findings(journal: Path) -> tuple[Finding, ...]:
    """What a station's journal holds that no server knows."""
    try:
        with looked_at(journal) as connection:
            if connection is None:
                return ()
            work, known = work_in(connection), taken_along(connection, JOURNAL)
    except FactoryError as error:
        return (Finding(error.code, Severity.ERROR, str(journal), error.message, error.hint),)
    if work is None:
        return ()
    server = "its server" if known is None else known["server"]
    what = f"work that {server} does not have yet: {work}"
    hint = "The next `factory run` syncs them when the server is there; `factory ledger sync` does it now."
    return (Finding("LEDGER-OFFLINE", Severity.WARNING, str(journal), what, hint),)
