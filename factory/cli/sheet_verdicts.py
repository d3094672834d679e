"""`factory sheet verdicts`: what the portal answered, back into the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from factory.cli.options import BenchOption, LedgerOption, logged_in, use_ledger
from factory.cli.session import Session, talk

_SHOWN = 50


def verdicts(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="The portal's answer: CSV or .xlsx with id and status, or a list of ids.")
    ],
    lot: Annotated[str, typer.Option(help="The lot that was uploaded.")],
    state: Annotated[
        str | None,
        typer.Option(
            metavar="STATE", help="What a plain list of ids means: uploaded, preregistered, online, rejected, unknown."
        ),
    ] = None,
    upload: Annotated[
        str | None, typer.Option(metavar="NAME", help="The upload file that was answered; default: each unit's newest.")
    ] = None,
    bench: BenchOption = None,
    ledger: LedgerOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Take a portal's answer into the ledger, all of it or nothing.

    Accepted units are never exported again, refused ones go out with `sheet export --only rejected`, unknown ones
    stay unknown until a later answer.

    Example:  factory sheet verdicts answer.csv --lot 2026-11-A
    """
    from factory.config import load_bench
    from factory.errors import UsageError
    from factory.ledger import ANSWERS
    from factory.lots import take_verdicts
    from factory.values import RowState

    session: Session = context.obj
    if json:
        session.json("sheet.verdicts")
    words = sorted(str(one) for one in ANSWERS)
    if state is not None and state not in words:
        raise UsageError(f"{state} is no answer of a portal", hint=f"One of: {', '.join(words)}.", code="answer.state")
    listed_as = None if state is None else RowState(state)
    with use_ledger(ledger, load_bench(bench) if bench else None, operator=logged_in(), quiet=json) as book:
        taken = take_verdicts(book, lot, file, listed_as=listed_as, upload=upload)
    if json:
        session.print_json({"lot": lot, "file": str(file), **taken.as_json()})
        return
    console = talk()
    for unit, reason in taken.rejected[:_SHOWN]:
        console.print(f"rejected  {unit}  {reason}".rstrip(), soft_wrap=True, markup=False, style="red")
    if len(taken.rejected) > _SHOWN:
        console.print(f"and {len(taken.rejected) - _SHOWN} more rejected", markup=False, style="red")
    changed = ", ".join(f"{count} {one}" for one, count in sorted(taken.changed.items())) or "nothing changed"
    console.print(f"lot {lot}: {changed}; {taken.unchanged} as before", markup=False, soft_wrap=True)
    if taken.silent:
        shown = ", ".join(taken.silent[:5]) + (" ..." if len(taken.silent) > 5 else "")
        console.print(
            f"not in the answer: {len(taken.silent)} units ({shown})", markup=False, soft_wrap=True, style="yellow"
        )
    if taken.rejected:
        console.print(f"next: factory sheet export --lot {lot} --only rejected", markup=False, soft_wrap=True)
