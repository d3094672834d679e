"""`factory report`: what a lot came to, as one page for people and as numbers for programs."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.cli.options import BenchOption, LedgerOption, use_ledger
from factory.cli.session import Session, show, talk
from factory.errors import UsageError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from factory.lots.report import Report


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(report)


def report(
    context: typer.Context,
    lot: Annotated[str, typer.Option(help="The lot to report on.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the page here; what is there goes.")] = None,
    timezone: Annotated[
        str, typer.Option(metavar="ZONE", help="The plant's time zone, such as Europe/Berlin.")
    ] = "UTC",
    shifts: Annotated[
        str, typer.Option(metavar="TIMES", help="When shifts begin, in the plant's time.")
    ] = "06:00,14:00,22:00",
    bench: BenchOption = None,
    ledger: LedgerOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print the numbers as one JSON document.")] = False,
) -> None:
    """Report on a lot: first-pass yield, causes, cycle time per slot with its drift, units per hour, rework.

    The page is one HTML file that needs no network and no other file, for screen, phone and paper. The same ledger
    gives the same bytes. Without --out the main figures are printed.

    Example:  factory report --lot 2026-11-A --out report.html --timezone Europe/Berlin --bench acme/bench.toml
    """
    from factory.config import load_bench

    session: Session = context.obj
    if json:
        session.json("report")
    zone, begins = _zone(timezone), _shifts(shifts)
    if out is not None:
        _require_place(out)
    with use_ledger(ledger, load_bench(bench) if bench else None, quiet=json) as book:
        records = book.lot_records(lot)

    from factory.files import PRIVATE, write_text
    from factory.lots.report import Calendar, page
    from factory.lots.report import report as work_out

    if not json:
        talk().print(f"working out {len(records.attempts['id']):,} attempts", style="dim", markup=False)
    found = work_out(records, Calendar(zone, begins))
    if out is not None:
        write_text(out, page(found), mode=PRIVATE)
    if json:
        session.print_json(found.as_json() | {"written": [] if out is None else [str(out)]})
    elif out is not None:
        show().print(str(out), soft_wrap=True, markup=False, highlight=False)
    else:
        _print(found)


def _print(found: Report) -> None:
    from rich.table import Table

    from factory.lots.report import main_figures
    from factory.lots.report.drawing import plain

    table = Table(title=f"lot {plain(found.lot.name)}", show_header=False, pad_edge=False, title_justify="left")
    table.add_column(style="dim")
    table.add_column()
    for name, value, more in main_figures(found):
        table.add_row(name, f"{value}  ({more})" if more else value)
    show().print(table)
    for note in found.notes:
        talk().print(plain(note), style="dim", soft_wrap=True, markup=False)


def _zone(name: str) -> ZoneInfo:
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:  # ZoneInfoNotFoundError is a KeyError
        raise UsageError(
            f"--timezone {name!r} is no time zone that this machine knows",
            hint="Write it as in Europe/Berlin or UTC. If it is right, this machine lacks the package tzdata.",
            code="report.zone",
        ) from error


def _shifts(text: str) -> tuple[time, ...]:
    try:
        begins = tuple(sorted({time.fromisoformat(part.strip()) for part in text.split(",")}))
    except ValueError as error:
        raise _no_shifts(text) from error
    if any(begin.tzinfo or begin.second or begin.microsecond for begin in begins):
        raise _no_shifts(text)
    return begins


def _no_shifts(text: str) -> UsageError:
    hint = "Write the beginnings as hours and minutes: --shifts 06:00,14:00,22:00."
    return UsageError(f"--shifts {text!r} are no times of day", hint=hint, code="report.shifts")


def _require_place(out: Path) -> None:
    """Before the work, and not after it."""
    if out.is_dir() or not out.parent.is_dir():
        what = "is a folder" if out.is_dir() else f"lies in {out.parent}, which is no folder"
        raise UsageError(f"--out {out} {what}", hint="Name a file: --out report.html.", code="report.out")
