"""What is wrong with a sheet: every finding at once, with its row, column and cell."""

from __future__ import annotations

from collections.abc import Sequence

from factory.errors import Exit, FactoryError
from factory.values import Finding

_SHOWN = 20


class SheetError(FactoryError):
    """Rows that a portal's file cannot carry, or a file that is not what was written; `findings` says where."""

    code = "sheet"
    exit_code = Exit.FAILED

    def __init__(
        self, message: str, findings: Sequence[Finding] = (), *, hint: str = "", code: str | None = None
    ) -> None:
        lines = "".join(f"\n  {finding}" for finding in findings[:_SHOWN])
        more = f"\n  and {len(findings) - _SHOWN} more" if len(findings) > _SHOWN else ""
        super().__init__(f"{message}{lines}{more}", hint=hint, code=code)
        self.findings = tuple(findings)
