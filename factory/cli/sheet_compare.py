"""`factory sheet compare`: what changed between two sheets, and whether a spreadsheet program did it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from factory.cli.session import Session, show
from factory.cli.sheet_check import ProfileOption
from factory.errors import Exit

_SHOWN = 200


def compare(
    context: typer.Context,
    first: Annotated[Path, typer.Argument(metavar="A", help="The sheet as it was.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="The sheet as it came back.")],
    profile: ProfileOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Say what changed, cell by cell, and whether B is A after a spreadsheet program. Nothing is repaired by guessing.

    Exit code 0 when both hold the same values, 1 when they differ.

    Example:  factory sheet compare sent.csv returned.csv
    """
    from rich.text import Text

    from factory.sheets.compare import compare_files
    from factory.sheets.profiles import profile as named

    session: Session = context.obj
    if json:
        session.json("sheet.compare")
    found = compare_files(first, second, named(profile) if profile else None)
    if json:
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
