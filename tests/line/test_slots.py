"""Slots over time: units that come, stay, go and come back; and slots that fail beside others that work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from factory.config import Slot
from factory.errors import UsageError
from factory.ledger import Ledger, LedgerError, LotChanged, open_ledger
from factory.line import Key
from factory.line.routes import Route
from factory.line.setup import default_routes, login_of
from factory.line.watching import SlotWatch
from factory.rehearsal.faults import Fault
from factory.rehearsal.unit import SimulatedUnit
from factory.units.deadline import Deadline
from factory.units.ports import port_holders
from factory.units.protocol import Completed, Progress, Sent, Tools, Unit, UnitGone
from factory.values import AttemptState, Event
from tests.line.floor import FAST, LOT, SERIAL, SSH, Floor, by_slot, eventually, outcomes, plan


@pytest.mark.parametrize("routes", [SERIAL, SSH], ids=["serial", "ssh"])
def test_a_passed_unit_stays_passed_until_it_is_taken_away_and_the_next_one_is_a_new_run(
    tmp_path: Path, routes: frozenset[str]
) -> None:
    with Floor(tmp_path, [plan(1, routes)]) as floor, floor.running() as running:
        running.wait("slot.state", state="pass")
        unit = floor.unit(1)
        time.sleep(2 * FAST.gone_after)
        assert not [event for event in running.events if event.kind == "slot.removed"], "it is still there"
        unit.pull()
        running.wait("slot.removed", how="removed")
        running.wait("slot.state", state="connect", count=2)
        unit.swap()
        unit.plug()
        running.wait("attempt.passed", count=2)
        passed = floor.ledger.passed_units(LOT)
        assert len({one.hardware_id for one in passed}) == 2
        running.stop()
        if port := floor.config.slot[0].serial:
            eventually(lambda: port_holders(port.port) == ())


def test_a_unit_that_restarts_by_itself_after_its_pass_is_still_here(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1)]) as floor, floor.running() as running:
        running.wait("slot.state", state="pass")
        floor.unit(1).power_off()
        time.sleep(FAST.probe_every * 2)
        floor.unit(1).power_on()
        running.wait("slot.still-here")
        running.wait("slot.state", state="pass", count=2)
        running.stop()
        assert [event.kind for event in running.events].count("attempt.admitted") == 1


def test_a_passed_unit_that_comes_back_after_its_removal_is_known_and_by_the_key_it_is_judged_anew(
    tmp_path: Path,
) -> None:
    with Floor(tmp_path, [plan(1)]) as floor, floor.running() as running:
        running.wait("slot.state", state="pass")
        floor.unit(1).pull()
        running.wait("slot.removed")
        floor.unit(1).plug()
        running.wait("slot.still-here")
        running.wait("slot.state", state="pass", count=2)
        running.line.press("slot-01", Key.REMOVED)
        running.wait("slot.removed", how="removed, said the operator")
        refused = running.wait("attempt.refused")
        assert refused.data["code"] == "ledger.already-passed"
        assert "already passed" in str(running.wait("slot.state", state="fail").data["text"])


@pytest.mark.parametrize("what", ["clone", "wiped"])
def test_an_empty_unit_that_shows_what_the_passed_one_showed_is_never_called_passed(tmp_path: Path, what: str) -> None:
    """A clone without a board serial, and the same board with a fresh card, are all the same to a reader of facts."""
    first = plan(1, serial="0000000000000000") if what == "clone" else plan(1)
    with Floor(tmp_path, [first]) as floor, floor.running() as running:
        running.wait("slot.state", state="pass")
        unit = floor.unit(1)
        unit.pull()
        running.wait("slot.removed")
        if what == "clone":
            unit.swap(replace(first, name="u1x"))
        else:
            for name in ("hardware_id.txt", "registration_key.txt", "bulk_identification_code.txt"):
                (unit.root / "etc/connectd" / name).write_text("default.\n")
        unit.plug()
        refused = running.wait("slot.state", state="fail")
        assert "the unit of before" not in str(refused.data["text"])
        running.stop()
        assert not [event for event in running.events if event.kind == "slot.still-here"]
        assert (unit.root / "etc/connectd/hardware_id.txt").read_text() == "default.\n", "nothing was written"


def test_a_failed_unit_gets_another_go_when_it_was_taken_away(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1, SSH, Fault.LEFTOVER_FILES)]) as floor, floor.running() as running:
        running.wait("attempt.failed")
        unit = floor.unit(1)
        unit.pull()
        running.wait("slot.removed")
        floor.clear_leftovers(1)
        unit.plug()
        running.wait("attempt.passed")
        summary = running.stop()
        assert [str(row.outcome) for row in summary.rows] == ["failed", "passed"]


def test_a_failed_unit_that_was_not_even_restarted_is_still_here(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1, SSH, Fault.LEFTOVER_FILES)]) as floor, floor.running() as running:
        running.wait("slot.state", state="fail")
        running.line.press("slot-01", Key.HERE)
        running.wait("slot.still-here")
        running.wait("slot.state", state="fail", count=2)
        assert running.stop().failed == 1


def test_a_key_for_a_slot_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1)]) as floor:
        line = floor.line()
        with pytest.raises(UsageError, match="no slot 'B'"):
            line.press("B", Key.HERE)
        with pytest.raises(UsageError, match="no slot named B") as caught:
            floor.line(slots=["B"])
        assert caught.value.code == "line.slot"
        assert floor.line(slots=["slot-01"]).slots == ("slot-01",)


class Wrapped:
    """A real unit between whose calls a test steps."""

    def __init__(self, unit: Unit, before: Callable[[str, Deadline], None]) -> None:
        self._unit = unit
        self._before = before

    @property
    def route(self) -> str:
        return self._unit.route

    @property
    def tools(self) -> Tools:
        return self._unit.tools

    def run(self, command: str, *, deadline: Deadline) -> Completed:
        self._before("run", deadline)
        return self._unit.run(command, deadline=deadline)

    def put(
        self,
        source: Callable[[int], BinaryIO],
        command: str,
        *,
        deadline: Deadline,
        progress: Progress | None = None,
    ) -> Sent:
        self._before("put", deadline)
        return self._unit.put(source, command, deadline=deadline, progress=progress)

    def close(self) -> None:
        self._unit.close()


class WrappedRoute:
    def __init__(self, route: Route, before: Callable[[str, Deadline], None]) -> None:
        self._route = route
        self._before = before
        self.name = route.name
        self.watch = route.watch

    def open(self, **given: Any) -> Unit:
        return Wrapped(self._route.open(**given), self._before)


def stepping_in(floor: Floor, acts: dict[str, Callable[[str, Deadline], None]]) -> dict[str, Any]:
    """Arguments for a line in whose slots `acts` are called before each call of a unit."""
    real = default_routes(floor.product, login_of(floor.product), FAST)

    def routes(slot: Slot) -> tuple[Route, ...]:
        act = acts.get(slot.name)
        return real(slot) if act is None else tuple(WrappedRoute(route, act) for route in real(slot))

    return {"routes_of": routes}


def pulling(unit: SimulatedUnit) -> Callable[[str, Deadline], None]:
    def act(what: str, deadline: Deadline) -> None:
        if what == "put":
            unit.pull(cable_only=True)

    return act


def hanging(what: str, deadline: Deadline) -> None:
    """A unit that never answers: only the deadline ends it."""
    while True:
        deadline.check("hanging")
        time.sleep(0.05)


def crashing(what: str, deadline: Deadline) -> None:
    raise ZeroDivisionError("a bug of ours")


def test_a_slot_that_crashes_hangs_or_is_pulled_neither_stops_nor_delays_another(tmp_path: Path) -> None:
    settings = {"unit.timeouts.command": 1.5, "unit.timeouts.boot": 2.0, "unit.timeouts.login": 2.0}
    plans = [*(plan(number) for number in range(1, 6)), plan(6, SERIAL, Fault.CABLE_CUT)]
    with Floor(tmp_path, plans, settings=settings) as floor:
        acts = {"slot-01": crashing, "slot-02": hanging, "slot-03": pulling(floor.unit(3))}
        with floor.running(6, timing=replace(FAST, tries=1), **stepping_in(floor, acts)) as running:
            began = time.monotonic()
            running.wait("slot.state", slot="slot-04", state="pass")
            running.wait("slot.state", slot="slot-05", state="pass")
            sound = time.monotonic() - began
            summary = running.ended()
        rows = by_slot(summary)
        assert outcomes(summary)["slot-01"] == ("failed", "line.bug")
        assert "ZeroDivisionError" in str(rows["slot-01"].cause)
        bug = next(event for event in running.events if event.kind == "line.bug")
        assert "crashing" in str(bug.data["traceback"])
        assert outcomes(summary)["slot-02"] == ("failed", "unit.timeout")
        assert str(rows["slot-03"].outcome) == "failed"
        assert str(rows["slot-06"].outcome) == "failed", "a cable that was cut half-way"
        assert sound < rows["slot-02"].seconds, "nobody waited for the one that hung"
        assert summary.exit_code == 4, "a bug of ours is loud"
        assert [restore.hardware_id for restore in floor.ledger.pending_restores()] == [rows["slot-03"].hardware_id]
        assert floor.ledger.verify() == ()


def test_a_slot_is_usable_after_a_bug(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1)]) as floor:
        crashed = threading.Event()

        def once(what: str, deadline: Deadline) -> None:
            if not crashed.is_set():
                crashed.set()
                raise ZeroDivisionError("a bug of ours")

        with floor.running(**stepping_in(floor, {"slot-01": once})) as running:
            running.wait("line.bug")
            running.wait("slot.state", state="fail")
            running.line.press("slot-01", Key.REMOVED)
            running.wait("attempt.passed")


def test_a_unit_that_was_pulled_while_flashing_is_put_back_at_its_next_contact_and_then_passes(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1)]) as floor:
        pulled = threading.Event()

        def once(what: str, deadline: Deadline) -> None:
            if what == "put" and not pulled.is_set():
                pulled.set()
                floor.unit(1).pull(cable_only=True)

        with floor.running(**stepping_in(floor, {"slot-01": once})) as running:
            running.wait("attempt.failed")
            running.wait("restore.pending")
            running.wait("slot.removed")
            floor.unit(1).plug()
            running.wait("restore.done")
            running.wait("attempt.passed")
            kinds = [event.kind for event in running.events]
            assert kinds.index("restore.done") < kinds.index("attempt.passed")
        assert floor.ledger.pending_restores() == ()


def test_a_read_that_breaks_is_done_again_from_the_start_and_counted(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1)]) as floor:
        broken: list[str] = []

        def twice(what: str, deadline: Deadline) -> None:
            if len(broken) < 2:
                broken.append(what)
                raise UnitGone("the line broke")

        summary = floor.run(1, **stepping_in(floor, {"slot-01": twice}))
        assert outcomes(summary) == {"slot-01": ("passed", None)}
        assert summary.rows[0].retries == 2
        tries = [event.data["try"] for event in floor.events if event.kind == "attempt.retry"]
        assert tries == [1, 2]


def test_a_wrong_password_is_tried_once(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1, SSH, Fault.WRONG_PASSWORD)]) as floor:
        summary = floor.run(1)
        assert summary.rows[0].retries == 0
        assert summary.rows[0].code == "unit.login-incorrect"


def test_a_ledger_that_cannot_be_written_stops_before_the_flash_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **given: object) -> None:
        raise LedgerError("the disk is full", hint="Make room.", code="ledger.full")

    with Floor(tmp_path, [plan(1)]) as floor:
        hardware_id = floor.unit(1).root / "etc/connectd/hardware_id.txt"
        before = hardware_id.read_bytes()
        with monkeypatch.context() as patched:
            patched.setattr(Ledger, "advance", full)
            patched.setattr(Ledger, "failed", full)
            assert outcomes(floor.run(1)) == {"slot-01": ("failed", "ledger.full")}
        assert hardware_id.read_bytes() == before
        told = next(event for event in floor.events if event.kind == "attempt.failed")
        assert told.seq is None
        assert told.data["ledger"] == "the disk is full"
        assert outcomes(floor.run(1)) == {"slot-01": ("passed", None)}


@pytest.mark.parametrize("state", [AttemptState.FLASHED, AttemptState.PROVED])
def test_a_unit_whose_result_cannot_be_written_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: AttemptState
) -> None:
    real = Ledger.advance

    def full(ledger: Ledger, attempt: int, to: AttemptState, *args: Any, **given: Any) -> Event:
        if to is state:
            raise LedgerError("the disk is full", hint="Make room.", code="ledger.full")
        return real(ledger, attempt, to, *args, **given)

    with Floor(tmp_path, [plan(1)]) as floor:
        hardware_id = floor.unit(1).root / "etc/connectd/hardware_id.txt"
        before = hardware_id.read_bytes()
        monkeypatch.setattr(Ledger, "advance", full)
        assert outcomes(floor.run(1)) == {"slot-01": ("failed", "ledger.full")}
        assert hardware_id.read_bytes() == before
        assert floor.ledger.pending_restores() == ()


def test_a_transcript_folder_that_vanishes_fails_the_unit_before_it_is_touched(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1)]) as floor:
        line = floor.line()
        (tmp_path / "transcripts").rmdir()
        summary = line.run(units=1, on_event=floor.events.append)
        assert outcomes(summary) == {"slot-01": ("failed", "files")}
        assert floor.unit(1).boots == 1
        assert any(event.kind == "attempt.transcript-lost" for event in floor.events)


def test_a_bug_between_attempts_is_told_and_the_slot_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = SlotWatch.wait_present
    bugs = [ZeroDivisionError("a bug of ours")]

    def once(watch: SlotWatch) -> bool:
        if bugs:
            raise bugs.pop()
        return real(watch)

    monkeypatch.setattr(SlotWatch, "wait_present", once)
    with Floor(tmp_path, [plan(1)]) as floor:
        assert outcomes(floor.run(1)) == {"slot-01": ("passed", None)}
        assert [event.slot for event in floor.events if event.kind == "line.bug"] == ["slot-01"]


def test_a_view_that_fails_cancels_the_line_and_is_raised(tmp_path: Path) -> None:
    def broken(event: Event) -> None:
        if event.kind == "attempt.admitted":
            raise ZeroDivisionError("a bug of the view")

    with Floor(tmp_path, [plan(1)]) as floor:
        with pytest.raises(ZeroDivisionError):
            floor.line().run(units=1, on_event=broken)
        (attempt,) = floor.ledger.show().attempts
        assert attempt.state.is_final, "no unit is left in between"


def test_a_station_that_is_at_work_already_is_refused(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1)]) as floor:
        floor.line()
        with open_ledger("sqlite:///ledger.db", station="S1", folder=tmp_path) as other:
            floor.ledger, first = other, floor.ledger
            with pytest.raises(UsageError) as caught:
                floor.line()
            floor.ledger = first
        assert caught.value.code == "ledger.station-busy"


def test_a_product_that_changed_since_the_lot_began_is_refused_unless_accepted(tmp_path: Path) -> None:
    with Floor(tmp_path, [plan(1)]) as floor:
        floor.line()
        template = floor.product.folder / "templates/connectd"
        changed = next(path for path in sorted(template.rglob("*")) if path.name.startswith("hardware_id"))
        changed.write_text(changed.read_text().rstrip("\n") + "X\n")
        with pytest.raises(LotChanged):
            floor.line()
        assert floor.line(accept_changed_product="the office agreed").slots == ("slot-01",)
