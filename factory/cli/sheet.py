"""`factory sheet`: the files that people and portals exchange."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from factory.cli import sheet_check, sheet_compare, sheet_template
from factory.cli.options import BenchOption, LedgerOption, use_ledger
from factory.cli.session import Session, talk


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Upload files and work sheets.", no_args_is_help=True)
    group.callback()(_group)
    group.command("check")(sheet_check.check)
    group.command("template")(sheet_template.template)
    group.command("export")(export)
    group.command("compare")(sheet_compare.compare)
    app.add_typer(group, name="sheet")


def _group() -> None:
    """Upload files and work sheets."""


def export(
    context: typer.Context,
    lot: Annotated[str, typer.Option(help="The lot whose passed units go into the upload.")],
    product: Annotated[Path, typer.Option(help="The product file; its secret derives the keys again.")],
    out: Annotated[Path, typer.Option(help="Folder for the files; made if missing.")],
    bench: BenchOption = None,
    ledger: LedgerOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Write the portal's CSV of a lot, and the same as a workbook for people.

    Only passed units that are in no other upload. The files hold registration keys and are readable by you alone;
    never open the CSV in a spreadsheet program, it changes identifiers: look at the workbook.

    Example:  factory sheet export --lot 2026-11-A --product acme/product.toml --out upload
    """
    from factory.config import load_bench, load_product
    from factory.lots import export as export_lot

    session: Session = context.obj
    if json:
        session.json("sheet.export")
    kind = load_product(product)
    with use_ledger(ledger, load_bench(bench) if bench else None, quiet=json) as book:
        done = export_lot(book, kind, lot, out)
    if json:
        files = [str(path) for path in done.files]
        session.print_json({"lot": lot, "rows": done.rows, "files": files, "workbook": str(done.workbook)})
        return
    console = talk()
    console.print(f"{done.rows} units of lot {lot}", markup=False)
    for path in done.files:
        console.print(f"  upload    {path}", soft_wrap=True, markup=False)
    console.print(f"  to read   {done.workbook}", soft_wrap=True, markup=False)
