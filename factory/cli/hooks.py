"""`factory hooks repeat`: run again the after-pass hooks that failed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from factory.cli.options import BenchOption, LedgerOption, use_ledger
from factory.cli.session import talk
from factory.errors import Exit


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="The maker's own programs that follow a pass.", no_args_is_help=True)
    group.callback()(_group)
    group.command("repeat")(repeat)
    app.add_typer(group, name="hooks")


def _group() -> None:
    """The maker's own programs that follow a pass."""


def repeat(
    product: Annotated[Path, typer.Option(help="The product file that names the hook.")],
    lot: Annotated[str, typer.Option(help="The lot whose failed hooks are run again.")],
    bench: BenchOption = None,
    ledger: LedgerOption = None,
) -> None:
    """Run the after-pass hook again for every passed unit of a lot whose hook failed.

    Example:  factory hooks repeat --product acme/product.toml --bench acme/bench.toml --lot 2026-11-A
    """
    from factory.config import load_bench, load_product
    from factory.line import repeat_hooks

    kind = load_product(product)
    with use_ledger(ledger, load_bench(bench) if bench else None) as book:
        book.lot(lot)  # a misspelt lot is an error, not a lot without failures
        results = repeat_hooks(book, kind, lot)
    console = talk()
    for result in results:
        outcome = "done" if result.ok else f"failed: {result.message} [{result.code}]"
        console.print(f"{result.hardware_id}: {outcome}", soft_wrap=True, markup=False)
    if not results:
        console.print("no hook is waiting to be repeated")
    raise typer.Exit(Exit.DONE if all(result.ok for result in results) else Exit.FAILED)
