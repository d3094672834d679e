"""`factory sheet template`: a workbook for the office that is hard to fill in wrongly."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from factory.cli.session import Session, talk
from factory.cli.sheet_check import ProductOption, ProfileOption, require_workbook_name, sheet_rules


def template(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.xlsx", help="The workbook to write.")],
    profile: ProfileOption = None,
    product: ProductOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Write an empty work sheet: text cells, lists, rules that turn cells red while typing, and an explanation.

    Example:  factory sheet template order.xlsx --product acme/product.toml
    """
    from factory.errors import UsageError
    from factory.sheets.profiles import REMOTEIT_BULK
    from factory.sheets.template import write_template

    session: Session = context.obj
    if json:
        session.json("sheet.template")
    require_workbook_name(file)
    if file.exists():  # it may be a sheet that somebody has filled in
        raise UsageError(f"{file} is there already", hint="Name another file, or move that one away.")
    chosen, rules = sheet_rules(profile, product)
    path = write_template(file, chosen or REMOTEIT_BULK, rules)
    if json:
        session.print_json({"file": str(path), "profile": (chosen or REMOTEIT_BULK).name})
    else:
        talk().print(f"work sheet: {path}", soft_wrap=True, markup=False)
