"""`factory ledger backup` and `upgrade`: keeping the ledger itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from factory.cli.options import BenchOption, LedgerOption, chosen_ledger, logged_in, use_ledger
from factory.cli.session import Session, show, talk

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def add_to(group: typer.Typer) -> None:
    """Add the commands to `factory ledger`."""
    group.command("backup")(backup)
    group.command("upgrade")(upgrade)


def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The copy; it must not exist yet.")],
    bench: BenchOption = None,
    ledger: LedgerOption = None,
    json: JsonOption = False,
) -> None:
    """Copy the ledger into one file while stations work on.

    The copy is a ledger like any other, whatever the original lies on. It is opened and checked (constraints, chains,
    counts) before it gets its name.

    Example:  factory ledger backup /mnt/safe/2026-11-21.db --bench acme/bench.toml
    """
    from factory.config import load_bench

    session: Session = context.obj
    if json:
        session.json("ledger.backup")
    with use_ledger(ledger, load_bench(bench) if bench else None, operator=logged_in(), quiet=json) as book:
        made = book.backup(file, progress=None if json else _progress())
    if json:
        session.print_json(made.as_json() | {"path": str(made.path)})
        return
    units, events = made.rows.get("units", 0), made.rows.get("events", 0)
    show().print(
        f"{made.path}: {units:,} units, {events:,} events, {made.size:,} bytes, checked; SHA-256 {made.sha256}",
        soft_wrap=True,
        markup=False,
        highlight=False,
    )


def upgrade(
    context: typer.Context,
    copy: Annotated[
        Path | None,
        typer.Option("--backup", help="Where the checked copy goes; default: beside a ledger that is a file."),
    ] = None,
    bench: BenchOption = None,
    ledger: LedgerOption = None,
    json: JsonOption = False,
) -> None:
    """Bring the ledger to the schema of this version, after a copy of it was made and checked.

    A ledger that is a file is upgraded by itself when it is opened. One on a server is upgraded only by this command:
    stop every station first, and bring them all to this version.

    Example:  factory ledger upgrade --ledger postgresql+psycopg://factory@db/ledger --backup before-upgrade.db
    """
    from factory.config import load_bench
    from factory.ledger import upgrade_ledger

    session: Session = context.obj
    if json:
        session.json("ledger.upgrade")
    chosen = chosen_ledger(ledger, load_bench(bench) if bench else None)
    done = upgrade_ledger(
        chosen.url, backup_to=copy, station=chosen.station, operator=logged_in(), folder=chosen.folder
    )
    if json:
        told = {"found": done.found, "now": done.now, "backup": str(done.copy)} if done else {"found": None}
        session.print_json(told)
        return
    talk().print(str(done) if done else "the ledger has this version's schema already", soft_wrap=True, markup=False)


def _progress() -> Callable[[str, int, int], None]:
    console = talk()

    def tell(table: str, done: int, total: int) -> None:
        if done == total and total:
            console.print(f"{table}: {total:,} rows", style="dim", markup=False)

    return tell
