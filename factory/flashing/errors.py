"""What goes wrong on the way onto a unit, and what is then still owed to it."""

from __future__ import annotations

from factory.errors import Exit, FactoryError
from factory.flashing.pending import Owed
from factory.values import Finding


class FlashError(FactoryError):
    """Flashing or proving failed. `pending` is not None when the old content could not be put back yet: the ledger
    records it, and the next contact with the unit gives it to `give_back`.
    """

    code = "flash"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: str | None = None,
        exit_code: Exit | None = None,
        pending: Owed | None = None,
    ) -> None:
        super().__init__(message, hint=hint, code=code, exit_code=exit_code)
        self.pending = pending


class PreflightRefused(FlashError):  # noqa: N818 - reads as what happened
    """The unit is not fit to be flashed; `findings` has every reason, and nothing was written."""

    code = "flash.preflight"

    def __init__(self, route: str, findings: tuple[Finding, ...]) -> None:
        first = findings[0]
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        super().__init__(f"{route}: {first.place}: {first.message}{more}", hint=first.hint, code=first.code)
        self.findings = findings


class OtherUnit(FlashError):  # noqa: N818 - reads as what happened
    """The unit that answers now is not the one that was read before, or it was restarted in between."""

    code = "flash.other-unit"


class NotProved(FlashError):  # noqa: N818 - reads as what happened
    """After its reboot the unit does not hold, or does not say, what was flashed."""

    code = "prove"
