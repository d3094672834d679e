"""Labels of units that have passed: made again as they were, and printed anew."""

from __future__ import annotations

from factory.config import Bench, LabelSection, Product, Slot
from factory.errors import UsageError
from factory.files import FileError
from factory.labels import Label, PrinterError, label_names, new_nonce, open_template, printer_of
from factory.labels.printers import file_name
from factory.ledger import LabelRecord, LabelSubject, Ledger
from factory.values import LabelCode


def label_of(product: Product, subject: LabelSubject, nonce: str) -> Label:
    """The label `nonce` of a unit, as the product's template makes it now. Raises UsageError, LabelError, FileError."""
    return _made(product, subject, nonce)[0]


def print_again(
    ledger: Ledger, product: Product, bench: Bench, subject: LabelSubject, *, slot: Slot | None, reason: str
) -> LabelRecord:
    """Print a new label for a unit that has passed; the one before is void from the moment of the intent.

    Raises UsageError, Refused, LabelError, PrinterError, FileError, LedgerError.
    """
    section = require_label(product)
    if ledger.lot(subject.lot).binding.product != product.product.name:
        raise UsageError(
            f"unit {subject.hardware_id} is of another product than {product.product.name}",
            hint="Name the product file that its lot was made with.",
            code="label.product",
        )
    printer = printer_of(bench, slot)
    nonce = new_nonce()
    label, template = _made(product, subject, nonce)
    ledger.begin_label(
        subject.attempt,
        nonce,
        sha256=label.sha256,
        printer=printer.place,
        slot="" if slot is None else slot.name,
        scan=section.scan,
        reason=reason,
        template=template,
    )
    try:
        printer.print(label, file_name(subject.hardware_id, nonce))
    except (PrinterError, FileError) as error:
        ledger.void_label(nonce, error.message)
        raise
    return ledger.label_printed(nonce)


def require_label(product: Product) -> LabelSection:
    """The product's [label]. Raises UsageError (`label.none`)."""
    if product.label is None:
        raise UsageError(
            f"product {product.product.name} has no labels",
            hint="Put [label] into its product file: docs/labels.md.",
            code="label.none",
        )
    return product.label


def _made(product: Product, subject: LabelSubject, nonce: str) -> tuple[Label, str]:
    """The label, and the hash of its template."""
    require_label(product)
    template = open_template(product)
    code = LabelCode.of(nonce, subject.hardware_id)
    names = label_names(product, subject.identity, lot=subject.lot, made=subject.started, code=code)
    return template.render(names), template.sha256
