"""The label of a unit that has been proved: printed, scanned back, and matched three ways.

What the scan says, what the unit said in its proof, and what the ledger holds must agree: the code names one label of
this attempt and the unit's hardware id, and the ledger takes each label once (factory floor reference, section 5).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence

from factory.config import Bench, LabelSection, Product, Slot
from factory.errors import FactoryError
from factory.files import FileError
from factory.labels import (
    Label,
    LabelTemplate,
    Printer,
    PrinterError,
    label_names,
    new_nonce,
    open_template,
    printer_of,
)
from factory.labels.printers import file_name
from factory.ledger import Attempt, LabelRecord
from factory.line.feed import SlotState
from factory.line.operator import Key
from factory.line.progress import Progress, Tools
from factory.line.scan_back import require_scans, scan_back, scan_own_label, scans_of
from factory.line.scanning import Waiting
from factory.units.deadline import Cancelled
from factory.values import Identity, LabelCode
from factory.values.label import nonce_of

__all__ = ["Labelling", "open_labelling", "require_scans", "scan_own_label"]


class Labelling:
    """The labels of one line; any thread may call it."""

    def __init__(
        self, product: Product, section: LabelSection, template: LabelTemplate, printers: Mapping[str, Printer]
    ) -> None:
        self._product = product
        self._section = section
        self._template = template
        self._printers = printers
        self._turns = {printer.place: threading.Lock() for printer in printers.values()}
        self._at_work: dict[str, str] = {}

    def require_label(self, identity: Identity, record: Attempt) -> None:
        """Raise LabelError where the template cannot be filled in for this unit, before anything is written to it."""
        code = LabelCode.of(nonce_of(bytes(8)), identity.hardware_id.text)
        self._render(identity, record, code)

    def attach(self, tools: Tools, progress: Progress) -> None:
        """Give a proved unit its label. Returns when it was printed and, where the product wants that, scanned back.

        Raises FactoryError `label.*`, PrinterError, LabelError, LedgerError, Cancelled.
        """
        printer = self._printers[tools.slot.name]
        reason = ""
        with self._turn(tools, printer):
            while not self._one(tools, progress, printer, reason):
                reason = "printed again at the station"

    def _one(self, tools: Tools, progress: Progress, printer: Printer, reason: str) -> bool:
        """Print one label and let it be scanned; False when another one has to be printed."""
        assert progress.identity is not None
        code = LabelCode.of(new_nonce(), progress.identity.hardware_id.text)
        if not self._section.scan:
            return self._print(tools, progress, printer, code, reason) is not None
        slot, hardware_id = tools.slot.name, progress.identity.hardware_id.text
        # Heard from here on: a quick hand scans it before the ledger knows that it is printed.
        with scans_of(tools).waiting(slot, code.nonce, hardware_id) as waiting:
            label = self._print(tools, progress, printer, code, reason)
            return label is not None and self._scanned(tools, label, waiting)

    def _print(
        self, tools: Tools, progress: Progress, printer: Printer, code: LabelCode, reason: str
    ) -> LabelRecord | None:
        """Commit the intent, print, commit that it is printed; None when it has to be printed again."""
        identity, record = progress.identity, progress.record
        assert identity is not None
        assert record is not None
        ledger, nonce = tools.setup.ledger, code.nonce
        label = self._render(identity, record, code)
        ledger.begin_label(
            record.id,
            nonce,
            sha256=label.sha256,
            printer=printer.place,
            slot=tools.slot.name,
            scan=self._section.scan,
            reason=reason,
            template=self._template.sha256,
        )
        try:
            printer.print(label, file_name(identity.hardware_id.text, nonce))
        except (PrinterError, FileError) as error:
            ledger.void_label(nonce, error.message)
            self._trouble(tools, error)
            return None
        made = ledger.label_printed(nonce)
        tools.transcript.note(f"label {made.number} printed: {printer.place}, sha256 {label.sha256}")
        return made

    def _render(self, identity: Identity, record: Attempt, code: LabelCode) -> Label:
        names = label_names(self._product, identity.public(), lot=record.lot, made=record.started, code=code)
        return self._template.render(names)

    def _scanned(self, tools: Tools, label: LabelRecord, waiting: Waiting) -> bool:
        ledger, slot = tools.setup.ledger, tools.slot.name

        def accept() -> None:
            ledger.verify_label(label.nonce, label.hardware_id, slot=slot)

        good = scan_back(tools, label, waiting, tries=self._section.tries, accept=accept)
        tools.transcript.note(f"label {label.number} {'was scanned' if good else 'is to be printed again'}")
        return good

    def _trouble(self, tools: Tools, error: FactoryError) -> None:
        """The printer failed: whoever is there may mend it. Raises the error where nobody is, or gives up."""
        tools.transcript.note(f"printing failed: {error.message} [{error.code}]")
        scans = tools.setup.scans
        if scans is None or not scans.fed:
            raise error
        tools.keys.forget()
        text = f"PRINTER: {error.message} (r + Enter tries again, n + Enter gives up)"
        tools.feed.state(SlotState.WRONG, text, step="label", hint=error.hint)
        while not tools.cancel.is_set():
            key = tools.keys.next(tools.setup.timing.tick)
            if key is Key.REPRINT:
                return
            if key is Key.NO:
                raise error
        raise Cancelled("called off while the printer was away")

    @contextlib.contextmanager
    def _turn(self, tools: Tools, printer: Printer) -> Iterator[None]:
        """One label at a time from each printer: two that lie there side by side can be stuck onto the wrong units,
        and then both scans are right.
        """
        slot, turn, said = tools.slot.name, self._turns[printer.place], ""
        while not turn.acquire(timeout=tools.setup.timing.tick):
            before = self._at_work.get(printer.place, "")
            if before != said:
                said = before
                tools.feed.state(SlotState.WORKING, f"working: waits for the label of slot {before}", step="label")
            if tools.cancel.is_set():
                raise Cancelled("called off while the printer had another slot's label")
        try:
            self._at_work[printer.place] = slot
            tools.feed.state(SlotState.WORKING, "working: label", step="label")
            yield
        finally:
            self._at_work.pop(printer.place, None)
            turn.release()


def open_labelling(product: Product, bench: Bench, slots: Sequence[Slot], *, fed: bool) -> Labelling | None:
    """What prints this product's labels; None where it has none. `fed` says that somebody can scan.

    Raises UsageError (`label.no-printer`, `label.no-scanner`), LabelError, FileError: before any unit is touched.
    """
    section = product.label
    if section is None:
        return None
    require_scans(section.scan, fed)
    printers = {}
    for slot in slots:
        printers[slot.name] = printer_of(bench, slot)
    return Labelling(product, section, open_template(product), printers)
