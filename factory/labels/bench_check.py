"""Whether the printers of a bench are there: for `factory doctor`, before a unit waits for its label."""

from __future__ import annotations

import os
from pathlib import Path

from factory.config import Bench
from factory.labels.errors import PrinterError
from factory.labels.printers import FolderPrinter, TcpPrinter, open_printer
from factory.values import Finding, Severity

_WITHIN = 3.0
_CODE = "BENCH-PRINTER"


def printer_findings(bench: Bench, *, within: float = _WITHIN) -> list[Finding]:
    """Look at every printer that the bench file names; nothing is printed. Empty means that all are there."""
    places: dict[str, str] = {}
    if bench.station.printer is not None:
        places[bench.station.printer] = "station"
    for slot in bench.slot:
        if slot.printer is not None:
            places.setdefault(slot.printer, f"slot {slot.name}")
    found = (_look(address, place, bench.folder, within) for address, place in places.items())
    return [finding for finding in found if finding is not None]


def _look(address: str, place: str, folder: Path, within: float) -> Finding | None:
    printer = open_printer(address, folder, within=within)
    if isinstance(printer, TcpPrinter):
        try:
            printer.reach().close()
        except PrinterError as error:
            return Finding(_CODE, Severity.WARNING, place, error.message, error.hint)
    if isinstance(printer, FolderPrinter):
        parent = next(one for one in (printer.folder, *printer.folder.parents) if one.exists())
        if not parent.is_dir() or not os.access(parent, os.W_OK):
            what, hint = f"labels cannot be written to {printer.folder}", "Make the folder, or give the right to write."
            return Finding(_CODE, Severity.WARNING, place, what, hint)
    return None
