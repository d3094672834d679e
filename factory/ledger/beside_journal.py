"""What a line asks of its ledger, where it is another matter because there is a journal beside the server."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from factory.errors import FactoryError
from factory.ledger.claim import claim_of
from factory.ledger.errors import AWAY, LedgerError, Refused
from factory.ledger.ledger import Ledger
from factory.ledger.local_journal import LocalJournal
from factory.ledger.pool_records import Given, Want
from factory.ledger.records import Attempt
from factory.ledger.stage_records import StagedUnit, StagePlace
from factory.ledger.store import Store
from factory.values import Event, Facts, Identity, Proof, Receipt

NEEDS_SERVER = "ledger.needs-server"
_EXHAUSTED = "pool.exhausted"


class BesideJournal(Ledger):
    """Online the journal learns at once what it must know; offline what only the server can judge is refused."""

    def __init__(self, home: Store, journal: LocalJournal) -> None:
        super().__init__(home)
        self._home = home
        self._journal = journal

    @property
    def is_offline(self) -> bool:
        """Whether the server is away and the journal in use."""
        return self._store is not self._home

    def give_cells(self, wants: Sequence[Want], facts: Facts, *, slot: str) -> tuple[Given, ...]:
        """As `Ledger.give_cells`; the journal knows of it before anything is written to the unit. Raises Refused
        `ledger.needs-server` when what was leased to the journal is used up.
        """
        try:
            given = super().give_cells(wants, facts, slot=slot)
        except Refused as refused:
            if not self.is_offline or refused.code != _EXHAUSTED:
                raise
            raise Refused(
                f"what this station had leased for the time without its server is used up: {refused.message}",
                hint="Keep the unit here until the server is there again.",
                code=NEEDS_SERVER,
            ) from refused
        if not self.is_offline and any(one.fresh for one in given):
            self._journal.learn_cells(self._home, {(str(one.kind), one.value) for one in given})
        return given

    def admit(self, identity: Identity, facts: Facts, **more: Any) -> Attempt:
        """As `Ledger.admit`. Raises Refused `ledger.needs-server` for a unit that the server has done with."""
        known = self._journal.known_to_server(claim_of(identity, facts)) if self.is_offline else None
        if known is not None:
            raise Refused(
                f"the server knows this unit: {known['what']}, {known['state']}; it was in {known['place']}",
                hint="Put it aside until the server is there again: only it can tell what may be done.",
                code=NEEDS_SERVER,
            )
        return super().admit(identity, facts, **more)

    def passed(self, attempt: int, receipt: Receipt, proof: Proof, *, hook: bool = False) -> Event:
        """As `Ledger.passed`; the journal knows the unit as done."""
        event = super().passed(attempt, receipt, proof, hook=hook)
        if not self.is_offline:
            # The pass is committed, whatever becomes of this.
            with contextlib.suppress(FactoryError):
                self._journal.learn_unit(self._home, attempt)
        return event

    def require_stage(self, identity: Identity, facts: Facts, place: StagePlace) -> StagedUnit:
        """As `Ledger.require_stage`; where a unit has been only the server knows."""
        if self.is_offline:
            raise Refused(
                f"stage {place.stage} needs the server's record of unit {identity.hardware_id.text}, and it is away",
                hint="Keep the unit here until the server is there again.",
                code=NEEDS_SERVER,
            )
        return super().require_stage(identity, facts, place)

    def leave_restore(self, attempt: int, data: Mapping[str, object]) -> Event:
        """As `Ledger.leave_restore`; the journal keeps what the server cannot be told now."""
        try:
            return super().leave_restore(attempt, data)
        except LedgerError as error:
            if error.code == AWAY:
                self._journal.owe(attempt, data)
            raise
