"""Leasing an identity from the ledger; where no serial can be compared, the operator is asked."""

from __future__ import annotations

from factory.ledger import Attempt, Refused
from factory.line.operator import Key
from factory.line.progress import Tools
from factory.units.deadline import Cancelled
from factory.values import Facts, Identity, Work


def lease(tools: Tools, identity: Identity, facts: Facts, work: Work) -> Attempt:
    """Admit a unit. Raises Refused, LedgerError, Cancelled."""
    setup = tools.setup
    key = identity.registration_key
    fingerprint = None if key is None else setup.keys.fingerprint(key)

    def ask_ledger(same_unit: bool | None) -> Attempt:
        return setup.ledger.admit(
            identity,
            facts,
            lot=setup.lot,
            slot=tools.slot.name,
            fingerprint=fingerprint,
            same_unit=same_unit,
            work=work,
            transcript=tools.transcript.path.name,
        )

    try:
        return ask_ledger(None)
    except Refused as refused:
        if refused.code != "ledger.same-unit?":
            raise
        return ask_ledger(setup.interactive and _ask_operator(tools, refused))


def _ask_operator(tools: Tools, refused: Refused) -> bool:
    tools.keys.forget()
    tools.feed.question(refused.message, refused.code)
    while not tools.cancel.is_set():
        key = tools.keys.next(tools.setup.timing.tick)
        if key in (Key.YES, Key.NO, Key.REMOVED):
            return key is Key.YES
    raise Cancelled("called off while the operator was asked")
