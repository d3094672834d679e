"""`factory sheet compare A --lot L`: a sheet against what passed the bench, and the same written anew from there."""

from __future__ import annotations

from pathlib import Path

import typer

from factory.cli.options import use_ledger
from factory.cli.session import Session, show, talk
from factory.cli.sheet_check import print_report
from factory.errors import Exit, UsageError


def against_ledger(
    session: Session,
    sheet: Path,
    lot: str,
    product: Path | None,
    *,
    bench: Path | None,
    ledger: str | None,
    upload: str | None,
    repair: Path | None,
    as_json: bool,
) -> None:
    """Print what differs between a sheet and the ledger; with `repair` write its rows anew. Exit code 1 if any."""
    from factory.config import load_bench, load_product
    from factory.lots import compare_with_ledger, repair_from_ledger

    if product is None:
        raise UsageError("--lot needs --product", hint="The product file says how keys and ids are made.")
    kind = load_product(product)
    with use_ledger(ledger, load_bench(bench) if bench else None, quiet=as_json) as book:
        report = compare_with_ledger(book, kind, lot, sheet, upload=upload)
        written = () if repair is None else repair_from_ledger(book, kind, lot, sheet, repair, upload=upload)
    if as_json:
        session.print_json({**report.as_json(), "lot": lot, "written": [str(path) for path in written]})
    else:
        print_report(report, show())
        for path in written:
            talk().print(f"from the ledger: {path}", soft_wrap=True, markup=False)
    if report.errors:
        raise typer.Exit(Exit.FAILED)
