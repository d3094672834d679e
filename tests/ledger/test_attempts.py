"""The states of an attempt, lots, hooks, restores and host keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from factory.errors import UsageError
from factory.ledger import Binding, HostKeyAlarm, Ledger, LotChanged
from factory.ledger.attempts import NEXT
from factory.values import AttemptState, Event
from tests.ledger import made
from tests.ledger.made import BINDING, LOT, admit, facts, mac, make_pass, opened

pytestmark = pytest.mark.usefixtures("both_engines")


def test_a_pass_step_by_step_is_told_to_the_listener_in_order(ledger: Ledger) -> None:
    told: list[Event] = []
    stop = ledger.subscribe(told.append)
    passed = make_pass(ledger, 1, 2)
    assert [event.kind for event in told] == [
        "attempt.admitted",
        "attempt.flashing",
        "attempt.flashed",
        "attempt.proved",
        "attempt.passed",
    ]
    assert [event.seq for event in told] == list(range(told[0].seq or 0, (told[0].seq or 0) + 5))
    assert {event.data["hardware_id"] for event in told} == {"hw-1"}
    assert (passed.state, passed.image) == (AttemptState.PASSED, made.IMAGE)
    assert passed.ended is not None
    assert tuple(told) == ledger.trace("hw-1").units[0].events
    stop()
    ledger.record("slot.removed", slot="A")
    assert len(told) == 5


def test_every_illegal_transition_is_a_bug(ledger: Ledger) -> None:
    attempt = admit(ledger, 1)
    for state in (AttemptState.FLASHED, AttemptState.PROVED, AttemptState.ADMITTED):
        with pytest.raises(ValueError, match="cannot go from admitted"):
            ledger.advance(attempt.id, state)
    with pytest.raises(ValueError, match="cannot go from admitted to passed"):
        ledger.passed(attempt.id, made.receipt(), made.proof())
    with pytest.raises(ValueError, match="own method"):
        ledger.advance(attempt.id, AttemptState.PASSED)
    ledger.failed(attempt.id, "x", "y")
    with pytest.raises(ValueError, match="cannot go from failed"):
        ledger.failed(attempt.id, "x", "y")
    with pytest.raises(ValueError, match="no attempt 99"):
        ledger.failed(99, "x", "y")
    assert set(NEXT) == set(AttemptState)
    assert ledger.verify() == ()


def test_data_that_is_not_canonical_json_changes_nothing(ledger: Ledger) -> None:
    attempt = admit(ledger, 1)
    with pytest.raises(TypeError):
        ledger.advance(attempt.id, AttemptState.FLASHING, {"seconds": 1.5})
    assert ledger.attempt(attempt.id).state is AttemptState.ADMITTED


def test_a_changed_product_is_refused_unless_accepted(ledger: Ledger) -> None:
    assert ledger.bind_lot(LOT, BINDING) == ledger.lot(LOT)
    changed = Binding("router", "e" * 64, "b" * 64, 2)
    with pytest.raises(LotChanged) as caught:
        ledger.bind_lot(LOT, changed)
    assert caught.value.differences == (
        "product file was aaaaaaaaaaaa..., is eeeeeeeeeeee...",
        "key version was 1, is 2",
    )
    told: list[Event] = []
    ledger.subscribe(told.append)
    assert ledger.bind_lot(LOT, changed, accept_reason="new key").binding == changed
    assert (told[0].kind, told[0].data["reason"]) == ("lot.changed", "new key")
    ledger.bind_lot(LOT, changed)


def test_a_station_runs_once(ledger: Ledger, tmp_path: Path) -> None:
    ledger.recover()
    with opened(tmp_path) as second, pytest.raises(UsageError, match=r"station S1 is already running"):
        second.recover()
    ledger.close()
    with opened(tmp_path) as third:
        third.recover()
    assert not list(tmp_path.glob("*.lock"))


def test_hooks_are_due_until_they_succeed(ledger: Ledger) -> None:
    attempt = make_pass(ledger, 1, hook=True)
    make_pass(ledger, 2, serial="SN2")
    (due,) = ledger.hooks_to_repeat()
    assert (due.attempt, due.tries, due.hardware_id) == (attempt.id, 0, "hw-1")
    ledger.hook_result(attempt.id, False, "exit 1")
    (due,) = ledger.hooks_to_repeat(LOT)
    assert (due.tries, due.detail, due.unit.unit) == (1, "exit 1", attempt.unit)
    assert [finding.code for finding in ledger.doctor()] == ["LEDGER-HOOK"]
    assert ledger.hook_result(attempt.id, True).kind == "hook.ok"
    assert ledger.hooks_to_repeat() == ()
    with pytest.raises(ValueError, match="after a pass"):
        ledger.hook_result(admit(ledger, 3, serial="SN3").id, True)


def test_a_restore_waits_for_its_unit(ledger: Ledger) -> None:
    attempt = admit(ledger, 1, 2, slot="B")
    ledger.leave_restore(attempt.id, {"kept": {"a": "/x/a"}})
    assert ledger.pending_restores(facts(9, serial="SN9")) == ()
    assert ledger.pending_restores(facts(1, serial="SN9")) == ()
    (restore,) = ledger.pending_restores(facts(2, serial="SN1"))
    assert (restore.attempt, restore.slot, restore.data) == (attempt.id, "B", {"kept": {"a": "/x/a"}})
    assert ledger.pending_restores(facts(1)) == ledger.pending_restores() == (restore,)
    assert "LEDGER-RESTORE" in [finding.code for finding in ledger.doctor()]
    ledger.clear_restore(restore.id, slot="C")
    assert ledger.pending_restores() == ()
    with pytest.raises(ValueError, match="pending"):
        ledger.clear_restore(restore.id, slot="C")
    away = ledger.turn_away(lot=LOT, slot="A", code="x", text="y")
    assert ledger.leave_restore(away.id, {}).kind == "restore.pending", "it can only be told"
    assert ledger.pending_restores() == ()


def _remember(ledger: Ledger, fingerprint: str, *macs: str, policy: str = "per-unit") -> bool:
    return ledger.remember_host_key(
        policy=policy, slot="A", algorithm="ssh-ed25519", fingerprint=fingerprint, macs=macs
    )


def test_the_same_mac_with_a_new_key_is_an_alarm(ledger: Ledger) -> None:
    one, two = mac(1).colons, mac(2).colons
    assert _remember(ledger, "SHA256:a", one, two) is True
    assert _remember(ledger, "SHA256:a", one, two) is False
    assert _remember(ledger, "SHA256:b", mac(3).colons) is True
    told: list[Event] = []
    ledger.subscribe(told.append)
    with pytest.raises(HostKeyAlarm) as caught:
        _remember(ledger, "SHA256:c", two)
    for named in (two, "SHA256:c", "SHA256:a", "slot A of station S1"):
        assert named in caught.value.message
    assert one not in caught.value.message
    assert (caught.value.macs, caught.value.known.fingerprint, caught.value.other) == ((two,), "SHA256:a", None)
    assert [(event.kind, event.data["other"]) for event in told] == [("hostkey.alarm", None)]
    assert {key.fingerprint for key in ledger.host_keys_of([two.upper()])} == {"SHA256:a"}


def test_the_alarm_names_the_unit_that_has_these_addresses(ledger: Ledger) -> None:
    first = make_pass(ledger, 1, 2, slot="A")
    _remember(ledger, "SHA256:a", mac(1).colons)
    _remember(ledger, "SHA256:b", mac(2).colons)
    with pytest.raises(HostKeyAlarm) as caught:
        _remember(ledger, "SHA256:b", mac(1).colons, mac(2).colons)
    alarm = caught.value
    # The second address did show this key: the alarm is about the first one only.
    assert (alarm.macs, alarm.known.fingerprint, alarm.other) == ((mac(1).colons,), "SHA256:a", first)
    for named in ("those of unit hw-1", first.place()):
        assert named in alarm.message
    for named in ("the label of unit hw-1", "clone", "per-boot", "Nothing was written"):
        assert named in alarm.hint


def test_an_alarm_of_the_same_unit_names_its_attempt_before(ledger: Ledger) -> None:
    first = admit(ledger, 1)
    _remember(ledger, "SHA256:a", mac(1).colons)
    ledger.failed(first.id, "x", "y")
    again = admit(ledger, 1)
    with pytest.raises(HostKeyAlarm) as caught:
        ledger.remember_host_key(
            policy="per-unit", slot="B", algorithm="a", fingerprint="SHA256:b", macs=[mac(1).plain], attempt=again.id
        )
    assert caught.value.other == ledger.attempt(first.id)


def test_keys_made_at_each_boot_are_recorded_and_bind_nobody(ledger: Ledger) -> None:
    one = mac(1).plain
    assert _remember(ledger, "SHA256:a", one, policy="per-boot")
    assert _remember(ledger, "SHA256:b", one, policy="per-boot")
    assert _remember(ledger, "SHA256:c", one, policy="per-unit")
    assert [key.fingerprint for key in ledger.host_keys_of([one])] == ["SHA256:a", "SHA256:b", "SHA256:c"]
    with pytest.raises(HostKeyAlarm):
        _remember(ledger, "SHA256:d", one)
    with pytest.raises(ValueError, match="policy"):
        _remember(ledger, "SHA256:d", one, policy="none")


def test_placeholder_macs_prove_no_host(ledger: Ledger) -> None:
    zero = "00:00:00:00:00:00"
    _remember(ledger, "SHA256:a", zero)
    _remember(ledger, "SHA256:b", zero)
    assert ledger.host_keys_of([zero]) == ()
