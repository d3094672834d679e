"""`factory sheet`: the files that people and portals exchange."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from factory.cli import sheet_check, sheet_compare, sheet_import, sheet_template, sheet_verdicts
from factory.cli.options import BenchOption, LedgerOption, logged_in, use_ledger
from factory.cli.session import Session, talk


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Upload files and work sheets.", no_args_is_help=True)
    group.callback()(_group)
    group.command("check")(sheet_check.check)
    group.command("template")(sheet_template.template)
    group.command("import")(sheet_import.import_order)
    group.command("export")(export)
    group.command("verdicts")(sheet_verdicts.verdicts)
    group.command("compare")(sheet_compare.compare)
    app.add_typer(group, name="sheet")


def _group() -> None:
    """Upload files and work sheets."""


def export(
    context: typer.Context,
    lot: Annotated[str, typer.Option(help="The lot whose passed units go into the upload.")],
    product: Annotated[Path, typer.Option(help="The product file; its secret derives the keys again.")],
    out: Annotated[Path, typer.Option(help="Folder for the files; made if missing.")],
    only: Annotated[
        str | None, typer.Option(metavar="rejected", help="Only units that the portal refused; see `sheet verdicts`.")
    ] = None,
    operator: Annotated[str, typer.Option(help="Who exports; default: who is logged in.")] = "",
    bench: BenchOption = None,
    ledger: LedgerOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Write the portal's CSV of a lot, and the same as a workbook for people.

    Only passed units that are in no other upload. The files hold registration keys and are readable by you alone; a
    manifest beside them has their SHA-256 and no key. Never open the CSV in a spreadsheet program, it changes
    identifiers: look at the workbook.

    Example:  factory sheet export --lot 2026-11-A --product acme/product.toml --out upload
    """
    from factory.config import load_bench, load_product
    from factory.errors import UsageError
    from factory.lots import export as export_lot

    session: Session = context.obj
    if json:
        session.json("sheet.export")
    if only not in (None, "rejected"):
        raise UsageError(f"--only takes 'rejected', not {only!r}", hint="Leave it out for units in no upload yet.")
    kind = load_product(product)
    with use_ledger(ledger, load_bench(bench) if bench else None, operator=operator or logged_in(), quiet=json) as book:
        done = export_lot(book, kind, lot, out, only_rejected=only is not None)
    if json:
        files = [str(path) for path in done.files]
        named = {"workbook": str(done.workbook), "manifest": str(done.manifest)}
        session.print_json({"lot": lot, "rows": done.rows, "files": files, **named})
        return
    console = talk()
    console.print(f"{done.rows} units of lot {lot}", markup=False)
    for path in done.files:
        console.print(f"  upload    {path}", soft_wrap=True, markup=False)
    console.print(f"  to read   {done.workbook}", soft_wrap=True, markup=False)
    console.print(f"  manifest  {done.manifest}", soft_wrap=True, markup=False)
