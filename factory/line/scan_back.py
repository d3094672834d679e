"""A slot that waits for the scan of its unit's label."""

from __future__ import annotations

from collections.abc import Callable

from factory.errors import FactoryError, UsageError
from factory.ledger import LabelRecord, Refused
from factory.line.feed import SlotState
from factory.line.operator import Key
from factory.line.progress import Tools
from factory.line.scanning import Heard, Scan, Scans, Waiting
from factory.units.deadline import Cancelled

_KEYS = "r + Enter prints it again, n + Enter gives up"


def require_scans(wanted: bool, fed: bool) -> None:
    """Raise UsageError (`label.no-scanner`) when scans are wanted and nobody could scan."""
    if wanted and not fed:
        raise UsageError(
            "this line scans labels, and there is no terminal that a scanner could type into",
            hint="Start it in a terminal, or name where scans come from, one per line: --scans FILE, a device, or -.",
            code="label.no-scanner",
        )


def scan_back(
    tools: Tools,
    label: LabelRecord,
    waiting: Waiting,
    *,
    tries: int,
    accept: Callable[[], object],
    reprint: bool = True,
) -> bool:
    """Wait until this label is scanned and `accept` has taken it, which may refuse; False when somebody wants another
    one printed. `waiting` has heard since before it was printed.

    Raises FactoryError: `label.wrong` after `tries` scans of other labels, `label.given-up`, `label.no-scanner`;
    Cancelled.
    """
    wrong = 0
    tools.keys.forget()
    keys = _KEYS if reprint else "n + Enter gives up"
    ask = f"SCAN: the label of this unit ({keys})"
    _show(tools, SlotState.SCAN, ask, label)
    while True:
        if tools.cancel.is_set():
            raise Cancelled("called off while the label waited for its scan")
        key = tools.keys.next(0)
        if key is Key.REPRINT and reprint:
            return False
        if key is Key.NO:
            raise FactoryError(
                f"the label of unit {label.hardware_id} was given up at the station",
                hint="Throw the label away and run the unit again.",
                code="label.given-up",
            )
        scan = waiting.next(tools.setup.timing.tick)
        if scan is None:
            continue
        if scan.heard is Heard.RIGHT:
            scan = _accepted(accept)
            if scan is None:
                return True
        if scan.heard is Heard.ENDED:
            raise FactoryError(
                f"no scan can come any more: {scan.message}",
                hint="Connect the scanner, start the line again, and run the unit again.",
                code="label.no-scanner",
            )
        if scan.heard is Heard.REMARK:
            _show(tools, SlotState.SCAN, f"SCAN: {scan.message}", label)
            continue
        wrong += 1
        _tell_wrong(tools, scan, label, left=tries - wrong)


def scan_own_label(tools: Tools, unit: int, hardware_id: str, *, tries: int = 3) -> LabelRecord:
    """Ask for the label that is on a unit at a station beyond the one that printed it; returns it when it is the
    unit's own and valid.

    Raises FactoryError: `label.none` when the unit has no valid label, and as `scan_back`.
    """
    ledger = tools.setup.ledger
    label = ledger.live_label(unit)
    if label is None or not label.proves:
        told = "it has none" if label is None else label.standing()
        raise FactoryError(
            f"unit {hardware_id} has no valid label: {told}",
            hint="Print it again: factory label print. Then scan that one.",
            code="label.none",
        )
    slot = tools.slot.name

    def accept() -> None:
        ledger.label_scanned(label, slot=slot)

    with scans_of(tools).waiting(slot, label.nonce, label.hardware_id) as waiting:
        scan_back(tools, label, waiting, tries=tries, accept=accept, reprint=False)
    return label


def scans_of(tools: Tools) -> Scans:
    """What hears scans. Raises UsageError (`label.no-scanner`) where nobody could scan."""
    scans = tools.setup.scans
    require_scans(True, scans is not None and scans.fed)
    assert scans is not None
    return scans


def _accepted(accept: Callable[[], object]) -> Scan | None:
    """None when the ledger takes it; else why not: it was voided meanwhile, at another station."""
    try:
        accept()
    except Refused as refused:
        return Scan(Heard.WRONG, refused.message)
    return None


def _tell_wrong(tools: Tools, scan: Scan, label: LabelRecord, *, left: int) -> None:
    message = f"another label than that of unit {label.hardware_id} was scanned: {scan.message}"
    tools.transcript.note(message)
    tools.setup.ledger.wrong_scan(scan.text, scan.label, slot=tools.slot.name, attempt=label.attempt, why=scan.message)
    if left < 1:
        raise FactoryError(
            message, hint="Find out which label is on which unit, then run the unit again.", code="label.wrong"
        )
    _show(tools, SlotState.WRONG, f"WRONG LABEL: {scan.message}. Scan this unit's own ({left} more)", label)


def _show(tools: Tools, state: SlotState, text: str, label: LabelRecord) -> None:
    tools.feed.state(state, text, step="label", attempt=label.attempt, hardware_id=label.hardware_id)
