"""What can go wrong with a label that a person can mend."""

from __future__ import annotations

from factory.errors import FactoryError


class LabelError(FactoryError):
    """A label cannot be made from its template."""

    code = "label.template"


class PrinterError(FactoryError):
    """A label was not printed, or nobody knows whether it was. `sent` is True when the printer may have it."""

    code = "label.printer"

    def __init__(self, message: str, *, hint: str, code: str, sent: bool = False) -> None:
        super().__init__(message, hint=hint, code=code)
        self.sent = sent
