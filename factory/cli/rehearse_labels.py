"""`factory rehearse printer`, and the labels of `factory rehearse bench`."""

from __future__ import annotations

import contextlib
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.cli.session import show, talk
from factory.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory.rehearsal.printer import PrinterFault

_LABEL = """
# ---- Labels: printed after the proof, scanned before the unit passes -------------------------------------------------
[label]
template = "templates/label/unit.zpl"
scan = true
texts = { maker = "Rehearsal" }
"""


def add_to(group: typer.Typer) -> None:
    """Add the command."""
    group.command("printer")(printer)


def printer(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 is a free one.")] = 0,
    out: Annotated[Path, typer.Option(help="The folder for the labels; it is made.")] = Path("labels"),
    scans: Annotated[
        Path | None, typer.Option(help="Scan every label at once: append its code here, for `factory run --scans`.")
    ] = None,
    fault: Annotated[str | None, typer.Option(help="What goes wrong once; `--fault list` lists them.")] = None,
) -> None:
    """Start a label printer without paper and leave it running until Ctrl-C. It listens on this machine alone.

    Example:  factory rehearse printer --out labels --scans scans.txt --fault mix-up
    """
    from factory.rehearsal.printer import PrinterFault, SimulatedPrinter

    if fault == "list":
        for known in PrinterFault:
            show().print(f"{known:<10}{known.help}", soft_wrap=True, markup=False)
        return
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: ended.set())
    wrong = None if fault is None else _fault(fault)
    with SimulatedPrinter(out, port=port, scans=scans, fault=wrong, printed=tell_label) as simulated:
        for line in (
            f'printer = "{simulated.address}"    (into [station] of the bench file)',
            f"labels:  {out}",
            *([f"scanner: {scans}    (factory run --scans {scans})"] if scans else []),
            "Ctrl-C here ends it.",
        ):
            show().print(line, soft_wrap=True, markup=False, highlight=False)
        ended.wait()
    talk().print("the printer is gone; the labels are kept")


def tell_label(path: Path, code: str) -> None:
    """Say that a label came out, and what a scanner reads from it."""
    grouped = "-".join(code[start : start + 4] for start in range(0, len(code), 4))
    show().print(f"printed {path}: {grouped or 'no code on it'}", soft_wrap=True, markup=False, highlight=False)


@contextlib.contextmanager
def labels_of_bench(product: Path, bench_file: Path, folder: Path) -> Iterator[str]:
    """Give a rehearsal's product labels and its station a printer with a scanner, while the block runs; yields what
    `factory run` needs beside its other options. Raises FileError.
    """
    from factory.files import read_bytes, write_text
    from factory.rehearsal.printer import SimulatedPrinter

    scans = folder / "scans.txt"
    with SimulatedPrinter(folder / "labels", scans=scans, printed=tell_label) as simulated:
        write_text(product, read_bytes(product).decode("utf-8") + _LABEL)
        station = read_bytes(bench_file).decode("utf-8")
        printer_line = f'[station]\nprinter = "{simulated.address}"\n'
        write_text(bench_file, station.replace("[station]\n", printer_line, 1))
        yield f" --scans {scans}      (without --scans: type what the printer tells here)"


def _fault(name: str) -> PrinterFault:
    from factory.rehearsal.printer import PrinterFault

    try:
        return PrinterFault(name)
    except ValueError as error:
        known = ", ".join(PrinterFault)
        raise UsageError(f"there is no fault {name!r} of a printer", hint=f"There are: {known}.") from error
