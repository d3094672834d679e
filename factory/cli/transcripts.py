"""`factory transcripts`: what went over the wire, and how long it stays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.cli.options import LedgerOption, use_ledger
from factory.cli.session import Session, show, talk
from factory.errors import Exit, UsageError

if TYPE_CHECKING:
    from factory.line import Pruned

_NAMED = 20


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="What went over the wire, and how long it stays.", no_args_is_help=True)
    group.callback()(_group)
    group.command("prune")(prune)
    app.add_typer(group, name="transcripts")


def _group() -> None:
    """What went over the wire, and how long it stays."""


def prune(
    context: typer.Context,
    bench: Annotated[Path, typer.Option(help="The bench file; it says how long: [station] keep_transcripts.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    trust_clock: Annotated[
        bool, typer.Option("--trust-clock", help="The station's clock is right, although little speaks for it.")
    ] = False,
    ledger: LedgerOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Remove transcripts of units that are done, as old or as many as the bench file says.

    Those of units that failed, were refused, are unknown or put aside stay for failed_days. Files that the ledger does
    not know are left and named. `factory run` does the same at its end.

    Example:  factory transcripts prune --bench acme/bench.toml --dry-run
    """
    from factory.config import load_bench
    from factory.line import prune as prune_transcripts
    from factory.units.deadline import Deadline

    session: Session = context.obj
    if json:
        session.json("transcripts.prune")
    station = load_bench(bench)
    keep = station.station.keep_transcripts
    if keep is None:
        raise UsageError(
            f"{bench} does not say how long transcripts stay, so they stay",
            hint="Add to [station]: keep_transcripts = { days = 365, count = 100000, failed_days = 3650 }",
            code="transcripts.kept",
        )
    folder = station.folder / station.station.transcripts
    with use_ledger(ledger, station, quiet=json) as book:
        done = prune_transcripts(book, folder, keep, deadline=Deadline(3600), dry_run=dry_run, trust_clock=trust_clock)
    if json:
        session.print_json({"folder": str(folder), "dry_run": dry_run, **done.as_json()})
    else:
        _tell(done, dry_run=dry_run)
    raise typer.Exit(Exit.NOT_STARTED if done.refused else Exit.DONE)


def _tell(done: Pruned, *, dry_run: bool) -> None:
    from factory.cli.flash_show import counted

    console = talk()
    if done.refused:
        console.print(f"nothing was removed: {done.refused}", style="yellow", soft_wrap=True, markup=False)
        console.print("Set the clock. If it is right: --trust-clock.", markup=False)
    else:
        span = f", of {done.oldest[:10]} to {done.newest[:10]}" if done.removed else ""
        verb = "would be removed" if dry_run else "removed"
        console.print(f"{counted(done.removed, 'transcript')} {verb} ({done.size / 1e6:.1f} MB){span}", markup=False)
    if done.kept:
        console.print(f"kept longer, of units that failed, were refused or are put aside: {done.kept}", markup=False)
    if done.unknown:
        console.print(f"{len(done.unknown)} are named by no attempt of the ledger, and stay:", markup=False)
        for name in done.unknown[:_NAMED]:
            show().print(f"  {name}", soft_wrap=True, markup=False)
        if len(done.unknown) > _NAMED:
            console.print(f"  and {len(done.unknown) - _NAMED} more; --json names all", markup=False)
