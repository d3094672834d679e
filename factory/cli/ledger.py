"""`factory ledger`: what happened, for ever."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from factory.cli import ledger_audit, ledger_keep, ledger_recall, ledger_verify
from factory.cli.options import BenchOption, LedgerOption, use_ledger
from factory.cli.session import Session, show, talk
from factory.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from factory.config import Bench
    from factory.ledger import Attempt, UnitHistory
    from factory.values import Event

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="What happened to every unit.", no_args_is_help=True)
    group.callback()(_group)
    for command in (show_lots, trace):
        group.command(command.__name__.removesuffix("_lots"))(command)
    ledger_keep.add_to(group)
    ledger_recall.add_to(group)
    ledger_audit.add_to(group)
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
    if overview.attempts:
        show().print(_attempts(overview.attempts, "latest attempts"))


def trace(
    context: typer.Context,
    value: Annotated[str, typer.Argument(help="A MAC, serial, hardware id, device name, image hash or upload file.")],
    bench: BenchOption = None,
    ledger: LedgerOption = None,
    json: JsonOption = False,
) -> None:
    """Tell the whole life of a unit, found by any of its values.

    Exits 1 when the ledger knows nothing of the value.

    Example:  factory ledger trace b8:27:eb:00:00:01 --bench acme/bench.toml
    """
    session: Session = context.obj
    if json:
        session.json("ledger.trace")
    with use_ledger(ledger, _bench(bench), quiet=json) as book:
        found = book.trace(value)
    if json:
        session.print_json(found.as_json())
    else:
        for unit in found.units:
            _print_history(unit)
        if found.strangers:
            show().print(_attempts(found.strangers, "attempts without a unit: refused, or off the ledger"))
            _print_receipts(found.receipts)
        if found.events:
            _print_media(found.events)
            show().print(_events(found.events))
        if not found.found:
            talk().print(f"nothing is known of {value}", markup=False)
    raise typer.Exit(Exit.DONE if found.found else Exit.FAILED)


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


def _print_history(unit: UnitHistory) -> None:
    from rich.markup import escape

    console = show()
    console.print(f"unit {unit.unit}: [bold]{unit.state}[/], first seen {unit.first_seen:%Y-%m-%d %H:%M:%S} UTC")
    for kind, value in unit.values:
        if kind.endswith("-folded"):
            continue  # the ledger's own spelling for comparing, not a value of the unit
        console.print(f"  {kind:<14} {escape(value)}")
    for name, row, state in unit.uploads:
        why = f" ({unit.refusals[name]})" if name in unit.refusals else ""
        console.print(f"  {'upload':<14} {escape(f'{name} row {row}: {state}{why}')}")
    console.print(_attempts(unit.attempts, "attempts"))
    _print_receipts(unit.receipts)
    _print_media(unit.events)
    console.print(_events(unit.events))


def _print_receipts(receipts: Mapping[int, Mapping[str, Any]]) -> None:
    from factory.cli.flash_show import receipt_line

    for attempt, receipt in receipts.items():
        show().print(f"receipt of attempt {attempt}: {receipt_line(receipt)}", soft_wrap=True, markup=False)


def _print_media(events: Sequence[Event]) -> None:
    """The receipts of what was written without an attempt: cards, and units at their boot loader."""
    from factory.cli.flash_show import receipt_line

    for event in events:
        if event.kind == "flash.written" and isinstance(receipt := event.data.get("receipt"), dict):
            said = f"receipt of {event.slot} at {event.at:%Y-%m-%d %H:%M:%S}: {receipt_line(receipt)}"
            show().print(said, soft_wrap=True, markup=False)


def _events(events: Sequence[Event]) -> Any:
    from rich.markup import escape
    from rich.table import Table

    from factory.values import canonical

    def told(value: object) -> str:
        return canonical(value).decode("utf-8") if isinstance(value, (dict, list)) else str(value)

    table = Table(title="events", title_justify="left", pad_edge=False)
    for name in ("seq", "at (UTC)", "station", "slot", "what", "data"):
        table.add_column(name, overflow="fold")
    for event in events:
        data = ", ".join(f"{key}={told(value)}" for key, value in event.data.items() if value is not None)
        at = f"{event.at:%Y-%m-%d %H:%M:%S}"
        table.add_row(str(event.seq), at, event.station, event.slot or "", event.kind, escape(data))
    return table
