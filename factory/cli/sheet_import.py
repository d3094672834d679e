"""`factory sheet import`: an order, or any list of expected units, into the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.cli.options import BenchOption, LedgerOption, logged_in, use_ledger
from factory.cli.session import Session, show, talk
from factory.cli.sheet_check import print_report
from factory.errors import Exit

if TYPE_CHECKING:
    from factory.lots import ImportedOrder, OrderRefused

_SHOWN = 50


def import_order(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A CSV or .xlsx: one row per unit, found by serial or MAC.")],
    product: Annotated[Path, typer.Option(help="The product file of the units.")],
    lot: Annotated[str, typer.Option(help="The lot that they are expected in.")],
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave out rows that the ledger knows, and name them.")
    ] = False,
    profile: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The sheet's layout; default: the product's or 'order', by the header."),
    ] = None,
    bench: BenchOption = None,
    ledger: LedgerOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Take an order into the ledger, every row or none. The line then gives each unit what its row says.

    A unit is found by its serial or a MAC; product.toml uses its row as order.COLUMN, and with [order] required =
    true nothing else is made. A ledger is made if there is none.

    Example:  factory sheet import order.xlsx --product acme/product.toml --lot 2026-11-A
    """
    from factory.config import load_bench, load_product
    from factory.lots import ORDER, OrderRefused
    from factory.lots import import_order as take_in
    from factory.sheets.profiles import profile as named

    session: Session = context.obj
    if json:
        session.json("sheet.import")
    kind = load_product(product)
    chosen = None if profile is None else ORDER if profile == ORDER.name else named(profile)
    try:
        with use_ledger(
            ledger, load_bench(bench) if bench else None, operator=logged_in(), create=True, quiet=json
        ) as book:
            done = take_in(book, kind, lot, file, skip_existing=skip_existing, profile=chosen)
    except OrderRefused as refused:
        _print_refused(session, refused, as_json=json)
        raise typer.Exit(Exit.FAILED) from refused
    if json:
        session.print_json(
            {"lot": lot, "file": str(file), "profile": done.profile, "rows": done.rows,
             "skipped": [one.as_json() for one in done.skipped],
             "findings": [finding.as_json() for finding in done.report.findings]}
        )  # fmt: skip
        return
    _print_done(done)


def _print_done(done: ImportedOrder) -> None:
    console = talk()
    if done.report.totals:
        print_report(done.report, console)
    for one in done.skipped[:_SHOWN]:
        console.print(f"skipped {one}", soft_wrap=True, markup=False, style="yellow")
    if len(done.skipped) > _SHOWN:
        console.print(f"and {len(done.skipped) - _SHOWN} more skipped", markup=False, style="yellow")
    nothing = ": nothing is new" if not done.rows else ""
    console.print(
        f"{done.rows} rows of {done.file} are in lot {done.lot} now, {len(done.skipped)} were skipped{nothing}",
        soft_wrap=True,
        markup=False,
    )


def _print_refused(session: Session, refused: OrderRefused, *, as_json: bool) -> None:
    report = refused.report
    if as_json:
        error = {"code": refused.code, "message": refused.message, "hint": refused.hint, "exit": int(refused.exit_code)}
        found = [] if report is None else [finding.as_json() for finding in report.findings]
        session.print_json({"error": error, "findings": found, "totals": {} if report is None else dict(report.totals)})
        return
    if report is not None:
        print_report(report, show())
    talk().print(f"error: {refused}", soft_wrap=True, markup=False)
