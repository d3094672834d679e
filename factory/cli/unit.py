"""`factory unit`: what becomes of a unit that failed, came back, or must not go out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from factory.cli.options import BenchOption, LedgerOption, logged_in, use_ledger
from factory.cli.session import Session, show, talk

if TYPE_CHECKING:
    from collections.abc import Callable

    from factory.ledger import Ledger, UnitChange

ValueArgument = Annotated[str, typer.Argument(help="A MAC, serial, hardware id or device name of the unit.")]
ReasonOption = Annotated[str, typer.Option(help="Why; kept for ever.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Rework, quarantine, release or scrap a unit.", no_args_is_help=True)
    group.callback()(_group)
    for command in (rework, quarantine, release, scrap):
        group.command(command.__name__)(command)
    app.add_typer(group, name="unit")


def _group() -> None:
    """Rework, quarantine, release or scrap a unit."""


def rework(
    context: typer.Context,
    value: ValueArgument,
    reason: ReasonOption,
    bench: BenchOption = None,
    ledger: LedgerOption = None,
    json: JsonOption = False,
) -> None:
    """Let a unit that failed, passed or came back be made again.

    The line admits it as the same unit. Where it stands in an upload, its row has to be deleted at the portal; once it
    has passed again, the next `factory sheet export` lists it anew.

    Example:  factory unit rework A26-000123 --reason "customer return, new flash chip" --bench acme/bench.toml
    """
    from factory.values import UnitState

    _do(context, bench, ledger, json, lambda book: book.change_unit(value, UnitState.REWORK, reason))


def quarantine(
    context: typer.Context,
    value: ValueArgument,
    reason: ReasonOption,
    bench: BenchOption = None,
    ledger: LedgerOption = None,
    json: JsonOption = False,
) -> None:
    """Keep a unit where it is: no line admits it, no export lists it, until it is released.

    Example:  factory unit quarantine b8:27:eb:12:34:56 --reason "label does not match" --bench acme/bench.toml
    """
    from factory.values import UnitState

    _do(context, bench, ledger, json, lambda book: book.change_unit(value, UnitState.QUARANTINED, reason))


def release(
    context: typer.Context,
    value: ValueArgument,
    reason: ReasonOption,
    bench: BenchOption = None,
    ledger: LedgerOption = None,
    json: JsonOption = False,
) -> None:
    """End a unit's quarantine: it is again what it was before.

    Example:  factory unit release A26-000123 --reason "label printed again and checked" --bench acme/bench.toml
    """
    _do(context, bench, ledger, json, lambda book: book.release_unit(value, reason))


def scrap(
    context: typer.Context,
    value: ValueArgument,
    reason: ReasonOption,
    replaced_by: Annotated[
        str | None, typer.Option(metavar="VALUE", help="The unit with the new board, which has passed the line.")
    ] = None,
    bench: BenchOption = None,
    ledger: LedgerOption = None,
    json: JsonOption = False,
) -> None:
    """Take a unit out for ever. Its addresses and serial are never given again; its device name is free.

    When its board was replaced, run the new board through the line and name it: from then on the old values lead to the
    new unit as well.

    Example:  factory unit scrap A26-000123 --reason "burnt" --replaced-by A26-000777 --bench acme/bench.toml
    """
    from factory.values import UnitState

    def change(book: Ledger) -> UnitChange:
        return book.change_unit(value, UnitState.SCRAPPED, reason, replaced_by=replaced_by)

    _do(context, bench, ledger, json, change)


def _do(
    context: typer.Context,
    bench: BenchOption,
    ledger: LedgerOption,
    json: bool,
    change: Callable[[Ledger], UnitChange],
) -> None:
    from factory.config import load_bench

    session: Session = context.obj
    if json:
        session.json("unit")
    with use_ledger(ledger, load_bench(bench) if bench else None, operator=logged_in(), quiet=json) as book:
        done = change(book)
    if json:
        session.print_json(done.as_json())
        return
    last = f"its last attempt: {done.last.id} {done.last.state} at {done.last.started:%Y-%m-%d %H:%M} UTC"
    cause = f", {done.last.cause}" if done.last.cause else ""
    _print(f"unit {done.hardware_id} was {done.was} and is {done.now}; {last}{cause}")
    if done.replaced_by:
        _print(f"its place took unit {done.replaced_by}")
    for row in done.delete:
        _print(
            f"at the portal delete: {row.hardware_id} ({row.device_name}), {row.upload} row {row.position}: {row.state}"
        )
    if done.add:
        talk().print("once it has passed again, `factory sheet export` lists it anew", style="dim")


def _print(text: str) -> None:
    show().print(text, soft_wrap=True, markup=False, highlight=False)
