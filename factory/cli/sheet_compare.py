"""`factory sheet compare`: what changed between two sheets, or between a sheet and the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from factory.cli.options import BenchOption, LedgerOption
from factory.cli.session import Session, show
from factory.cli.sheet_check import ProfileOption
from factory.cli.sheet_ledger import against_ledger
from factory.errors import Exit, UsageError

_SHOWN = 200


def compare(
    context: typer.Context,
    first: Annotated[Path, typer.Argument(metavar="A", help="The sheet as it was.")],
    second: Annotated[
        Path | None, typer.Argument(metavar="[B]", help="The sheet as it came back.", show_default=False)
    ] = None,
    profile: ProfileOption = None,
    lot: Annotated[str | None, typer.Option(help="Compare A with what the ledger says of this lot.")] = None,
    product: Annotated[Path | None, typer.Option(help="With --lot: the product file of the lot.")] = None,
    upload: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --lot: the upload that A is; default: the one of its name.")
    ] = None,
    repair_from_ledger: Annotated[
        Path | None,
        typer.Option(metavar="OUT", help="With --lot: write A's rows anew (.csv or .xlsx), from the ledger alone."),
    ] = None,
    bench: BenchOption = None,
    ledger: LedgerOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Say what changed, cell by cell, and whether B is A after a spreadsheet program. Nothing is repaired by guessing.

    With --lot, A is held against the ledger: units that never passed, that are missing, or that differ from what was
    read off them. Exit code 0 when there is no difference, 1 when there is.

    Example:  factory sheet compare sent.csv returned.csv
    Example:  factory sheet compare returned.csv --lot 2026-11-A --product acme/product.toml
    """
    session: Session = context.obj
    if json:
        session.json("sheet.compare")
    if lot is not None and second is None:
        against_ledger(
            session,
            first,
            lot,
            product,
            bench=bench,
            ledger=ledger,
            upload=upload,
            repair=repair_from_ledger,
            as_json=json,
        )
        return
    if second is None or lot is not None or repair_from_ledger is not None:
        raise UsageError(
            "compare takes two sheets, or one sheet and --lot",
            hint="factory sheet compare A B, or factory sheet compare A --lot LOT --product FILE.",
        )
    _two_sheets(session, first, second, profile, as_json=json)


def _two_sheets(session: Session, first: Path, second: Path, profile: str | None, *, as_json: bool) -> None:
    from rich.text import Text

    from factory.sheets.compare import compare_files
    from factory.sheets.profiles import profile as named

    found = compare_files(first, second, named(profile) if profile else None)
    if as_json:
        session.print_json(found.as_json())
    else:
        console = show()
        for change in found.changes[:_SHOWN]:
            console.print(Text(f"{change}", style="red" if change.cause else "yellow"), soft_wrap=True)
        if len(found.changes) > _SHOWN:
            console.print(f"and {len(found.changes) - _SHOWN} more", markup=False)
        console.print(Text(found.verdict, style="green" if found.same else "bold"), soft_wrap=True)
    if not found.same:
        raise typer.Exit(Exit.FAILED)
