"""`factory ledger trace`: what was this? The whole life of a unit on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from factory.cli.options import BenchOption, LedgerOption, use_ledger
from factory.cli.session import Session, show, talk
from factory.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from rich.console import RenderableType

    from factory.ledger import Trace, UnitHistory
    from factory.values import Event

_IN_FULL = 3
_HIDDEN = "-folded"
_FIRST = ("hardware-id", "serial", "mac", "device-name", "cloud-id")


def add_to(group: typer.Typer) -> None:
    """Add the command to `factory ledger`."""
    group.command("trace")(trace)


def trace(
    context: typer.Context,
    value: Annotated[
        str,
        typer.Argument(
            help="A MAC in any form, serial, hardware id, device name, cloud id, label, image or template hash, or the "
            "name or hash of a file: upload, manifest, order, the portal's answer."
        ),
    ],
    bench: BenchOption = None,
    ledger: LedgerOption = None,
    full: Annotated[bool, typer.Option("--full", help="Tell every life, also of more than three units.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Tell the whole life of a unit, found by any of its values.

    Times are UTC. A value of many units, such as an upload, lists them. Exits 1 when the ledger knows nothing of it.

    Example:  factory ledger trace b8:27:eb:00:00:01 --bench acme/bench.toml
    """
    from factory.config import load_bench

    session: Session = context.obj
    if json:
        session.json("ledger.trace")
    with use_ledger(ledger, load_bench(bench) if bench else None, quiet=json) as book:
        found = book.trace(value)
    if json:
        session.print_json(found.as_json())
    else:
        console = show()
        for block in _blocks(found, full=full):
            console.print(block)
        if found.more:
            talk().print(
                "and more units: `factory ledger recall --image|--template SHA256` lists them all", markup=False
            )
        if not found.found:
            talk().print(f"nothing is known of {value}", markup=False)
    raise typer.Exit(Exit.DONE if found.found else Exit.FAILED)


def _blocks(found: Trace, *, full: bool) -> Iterator[RenderableType]:
    from rich.text import Text

    if len(found.units) > _IN_FULL and not full:
        yield _listed(found.units)
        yield Text(f"{len(found.units)} units; name one of them, or --full tells every life", style="dim")
    else:
        for unit in found.units:
            yield from _life(unit)
    for attempt in found.strangers:
        title = f"attempt {attempt.id}, which no unit owns: {attempt.hardware_id or attempt.serial or '-'}"
        yield Text(f"\n{title}, lot {attempt.lot}", style="bold")
        told = [event for event in found.events if event.attempt == attempt.id]
        yield from _days(told, {attempt.id})
    for order in found.orders:
        yield Text(f"{order.file} row {order.row} of lot {order.lot}: no unit of it was seen yet")
    for pool in found.pools:
        place = f"{found.value} is in pool {pool.pool} of {pool.product} ({pool.file}, {pool.place})"
        yield Text(f"{place}: no unit owns it yet")
    numbers = {attempt.id for attempt in found.strangers}
    yield from _days([event for event in found.events if event.attempt not in numbers], ())


def _life(unit: UnitHistory) -> Iterator[RenderableType]:
    from rich.table import Table
    from rich.text import Text

    style = {"passed": "green", "quarantined": "red", "scrapped": "red"}.get(unit.state, "yellow")
    yield Text.assemble("\nunit ", (_name(unit), "bold"), "  ", (str(unit.state).upper(), f"bold {style}"))
    values = Table.grid(padding=(0, 2))
    values.add_column(style="dim", no_wrap=True)
    values.add_column(overflow="fold")
    kinds: dict[str, list[str]] = {kind: [] for kind in _FIRST}
    for kind, value in unit.values:
        if not kind.endswith(_HIDDEN):  # the ledger's own spelling for comparing
            kinds.setdefault(kind, []).append(_colons(value) if kind == "mac" else value)
    images = dict.fromkeys(attempt.image for attempt in unit.attempts if attempt.image)
    lines = {
        **kinds,
        "image": list(images)[-1:],
        "upload": [f"{name} row {row}: {state}" for name, row, state in unit.uploads],
    }
    for kind, texts in lines.items():
        if texts:
            values.add_row(kind, Text(", ".join(texts) if kind == "mac" else "\n".join(texts)))
    yield values
    yield from _days(unit.events, {attempt.id for attempt in unit.attempts})


def _days(events: Sequence[Event], attempts: Collection[int]) -> Iterator[RenderableType]:
    """The events, a line for each, under their days; place and attempt only where they change."""
    from rich.table import Table
    from rich.text import Text

    from factory.cli.told import told

    day, before, table = "", ("", ""), None
    for event in events:
        if table is None or day != f"{event.at:%Y-%m-%d}":
            if table is not None:
                yield table
            day, before = f"{event.at:%Y-%m-%d}", ("", "")
            yield Text(f"{day} UTC", style="bold dim")
            table = Table.grid(padding=(0, 2))
            for options in ({"no_wrap": True}, {"no_wrap": True, "style": "dim"}, {"no_wrap": True, "style": "dim"}):
                table.add_column(**options)
            table.add_column(overflow="fold")
        where = f"{event.station} {event.slot or ''}".strip()
        attempt = f"attempt {event.attempt}" if event.attempt in attempts else ""
        text, style = told(event)
        place = ("" if where == before[0] else where, "" if attempt == before[1] else attempt)
        table.add_row(f"  {event.at:%H:%M:%S}", *place, Text(text, style=style))
        before = (where, attempt)
    if table is not None:
        yield table


def _listed(units: Sequence[UnitHistory]) -> RenderableType:
    from rich.table import Table

    table = Table(pad_edge=False, box=None)
    for name in ("hardware id", "serial", "unit is", "lot", "upload"):
        table.add_column(name, overflow="fold")
    for unit in units:
        upload = "; ".join(f"{name} row {row}: {state}" for name, row, state in unit.uploads[-1:])
        lot = unit.attempts[-1].lot if unit.attempts else "-"
        table.add_row(_name(unit), unit.serial or "-", str(unit.state), lot, upload or "-")
    return table


def _name(unit: UnitHistory) -> str:
    ids = [attempt.hardware_id for attempt in unit.attempts if attempt.hardware_id]
    return ids[-1] if ids else f"number {unit.unit}"


def _colons(mac: str) -> str:
    return ":".join(mac[at : at + 2] for at in range(0, len(mac), 2))
