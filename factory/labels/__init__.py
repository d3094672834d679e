"""LABELS: what is stuck onto a unit, how it is printed, and what a scanner reads from it."""

from factory.labels.content import label_names, new_nonce, sample_names
from factory.labels.errors import LabelError, PrinterError
from factory.labels.printers import Printer, open_printer, printer_of
from factory.labels.scan import Fault, ScanFault, complete_code, read_scan
from factory.labels.template import Label, LabelTemplate, open_template

__all__ = [
    "Fault",
    "Label",
    "LabelError",
    "LabelTemplate",
    "Printer",
    "PrinterError",
    "ScanFault",
    "complete_code",
    "label_names",
    "new_nonce",
    "open_printer",
    "open_template",
    "printer_of",
    "read_scan",
    "sample_names",
]
