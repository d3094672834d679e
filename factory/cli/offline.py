"""The ledger of a line whose server may go away, and `factory ledger sync`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.cli.options import LedgerOption, chosen_ledger, logged_in, use_ledger
from factory.cli.session import Session, show, talk
from factory.errors import Exit, UsageError

if TYPE_CHECKING:
    from factory.config import Bench
    from factory.ledger import Ledger, Merge


def add_to(group: typer.Typer) -> None:
    """Add the command to `factory ledger`."""
    group.command("sync")(sync)


@contextlib.contextmanager
def use_line_ledger(given: str | None, bench: Bench, *, operator: str, quiet: bool = False) -> Iterator[Ledger]:
    """The ledger that a line works on: as `use_ledger`, with the station's journal where [station] offline names one.

    Raises FactoryError.
    """
    chosen = chosen_ledger(given, bench)
    practice = chosen.url != bench.station.ledger and not chosen.url.startswith("postgresql")
    if bench.station.offline is None or practice:
        with use_ledger(given, bench, operator=operator, create=True, quiet=quiet) as book:
            yield book
        return
    from factory.cli.ledger_merge import in_words, print_conflicts
    from factory.ledger.open_station import open_station

    book, done = open_station(chosen.url, journal_of(bench), station=chosen.station, operator=operator)
    with book:
        if not quiet:
            talk().print(f"ledger: {book.location}", style="dim", soft_wrap=True, markup=False)
        if book.is_offline:
            words = f"OFFLINE: the server is away; the line goes on in {book.journal.path}"
            talk().print(words, style="bold yellow", soft_wrap=True, markup=False)
        if done is not None and not quiet:
            print_conflicts(done.conflicts)
            talk().print(f"synced: {in_words(done)}", style="yellow", soft_wrap=True, markup=False)
        yield book


def sync(
    context: typer.Context,
    bench: Annotated[Path, typer.Option(help="The bench file: it names the server and the journal.")],
    ledger: LedgerOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Bring what a station did while its server was away to the server. The line does it by itself.

    In order and once, however often it is cut. Units of conflicts are set aside, and both sides are shown: exit 1.

    Example:  factory ledger sync --bench acme/bench.toml
    """
    from factory.cli.ledger_merge import in_words, print_conflicts
    from factory.config import load_bench
    from factory.ledger import LedgerError
    from factory.ledger.errors import AWAY
    from factory.ledger.open_station import open_station

    session: Session = context.obj
    if json:
        session.json("ledger.sync")
    station = load_bench(bench)
    if station.station.offline is None:
        raise UsageError("this station keeps no journal", hint='Name one: [station] offline = "journal.db".')
    chosen = chosen_ledger(ledger, station)
    book, done = open_station(chosen.url, journal_of(station), station=chosen.station, operator=logged_in())
    with book:
        if book.is_offline:
            work = book.journal.work()
            waits = "nothing waits for it" if work is None else f"what waits for it: {work}"
            raise LedgerError(f"the server {book.location} is still away; {waits}", hint="Try again later.", code=AWAY)
    if json:
        session.print_json({"synced": done is not None, **(done.as_json() if done is not None else {})})
    else:
        print_conflicts(done.conflicts if done is not None else ())
        show().print(_words(done, in_words(done) if done is not None else ""), soft_wrap=True, markup=False)
    raise typer.Exit(Exit.FAILED if done is not None and done.conflicts else Exit.DONE)


def journal_of(bench: Bench) -> Path:
    """Where the station's journal lies."""
    assert bench.station.offline is not None
    return bench.folder / bench.station.offline


def _words(done: Merge | None, words: str) -> str:
    return "nothing waited for the server" if done is None else words
