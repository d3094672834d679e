"""The rules of admission against a model that is told in a few lines."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from factory.ledger import Refused, UnitHistory
from factory.values import AttemptState
from tests.ledger import made
from tests.ledger.made import admit, opened


@dataclass
class Known:
    macs: frozenset[int]
    hardware_id: str
    serial: str | None
    name: str
    state: str  # in work, failed, passed, unknown
    attempt: int


class Admission(RuleBasedStateMachine):
    """A handful of values, so that they meet often."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.ledger = opened(self.folder)
        self.units: list[Known] = []

    @rule(
        macs=st.lists(st.integers(1, 4), min_size=1, max_size=2, unique=True),
        hardware_id=st.sampled_from(["id-1", "ID1", "id-2", "id-3"]),
        name=st.sampled_from(["gate", "GATE", "door", "lift"]),
        serial=st.sampled_from([None, "SN1", "SN2", "SN3"]),
        same_unit=st.sampled_from([None, True, False]),
    )
    def connect(self, macs: list[int], hardware_id: str, name: str, serial: str | None, same_unit: bool | None) -> None:
        expected, owner = self._expected(frozenset(macs), hardware_id, serial, same_unit)
        if expected == "admitted":
            holders = [unit for unit in self.units if unit is not owner and unit.name.lower() == name.lower()]
            assert len(holders) < 2
            if holders:
                expected, owner = "ledger.name-taken", holders[0]
        count = self.ledger.show(last=1000)
        try:
            attempt = admit(self.ledger, *macs, serial=serial, hardware_id=hardware_id, name=name, same_unit=same_unit)
            outcome = "admitted"
        except Refused as refusal:
            outcome = refusal.code
            committed = self.ledger.show(last=1000)
            new = len(committed.attempts) - len(count.attempts)
            assert new == (0 if outcome == "ledger.same-unit?" else 1)
            assert owner is None or refusal.other is None or refusal.other.id == owner.attempt
        assert outcome == expected
        if outcome != "admitted":
            return
        if owner is None:
            self.units.append(Known(frozenset(macs), hardware_id, serial, name, "in work", attempt.id))
            assert attempt.number == 1
        else:
            assert attempt.number > 1
            assert ("interrupted" in attempt.note) == (owner.state == "unknown")
            owner.state, owner.attempt, owner.serial = "in work", attempt.id, owner.serial or serial
            owner.name = name

    def _expected(
        self, macs: frozenset[int], hardware_id: str, serial: str | None, same_unit: bool | None
    ) -> tuple[str, Known | None]:
        meets = [
            unit
            for unit in self.units
            if unit.macs & macs
            or (serial is not None and unit.serial == serial)
            or _folded(unit.hardware_id) == _folded(hardware_id)
        ]
        if not meets:
            return "admitted", None
        unit = meets[0]
        if len(meets) > 1 or unit.macs != macs or unit.hardware_id != hardware_id:
            return "ledger.clone", unit
        comparable = serial is not None and unit.serial is not None
        if (comparable and serial != unit.serial) or unit.state == "in work":
            return "ledger.clone", unit
        if unit.state == "passed":
            return "ledger.already-passed", unit
        if comparable or same_unit:
            return "admitted", unit
        return ("ledger.same-unit?" if same_unit is None else "ledger.clone"), unit

    def _in_work(self) -> list[Known]:
        return [unit for unit in self.units if unit.state == "in work"]

    @precondition(lambda self: self._in_work())
    @rule(data=st.data(), passes=st.booleans())
    def end(self, data: st.DataObject, passes: bool) -> None:
        unit = data.draw(st.sampled_from(self._in_work()))
        if passes:
            made.to_proved(self.ledger, self.ledger.attempt(unit.attempt))
            self.ledger.passed(unit.attempt, made.receipt(), made.proof())
        else:
            self.ledger.failed(unit.attempt, "x", "y")
        unit.state = "passed" if passes else "failed"

    @precondition(lambda self: self._in_work())
    @rule()
    def crash_and_start_again(self) -> None:
        self.ledger.close()
        self.ledger = opened(self.folder)
        left = self._in_work()
        assert [attempt.id for attempt in self.ledger.recover()] == sorted(unit.attempt for unit in left)
        for unit in left:
            unit.state = "unknown"

    @invariant()
    def the_ledger_says_the_same(self) -> None:
        for unit in self.units:
            state = self.ledger.attempt(unit.attempt).state
            assert {
                "in work": state not in (AttemptState.UNKNOWN, AttemptState.REFUSED) and not state.is_final,
                "failed": state is AttemptState.FAILED,
                "passed": state is AttemptState.PASSED,
                "unknown": state is AttemptState.UNKNOWN,
            }[unit.state]

    def teardown(self) -> None:
        assert self.ledger.verify() == ()
        for unit in self.units:
            (history,) = [found for found in self.ledger.trace(unit.name.upper()).units if _named(found) == unit.name]
            assert history.attempts[-1].id == unit.attempt
        assert len(self.ledger.passed_units(made.LOT)) == sum(unit.state == "passed" for unit in self.units)
        self.ledger.close()
        shutil.rmtree(self.folder)


def _named(history: UnitHistory) -> str:
    (name,) = [value for kind, value in history.values if kind == "device-name"]
    return name


def _folded(name: str) -> str:
    return name.lower().replace("-", "")


TestAdmission = Admission.TestCase
TestAdmission.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
