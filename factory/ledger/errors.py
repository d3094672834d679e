"""What can go wrong with the ledger that a person can mend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory.errors import Exit, FactoryError

if TYPE_CHECKING:
    from factory.ledger.order_records import Skipped
    from factory.ledger.records import Attempt, KnownHostKey

_SHOWN = 10

DAMAGED = "ledger.damaged"
AWAY = "ledger.away"


class LedgerError(FactoryError):
    """The ledger cannot be read or written: disk full, read-only, damaged, locked. Nothing of the step was kept."""

    code = "ledger"
    exit_code = Exit.NOT_STARTED


class Refused(FactoryError):  # noqa: N818 - the line says "refused", not "refused error"
    """A unit was not admitted. `code` is `ledger.clone`, `ledger.already-passed`, `ledger.name-taken`,
    `ledger.same-unit?`, or of the order: `ledger.not-on-order`, `ledger.two-order-rows`, `ledger.order-row-taken`,
    `ledger.order-changed`.

    `attempt` is the refused attempt as it stands in the ledger (None for the question, which commits nothing);
    `other` is the attempt that stands against it.
    """

    code = "ledger.refused"

    def __init__(self, message: str, *, hint: str, code: str, other: Attempt | None = None) -> None:
        super().__init__(message, hint=hint, code=code)
        self.other = other
        self.attempt: Attempt | None = None


class LotChanged(FactoryError):  # noqa: N818 - reads as what happened
    """A lot is bound to another product; `differences` has one sentence per thing that differs."""

    code = "ledger.lot-changed"
    exit_code = Exit.USAGE

    def __init__(self, lot: str, differences: tuple[str, ...]) -> None:
        super().__init__(
            f"lot {lot} is bound to another product: {'; '.join(differences)}",
            hint="Start a new lot, or accept the change with a reason; units made before stay as they are.",
        )
        self.differences = differences


class HostKeyAlarm(FactoryError):  # noqa: N818 - it is one
    """A unit whose MACs are known showed another host key; nothing was written to it.

    `macs` are the addresses (colon form) that another key is known for, `known` is the newest such key, and `other`
    is the newest attempt on the unit that owns one of them, None when none does.
    """

    code = "ledger.host-key"

    def __init__(
        self, message: str, *, hint: str, known: KnownHostKey, macs: tuple[str, ...], other: Attempt | None
    ) -> None:
        super().__init__(message, hint=hint)
        self.known = known
        self.macs = macs
        self.other = other


class OrderTaken(FactoryError):  # noqa: N818 - reads as what happened
    """An order was not imported: values of its rows are taken. `taken` has one entry per row."""

    code = "ledger.order-taken"
    exit_code = Exit.FAILED

    def __init__(self, file: str, lot: str, taken: tuple[Skipped, ...]) -> None:
        lines = "".join(f"\n  {one}" for one in taken[:_SHOWN])
        more = f"\n  and {len(taken) - _SHOWN} more" if len(taken) > _SHOWN else ""
        super().__init__(
            f"{file} was not imported into lot {lot}: {len(taken)} of its rows are known{lines}{more}",
            hint="Remove them, or leave them out with --skip-existing.",
        )
        self.taken = taken


class VerdictsRefused(FactoryError):  # noqa: N818 - reads as what happened
    """A portal's answer does not fit what was exported; nothing of it was taken. `reasons` has one line per row."""

    code = "ledger.verdicts"
    exit_code = Exit.FAILED

    def __init__(self, file: str, reasons: tuple[str, ...]) -> None:
        lines = "".join(f"\n  {reason}" for reason in reasons[:_SHOWN])
        more = f"\n  and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
        super().__init__(
            f"{file} was not taken: {len(reasons)} of its rows do not fit:{lines}{more}",
            hint="Is it the answer to this lot? `factory ledger trace VALUE` tells the life of a unit.",
        )
        self.reasons = reasons
