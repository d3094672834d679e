"""`factory sheet`: the files that people and portals exchange."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.cli import sheet_check, sheet_compare, sheet_import, sheet_template, sheet_verdicts
from factory.cli.options import BenchOption, LedgerOption, logged_in, use_ledger
from factory.cli.session import Session, show, talk

if TYPE_CHECKING:
    from factory.ledger.sshsig import SigningKey


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Upload files and work sheets.", no_args_is_help=True)
    group.callback()(_group)
    group.command("check")(sheet_check.check)
    group.command("template")(sheet_template.template)
    group.command("import")(sheet_import.import_order)
    group.command("export")(export)
    group.command("manifest")(manifest)
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

    Only passed units that are in no other upload and did every stage. The files hold registration keys and are
    readable by you alone; a manifest beside them has their SHA-256 and no key. Never open the CSV in a spreadsheet
    program, it changes identifiers: look at the workbook.

    Example:  factory sheet export --lot 2026-11-A --product acme/product.toml --out upload
    """
    from factory.config import load_bench, load_product
    from factory.errors import UsageError
    from factory.ledger.checkpoints import signing_key
    from factory.lots import export as export_lot

    session: Session = context.obj
    if json:
        session.json("sheet.export")
    if only not in (None, "rejected"):
        raise UsageError(f"--only takes 'rejected', not {only!r}", hint="Leave it out for units in no upload yet.")
    kind = load_product(product)
    station = load_bench(bench) if bench else None
    key = signing_key(station) if station else None
    with use_ledger(ledger, station, operator=operator or logged_in(), quiet=json) as book:
        done = export_lot(book, kind, lot, out, only_rejected=only is not None, key=key)
    if json:
        files = [str(path) for path in done.files]
        named = {"workbook": str(done.workbook), "manifest": str(done.manifest)}
        told = {"lot": lot, "rows": done.rows, "waiting": dict(done.waiting), "files": files, **named}
        session.print_json(told | {"signed_by": _fingerprint(key)})
        return
    console = talk()
    console.print(f"{done.rows} units of lot {lot}", markup=False)
    for path in done.files:
        console.print(f"  upload    {path}", soft_wrap=True, markup=False)
    console.print(f"  to read   {done.workbook}", soft_wrap=True, markup=False)
    console.print(f"  manifest  {done.manifest}", soft_wrap=True, markup=False)
    signed = f"  signed    by {_fingerprint(key)}" if key else "  not signed: [station] signing_key is not set"
    console.print(signed, style="none" if key else "yellow", markup=False)
    for stage, count in done.waiting.items():
        console.print(f"  left out  {count} that wait for stage {stage}", style="yellow", markup=False)


def manifest(
    context: typer.Context,
    upload: Annotated[str, typer.Argument(metavar="UPLOAD", help="The upload's name, as in L-upload-001.csv.")],
    lot: Annotated[str, typer.Option(help="Its lot.")],
    folder: Annotated[Path, typer.Option("--in", help="The folder where its files lie.")],
    bench: BenchOption = None,
    ledger: LedgerOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Write the manifest of an export anew, signed with the station's key, beside its files.

    For an export that was cut short before its manifest was there, or was made without a signing key. The files must
    still be what was exported.

    Example:  factory sheet manifest L-upload-001.csv --lot L --in upload --bench acme/bench.toml
    """
    from factory.config import load_bench
    from factory.ledger.checkpoints import signing_key
    from factory.lots.manifest import write_manifest

    session: Session = context.obj
    if json:
        session.json("sheet.manifest")
    station = load_bench(bench) if bench else None
    key = signing_key(station) if station else None
    with use_ledger(ledger, station, operator=logged_in(), quiet=json) as book:
        path = write_manifest(book, lot, upload, folder, key)
    if json:
        session.print_json({"manifest": str(path), "signed_by": _fingerprint(key)})
    else:
        show().print(str(path), soft_wrap=True, markup=False, highlight=False)


def _fingerprint(key: SigningKey | None) -> str | None:
    return None if key is None else key.public.fingerprint
