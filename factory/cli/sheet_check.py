"""`factory sheet check`: what is wrong with a sheet, cell by cell, for people and for machines."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.cli.session import Session, show, talk
from factory.errors import Exit, UsageError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from factory.sheets.columns import ProductRules
    from factory.sheets.finding import SheetFinding
    from factory.sheets.profile import Profile
    from factory.sheets.report import Report

_PER_CODE = 12
ProfileOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="The portal: remoteit-bulk, xyte, ...; default: the product's, or by the header."
    ),
]
ProductOption = Annotated[
    Path | None, typer.Option(help="A product file; its OUIs, patterns and category lists are checked too.")
]


def check(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A CSV, judged as the file for the portal, or an .xlsx work sheet.")],
    profile: ProfileOption = None,
    product: ProductOption = None,
    annotate: Annotated[
        Path | None, typer.Option(metavar="OUT.xlsx", help="Write a copy with the bad cells marked and commented.")
    ] = None,
    max_findings: Annotated[int, typer.Option(min=1, help="Cut the list of findings here, never the totals.")] = 10_000,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check a sheet from anyone, and name every problem with its cell. Nothing is changed.

    Exit code 1 when there are errors, 0 when there is nothing or there are warnings alone.

    Example:  factory sheet check order.xlsx --product acme/product.toml --annotate order-marked.xlsx
    """
    from factory.sheets.check import Asked, check_file

    session: Session = context.obj
    if json:
        session.json("sheet.check")
    if annotate is not None:
        require_workbook_name(annotate)
        if annotate.exists() and file.exists() and annotate.samefile(file):
            raise UsageError(f"{annotate} is the sheet itself", hint="Name another file for the marked copy.")
    chosen, rules = sheet_rules(profile, product)
    report = check_file(file, Asked(profile=chosen, product=rules, most=max_findings))
    if annotate is not None:
        from factory.sheets.annotate import annotate as write_annotated

        write_annotated(file, report, annotate)
    if json:
        session.print_json(report.as_json())
    else:
        print_report(report, show())
        if annotate is not None:
            talk().print(f"marked copy: {annotate}", soft_wrap=True, markup=False)
    if report.errors:
        raise typer.Exit(Exit.FAILED)


def require_workbook_name(path: Path) -> None:
    """Raise UsageError when a workbook is to be written under a name that no program opens as one."""
    if path.suffix.lower() != ".xlsx":
        raise UsageError(f"{path} would be a workbook", hint=f"Name it {path.stem}.xlsx.")


def sheet_rules(profile: str | None, product: Path | None) -> tuple[Profile | None, ProductRules]:
    """The profile that was asked for (None: by the sheet's header) and what the product adds to it."""
    from factory.sheets.columns import ProductRules, product_rules
    from factory.sheets.profiles import profile as named

    if product is None:
        return (named(profile) if profile else None), ProductRules()
    from factory.config import load_product

    kind = load_product(product)
    rules = product_rules(
        kind.identity.rules,
        kind.identity.hardware_id,
        [(one.name, one.values) for one in kind.category],
        name=kind.product.name,
    )
    return named(profile or kind.registration.profile), rules


def print_report(report: Report, console: Console) -> None:
    """Print findings in groups of one code each, errors first, with the bad characters marked in their place."""
    from rich.text import Text

    sheet = f', sheet "{report.sheet}"' if report.sheet else ""
    form = f", hardware ids read as {report.id_form}" if report.id_form and report.profile == "remoteit-bulk" else ""
    console.print(
        Text(f"{report.file}{sheet}: {report.rows} rows, profile {report.profile}{form}", style="bold"), soft_wrap=True
    )
    ordered = sorted(
        report.findings, key=lambda one: (one.severity.value != "error", one.code)
    )  # stable: by row inside
    for code, group in groupby(ordered, key=lambda one: one.code):
        _print_group(code, list(group), report.totals[code], console)
    for code in sorted(report.totals.keys() - {one.code for one in ordered}):
        console.print(Text(f"\n{code}, {report.totals[code]} in all, beyond --max-findings", style="bold"))
    if not report.totals:
        console.print(Text("nothing found", style="green"))
        return
    said = f"{_plural(report.errors, 'error')}, {_plural(report.warnings, 'warning')}"
    console.print(Text(said, style="bold red" if report.errors else "bold yellow"))


def _print_group(code: str, findings: list[SheetFinding], total: int, console: Console) -> None:
    from rich.text import Text

    error = findings[0].severity.value == "error"
    head = Text(f"\n{code} ", style="bold red" if error else "bold yellow")
    head.append(
        f"{findings[0].severity.value}, {total} in all" if total > 1 else findings[0].severity.value, style="dim"
    )
    console.print(head)
    hints: dict[str, None] = {}
    for finding in findings[:_PER_CODE]:
        console.print(_line(finding, coloured=console.color_system is not None), soft_wrap=True)
        if finding.hint:
            hints.setdefault(finding.hint)
    shown = min(len(findings), _PER_CODE)
    if total > shown:
        where = "--json and --annotate have them" if len(findings) == total else "a higher --max-findings lists them"
        console.print(Text(f"  and {total - shown} more; {where}", style="dim"))
    for hint in list(hints)[:3]:
        console.print(Text(f"  -> {hint}", style="cyan"), soft_wrap=True)


def _line(finding: SheetFinding, *, coloured: bool) -> Text:
    """One finding: its place, what and why, and the value with the bad characters marked."""
    from rich.text import Text

    line = Text(f"  {finding.place}: ", style="bold")
    line.append(finding.message, style="default not bold")
    if finding.value and finding.marks:
        line.append("   |", style="dim not bold")
        at = 0
        for start, end in _joined(finding.marks):
            line.append(finding.value[at:start], style="not bold")
            shown = finding.value[start:end]
            line.append(shown if coloured else f">{shown}<", style="bold white on red")
            at = end
        line.append(finding.value[at:], style="not bold")
        line.append("|", style="dim not bold")
    return line


def _joined(marks: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Marks that touch, as one."""
    joined: list[tuple[int, int]] = []
    for start, end in marks:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
