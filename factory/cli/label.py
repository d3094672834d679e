"""`factory label`: labels of units: shown, printed again, checked, tried out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from factory.cli import label_check, label_print
from factory.cli.label_check import told, why_not
from factory.cli.options import BenchOption, LedgerOption, use_ledger
from factory.cli.session import Session, show, talk
from factory.errors import Exit, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory.config import Bench
    from factory.ledger import LabelRecord, LabelSubject

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
_LEAST = {"state": 8, "UTC": 10, "where, who": 10, "reason": 8}
_PRINTED = {True: "as it was printed", False: "the template or the product file changed since it was printed"}


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="Labels of units: show, print again, check, try out.", no_args_is_help=True)
    group.callback()(_group)
    group.command("show")(show_labels)
    group.command("lot")(lot_labels)
    group.command("preview")(preview)
    label_check.add_to(group)
    label_print.add_to(group)
    app.add_typer(group, name="label")


def _group() -> None:
    """Labels of units: show, print again, check, try out."""


def show_labels(
    context: typer.Context,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="MAC, serial, hardware id, device name, label's code.")],
    product: Annotated[Path | None, typer.Option(help="With --png, --svg, --zpl: the product file.")] = None,
    png: Annotated[Path | None, typer.Option(help="Write the label as a picture.")] = None,
    svg: Annotated[Path | None, typer.Option(help="Write it as a drawing.")] = None,
    zpl: Annotated[Path | None, typer.Option(help="Write what the printer was sent.")] = None,
    bench: BenchOption = None,
    ledger: LedgerOption = None,
    json: JsonOption = False,
) -> None:
    """Show every label that was printed for a unit, and write the valid one into files.

    Example:  factory label show b8:27:eb:01:02:03 --bench acme/bench.toml --product acme/product.toml --png label.png
    """
    session: Session = context.obj
    if json:
        session.json("label.show")
    wanted = {"png": png, "svg": svg, "zpl": zpl}
    if any(wanted.values()) and product is None:
        raise UsageError("a picture is made from the product's template", hint="Add --product acme/product.toml.")
    with use_ledger(ledger, _bench(bench), quiet=json) as book:
        subject = book.label_subject(value)
        labels = book.labels_of(subject.unit)
    live = next((label for label in labels if label.is_live), None)
    same = None if product is None else _write(product, subject, live, wanted)
    if json:
        known = [told(label) for label in labels]
        session.print_json({"hardware_id": subject.hardware_id, "labels": known, "as_printed": same})
        return
    show().print(_table(labels) if labels else f"unit {subject.hardware_id} never got a label", markup=False)
    if same is not None:
        talk().print(_PRINTED[same], style="none" if same else "yellow", markup=False)


def lot_labels(
    context: typer.Context,
    lot: Annotated[str, typer.Argument(metavar="LOT", help="The lot.")],
    bench: BenchOption = None,
    ledger: LedgerOption = None,
    json: JsonOption = False,
) -> None:
    """Say which passed units of a lot have no valid label, and how many were printed again.

    Exits 1 when a unit has none.

    Example:  factory label lot 2026-11-A --bench acme/bench.toml
    """
    session: Session = context.obj
    if json:
        session.json("label.lot")
    with use_ledger(ledger, _bench(bench), quiet=json) as book:
        units = book.labels_of_lot(lot)
    lacking = [(hardware_id, labels) for hardware_id, labels in units if not any(one.proves for one in labels)]
    again = sum(max(0, len(labels) - 1) for _, labels in units)
    if json:
        known = [{"hardware_id": hardware_id, "labels": [told(one) for one in labels]} for hardware_id, labels in units]
        without = [hardware_id for hardware_id, _ in lacking]
        session.print_json({"lot": lot, "units": known, "without": without, "printed_again": again})
        raise typer.Exit(Exit.FAILED if lacking else Exit.DONE)
    for hardware_id, labels in lacking:
        what = f"{labels[-1].standing()}{why_not(labels[-1])}" if labels else f"unit {hardware_id} never got a label"
        show().print(what, style="red", soft_wrap=True, markup=False)
    good = len(units) - len(lacking)
    talk().print(f"{good} of {len(units)} passed units of lot {lot} have a valid label; {again} printed again")
    raise typer.Exit(Exit.FAILED if lacking else Exit.DONE)


def preview(
    product: Annotated[Path, typer.Option(help="The product file.")],
    out: Annotated[Path, typer.Option(help="The folder for sample.zpl, .svg and .png.")] = Path("label-preview"),
    printer: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Print it there as well: tcp://HOST:9100, file:FOLDER.")
    ] = None,
) -> None:
    """Make a label of a made-up unit from the product's template, to look at, and to try a printer with.

    Example:  factory label preview --product acme/product.toml --printer tcp://192.168.1.40:9100
    """
    from factory.config import load_product
    from factory.labels import open_printer, open_template, sample_names
    from factory.lots.labels import require_label

    kind = load_product(product)
    require_label(kind)
    label = open_template(kind).render(sample_names(kind))
    open_printer(f"file:{out.absolute()}", Path()).print(label, "sample")
    for suffix in ("zpl", "svg", "png"):
        show().print(str(out / f"sample.{suffix}"), soft_wrap=True, markup=False, highlight=False)
    if label.not_drawn:
        talk().print(f"not in the pictures: {', '.join(label.not_drawn)}", style="yellow", markup=False)
    if printer is not None:
        open_printer(printer, Path()).print(label, "sample")
        talk().print(f"sent to {printer}", markup=False)


def _write(product: Path, subject: LabelSubject, live: LabelRecord | None, wanted: dict[str, Path | None]) -> bool:
    """Write the files that are wanted; whether they are what was printed."""
    from factory.config import load_product
    from factory.files import write_bytes
    from factory.lots.labels import label_of

    if live is None:
        raise UsageError(
            f"unit {subject.hardware_id} has no valid label", hint="Print one: factory label print.", code="label.none"
        )
    label = label_of(load_product(product), subject, live.nonce)
    for suffix, path in wanted.items():
        if path is not None:
            content = label.zpl if suffix == "zpl" else label.svg() if suffix == "svg" else label.png()
            write_bytes(path, content)
    return label.sha256 == live.sha256


def _table(labels: Sequence[LabelRecord]) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from factory.values import LabelCode

    table = Table(pad_edge=False, box=SIMPLE_HEAD)
    for name in ("label", "code", "state", "UTC", "where, who", "printer", "reason"):
        # A code is compared by eye, letter by letter: the rest gives way where the screen is narrow.
        table.add_column(name, overflow="fold", no_wrap=name == "code", min_width=_LEAST.get(name))
    for label in labels:
        moment = label.voided_at or label.verified_at or label.printed_at or label.at
        table.add_row(
            str(label.number),
            LabelCode.of(label.nonce, label.hardware_id).for_people,
            str(label.state) + (" (not scanned)" if label.scan and label.state == "printed" else ""),
            f"{moment:%Y-%m-%d %H:%M}",
            " ".join(filter(None, (label.station, label.slot, label.operator))),
            label.printer,
            label.reason or "-",
        )
    return table


def _bench(path: Path | None) -> Bench | None:
    from factory.config import load_bench

    return load_bench(path) if path else None
