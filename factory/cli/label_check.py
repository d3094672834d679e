"""`factory label check`: whose label was scanned, and whether it is valid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from factory.cli.label_print import lines_of_stdin
from factory.cli.options import BenchOption, LedgerOption, use_ledger
from factory.cli.session import Session, show
from factory.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory.ledger import LabelRecord, LabelSubject, Ledger


def add_to(group: typer.Typer) -> None:
    """Add the command to `factory label`."""
    group.command("check")(check)


def check(
    context: typer.Context,
    code: Annotated[
        list[str] | None, typer.Argument(metavar="[CODE]...", help="Scanned codes; none: one per line from stdin.")
    ] = None,
    unit: Annotated[
        str | None, typer.Option(metavar="VALUE", help="Whose it must be; its first scan is this one, if none was yet.")
    ] = None,
    bench: BenchOption = None,
    ledger: LedgerOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Say whose label was scanned, and whether it is valid: printed, scanned back, its unit passed and not put aside.

    Exits 1 when one of them is not.

    Example:  factory label check --bench acme/bench.toml BBBC-BDBF-BGBH-BJBK-RCTG-CDXJ
    """
    from factory.config import load_bench

    session: Session = context.obj
    if json:
        session.json("label.check")
    found: list[dict[str, Any]] = []
    with use_ledger(ledger, load_bench(bench) if bench else None, quiet=json) as book:
        wanted = None if unit is None else book.label_subject(unit)
        for text in code or lines_of_stdin():
            for one in _checked(book, text, wanted):
                found.append(one)
                if not json:
                    good = one["valid"]
                    show().print(("valid: " if good else "NOT VALID: ") + one["what"], style="green" if good else "red",
                                 soft_wrap=True, markup=False)  # fmt: skip
    if json:
        session.print_json({"labels": found})
    raise typer.Exit(Exit.DONE if found and all(one["valid"] for one in found) else Exit.FAILED)


def told(label: LabelRecord) -> dict[str, Any]:
    """A label as plain JSON values, with its code."""
    from factory.values import LabelCode

    return {"code": LabelCode.of(label.nonce, label.hardware_id).text, **label.as_json()}


def why_not(label: LabelRecord) -> str:
    """What keeps a label that is not void from being valid."""
    if label.proves or not label.is_live:
        return ""
    if label.attempt_state != "passed":
        return f"; its attempt is {label.attempt_state}"
    if label.unit_state not in ("passed", "shipped"):
        return (
            f"; its unit is in {label.unit_state}"
            if label.unit_state == "rework"
            else f"; its unit is {label.unit_state}"
        )
    return (
        f"; it was not scanned back yet: factory label check --bench BENCH --unit {label.hardware_id} CODE"
        if label.state == "printed"
        else ""
    )


def _checked(book: Ledger, text: str, wanted: LabelSubject | None) -> Iterator[dict[str, Any]]:
    from factory.labels import ScanFault, read_scan
    from factory.ledger import Refused
    from factory.values import LabelState

    found = read_scan(text)
    if isinstance(found, ScanFault):
        yield {"valid": False, "what": f"{found.message}. {found.hint}", "label": None}
        return
    for code in found:
        label = book.label(code.nonce)
        if label is None:
            yield {"valid": False, "what": "a label that this ledger never printed", "label": None}
            continue
        fault = "" if wanted is None or wanted.unit == label.unit else f", and not of unit {wanted.hardware_id}"
        if wanted is not None and not fault and label.scan and label.state is LabelState.PRINTED:
            try:
                label = book.verify_label(code.nonce, wanted.hardware_id, slot="")
            except Refused as refused:
                fault = f": {refused.message}"
        valid = label.proves and code.is_of(label.hardware_id) and not fault
        yield {"valid": valid, "what": f"{label.standing()}{fault or why_not(label)}", "label": told(label)}
