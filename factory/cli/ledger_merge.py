"""`factory ledger merge`: two ledgers become one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.cli.options import BenchOption, logged_in, use_ledger
from factory.cli.session import Session, show, talk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from factory.ledger import Conflict, Ledger, Merge

_EVERY = 1.0


def add_to(group: typer.Typer) -> None:
    """Add the command to `factory ledger`."""
    group.command("merge")(merge)


def merge(
    context: typer.Context,
    other: Annotated[str, typer.Argument(metavar="OTHER", help="The ledger that is taken over: a file or a URL.")],
    into: Annotated[
        str | None,
        typer.Option("--into", metavar="URL", help="The ledger that gets it; default: as of the other commands."),
    ] = None,
    bench: BenchOption = None,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Set the units of conflicts aside and take over all the rest.")
    ] = False,
    copy: Annotated[
        Path | None,
        typer.Option("--backup", help="Where a checked copy goes before; default: beside a ledger that is a file."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Take another station's ledger over into this one: all of it, or nothing. Doing it again changes nothing.

    What both tell of one unit is put in order where that is certain. Everything else is a conflict: both sides are
    shown and nothing is written, exit 1. With --quarantine its units are set aside, and the other side's attempts at
    them are kept without a unit; nothing is overwritten.

    Example:  factory ledger merge station-2/ledger.db --bench acme/bench.toml
    """
    from factory.config import load_bench
    from factory.errors import FactoryError
    from factory.ledger import MergeRefused, open_ledger

    session: Session = context.obj
    if json:
        session.json("ledger.merge")
    station = load_bench(bench) if bench else None
    with (
        open_ledger(other, station="office", operator=logged_in(), create=False) as theirs,
        use_ledger(into, station, operator=logged_in(), quiet=json) as book,
    ):
        kept = None
        try:
            if book.compare(theirs, quarantine=quarantine):
                kept = _keep(book, copy)
            done = book.merge(theirs, quarantine=quarantine, progress=None if json else progress())
        except MergeRefused as error:
            if json:
                session.print_json({"merged": False, "conflicts": [one.as_json() for one in error.conflicts]})
                raise typer.Exit(error.exit_code) from error
            print_conflicts(error.conflicts)
            # The table has just shown both sides; the error's own lines would say all of it once more.
            first = error.message.split("\n", 1)[0].rstrip(":")
            raise FactoryError(first, hint=error.hint, code=error.code, exit_code=error.exit_code) from error
    if json:
        backup = None if kept is None else str(kept)
        session.print_json({"merged": not done.is_nothing, "backup": backup, **done.as_json()})
        return
    print_conflicts(done.conflicts)
    show().print(in_words(done), soft_wrap=True, markup=False, highlight=False)


def in_words(done: Merge) -> str:
    """What a merge came to, in one line."""
    if done.is_nothing:
        return f"everything that {done.location} tells was here already"
    told = [f"{done.units:,} new units", f"{done.attempts:,} attempts", f"{done.events:,} events"]
    if done.followed:
        told.append(f"{done.followed:,} units went on")
    if done.quarantined:
        told.append(f"{len(done.quarantined):,} set aside ({', '.join(done.quarantined[:10])})")
    return f"{done.location}: {', '.join(told)}"


def print_conflicts(conflicts: Iterable[Conflict]) -> None:
    """Both sides of each conflict."""
    from rich.table import Table

    table = Table(title="conflicts", title_justify="left", pad_edge=False, show_lines=True)
    for name in ("what", "here", "there"):
        table.add_column(name, overflow="fold")
    for one in conflicts:
        table.add_row(one.what, one.here, one.there)
    if table.rows:
        show().print(table, markup=False)


def progress() -> Callable[[str, int], None]:
    """Tell on stderr how far a merge has come, once a second at most."""
    console = talk()
    last = [time.monotonic()]

    def tell(what: str, count: int) -> None:
        if count and time.monotonic() - last[0] >= _EVERY:
            last[0] = time.monotonic()
            console.print(f"{what}: {count:,}", style="dim", markup=False)

    return tell


def _keep(book: Ledger, copy: Path | None) -> Path | None:
    """A checked copy of the ledger as it was; of one on a server only where a file is named."""
    if copy is None and not book.is_file:
        talk().print("no copy was made before: name one with --backup", style="dim")
        return None
    target = copy or _free(Path(book.location))
    made = book.backup(target)
    talk().print(f"as it was before: {made.path}", style="dim", soft_wrap=True, markup=False)
    return made.path


def _free(ledger: Path) -> Path:
    """A name beside the ledger that no earlier copy has: two merges may come in one second."""
    stem = f"{ledger.name}.before-merge-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    count, path = 1, ledger.with_name(f"{stem}.bak")
    while path.exists():
        count += 1
        path = ledger.with_name(f"{stem}-{count}.bak")
    return path
