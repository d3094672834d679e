"""`factory label print`: another label for a unit that has passed, and its scan."""

from __future__ import annotations

import contextlib
import queue
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.cli.options import LedgerOption, logged_in, use_ledger
from factory.cli.session import Session, show, talk
from factory.errors import Exit, FactoryError, UsageError

if TYPE_CHECKING:
    from factory.config import Bench, Slot
    from factory.ledger import LabelRecord, Ledger

_LONGEST = 4096


def add_to(group: typer.Typer) -> None:
    """Add the command to `factory label`."""
    group.command("print")(print_label)


def print_label(
    context: typer.Context,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="MAC, serial, hardware id, device name, label's code.")],
    product: Annotated[Path, typer.Option(help="The product file.")],
    bench: Annotated[Path, typer.Option(help="The bench file: it names the printer and the ledger.")],
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "printed again by hand",
    slot: Annotated[str | None, typer.Option(help="The slot whose printer is meant; default: the station's.")] = None,
    scans: Annotated[
        str | None, typer.Option(metavar="FILE", help="Where it is scanned: a file that grows, a pipe, a device, or -.")
    ] = None,
    operator: Annotated[str, typer.Option(help="Who prints it; default: who is logged in.")] = "",
    ledger: LedgerOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Print the label of a unit that has passed once more; the one before is void and must be thrown away.

    Where the product wants labels scanned, scan it: into this terminal, or from --scans. Without either it waits for
    its scan: factory label check --unit VALUE CODE.

    Example:  factory label print b827eb010203 --product acme/product.toml --bench acme/bench.toml --reason "torn"
    """
    from factory.config import load_bench, load_product
    from factory.lots.labels import print_again
    from factory.values import LabelCode

    session: Session = context.obj
    if json:
        session.json("label.print")
    kind, station = load_product(product), load_bench(bench)
    with use_ledger(ledger, station, operator=operator or logged_in(), quiet=json) as book, _scans(scans) as lines:
        subject = book.label_subject(value)
        label = print_again(book, kind, station, subject, slot=_slot(station, slot), reason=reason)
        if not json:
            show().print(label.standing(), soft_wrap=True, markup=False)
        if label.scan and lines is not None:
            label = _scan(book, label, lines, tries=kind.label.tries if kind.label else 1)
    if json:
        code = LabelCode.of(label.nonce, label.hardware_id).text
        session.print_json({"label": {"code": code, **label.as_json()}})
    elif label.proves:
        talk().print("valid" if not label.scan else "scanned: it is this unit's", style="green")
    else:
        talk().print(_later(label), style="yellow", soft_wrap=True, markup=False)
    raise typer.Exit(Exit.DONE)


def lines_of_stdin() -> Iterator[str]:
    """Lines that are typed or scanned, until the end of standard input."""
    if sys.stdin.isatty():
        talk().print("scan labels; Ctrl-D ends", style="dim")
    for line in sys.stdin:
        if line.strip():
            yield line.strip()[:_LONGEST]


def _scan(book: Ledger, label: LabelRecord, lines: Iterator[str], *, tries: int) -> LabelRecord:
    """Let it be scanned. Raises FactoryError (`label.wrong`, `label.no-scanner`)."""
    from factory.labels import ScanFault, read_scan

    console = talk()
    console.print("scan the new label", style="bold")
    for line in lines:
        found = read_scan(line)
        if isinstance(found, ScanFault):
            console.print(f"{found.message}. {found.hint}", style="yellow", soft_wrap=True, markup=False)
            continue
        if any(code.nonce == label.nonce for code in found):
            return book.verify_label(label.nonce, label.hardware_id, slot=label.slot)
        tries -= 1
        other = book.label(found[0].nonce)
        what = "a label that this ledger never printed" if other is None else other.standing()
        book.wrong_scan(line[:120], other, slot=label.slot, attempt=label.attempt, why=what)
        if tries < 1:
            raise FactoryError(
                f"another label than the new one of unit {label.hardware_id} was scanned: that is {what}",
                hint=_later(label),
                code="label.wrong",
            )
        console.print(f"WRONG LABEL: that is {what}", style="bold red", soft_wrap=True, markup=False)
    raise FactoryError("no scan can come any more", hint=_later(label), code="label.no-scanner")


def _later(label: LabelRecord) -> str:
    return f"It waits for its scan: factory label check --bench BENCH --unit {label.hardware_id} CODE"


@contextlib.contextmanager
def _scans(source: str | None) -> Iterator[Iterator[str] | None]:
    """The lines to be scanned, from before the label is printed on; None where nobody scans."""
    if source is None or source == "-":
        yield lines_of_stdin() if source == "-" or sys.stdin.isatty() else None
        return
    from factory.cli.scanner import scans_from

    heard: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    with scans_from(source, heard.put, lambda _why: heard.put(None)):
        yield iter(heard.get, None)


def _slot(bench: Bench, name: str | None) -> Slot | None:
    if name is None:
        return None
    for slot in bench.slot:
        if slot.name == name:
            return slot
    raise UsageError(
        f"no slot {name!r} on this bench", hint=f"There are: {', '.join(slot.name for slot in bench.slot)}."
    )
