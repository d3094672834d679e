"""`factory ledger`: what happened, for ever."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from factory.cli import ledger_audit, ledger_keep, ledger_merge, ledger_recall, ledger_trace, ledger_verify, offline
from factory.cli.options import BenchOption, LedgerOption, use_ledger
from factory.cli.session import Session, show

if TYPE_CHECKING:
    from pathlib import Path

    from factory.config import Bench
    from factory.ledger import Attempt

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="What happened to every unit.", no_args_is_help=True)
    group.callback()(_group)
    group.command("show")(show_lots)
    ledger_keep.add_to(group)
    ledger_merge.add_to(group)
    offline.add_to(group)
    ledger_recall.add_to(group)
    ledger_audit.add_to(group)
    ledger_trace.add_to(group)
    ledger_verify.add_to(group)
    app.add_typer(group, name="ledger")


def _group() -> None:
    """What happened to every unit."""


def show_lots(
    context: typer.Context,
    last: Annotated[int, typer.Option(min=0, help="How many of the latest attempts to list.")] = 20,
    bench: BenchOption = None,
    ledger: LedgerOption = None,
    json: JsonOption = False,
) -> None:
    """Show the lots with their counts, and the latest attempts.

    Example:  factory ledger show --bench acme/bench.toml
    """
    session: Session = context.obj
    if json:
        session.json("ledger.show")
    with use_ledger(ledger, _bench(bench), quiet=json) as book:
        overview = book.show(last=last)
    if json:
        session.print_json(overview.as_json())
        return
    from rich.table import Table

    lots = Table(title="lots", title_justify="left", pad_edge=False)
    for name in ("lot", "product", "bound", "attempts", "units", "upload rows"):
        lots.add_column(name, overflow="fold")
    for entry in overview.lots:
        record = entry.lot
        counts = [_counts(part) for part in (entry.attempts, entry.units, entry.rows)]
        lots.add_row(record.name, record.binding.product, f"{record.bound_at:%Y-%m-%d %H:%M}", *counts)
    show().print(lots)
    for entry in overview.lots:
        for stage, done in entry.stages.items():
            show().print(f"lot {entry.lot.name}, stage {stage}: {_counts(done)}", soft_wrap=True, markup=False)
        if entry.stopped:
            show().print(entry.stopped, style="yellow", soft_wrap=True, markup=False)
    if overview.attempts:
        show().print(_attempts(overview.attempts, "latest attempts"))


def _bench(path: Path | None) -> Bench | None:
    from factory.config import load_bench

    return load_bench(path) if path else None


def _counts(counts: Any) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()) if count) or "-"


def _attempts(attempts: tuple[Attempt, ...], title: str) -> Any:
    from rich.table import Table

    table = Table(title=title, title_justify="left", pad_edge=False)
    for name in ("attempt", "started (UTC)", "station", "slot", "operator", "lot", "hardware id", "state", "cause"):
        table.add_column(name, overflow="fold")
    for entry in attempts:
        cause = f"{entry.cause} [{entry.code}]" if entry.cause else entry.note
        started = f"{entry.started:%Y-%m-%d %H:%M:%S}"
        row = (str(entry.id), started, entry.station, entry.slot, entry.operator, entry.lot, entry.hardware_id or "-")
        table.add_row(*row, str(entry.state), cause)
    return table
