"""Labels: intent before the print, one live label per unit, verified once, never after void."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from factory.ledger import Attempt, Ledger, Refused
from factory.ledger.label_lookup import attempts_of
from factory.values import AttemptState, LabelCode, LabelState, UnitState
from factory.values.label import nonce_of
from tests.ledger.made import admit, bare, make_pass, opened, proof, receipt, refused, to_proved

SHA = "e" * 64


def nonce(number: int) -> str:
    return nonce_of(number.to_bytes(8, "big"))


def begun(ledger: Ledger, attempt: Attempt, number: int, *, scan: bool = True, reason: str = "") -> str:
    made = ledger.begin_label(
        attempt.id, nonce(number), sha256=SHA, printer="tcp://p:9100", slot="A", scan=scan, reason=reason
    )
    assert made.state is LabelState.INTENT
    return made.nonce


def proved(ledger: Ledger, *macs: int, serial: str | None = None) -> Attempt:
    attempt = admit(ledger, *macs, serial=serial or f"SN{macs[0]}")
    to_proved(ledger, attempt)
    return attempt


def code_of(caught: pytest.ExceptionInfo[Refused]) -> str:
    return caught.value.code


def test_the_life_of_a_label(tmp_path: Path, both_engines: str) -> None:
    with opened(tmp_path) as ledger:
        attempt = proved(ledger, 1)
        one = begun(ledger, attempt, 1)
        with pytest.raises(Refused) as early:
            ledger.verify_label(one, "hw-1", slot="A")
        assert code_of(early) == "label.not-printed"
        with pytest.raises(ValueError, match="its label is intent"):
            ledger.passed(attempt.id, receipt(), proof())
        ledger.label_printed(one)
        with pytest.raises(ValueError, match="its label is printed"):
            ledger.passed(attempt.id, receipt(), proof())
        with pytest.raises(Refused) as other:
            ledger.verify_label(one, "hw-2", slot="A")
        assert code_of(other) == "label.other-unit"
        verified = ledger.verify_label(one, "hw-1", slot="A")
        assert verified.state is LabelState.VERIFIED
        assert not verified.proves, "its unit has not passed yet"
        with pytest.raises(Refused) as again:
            ledger.verify_label(one, "hw-1", slot="A")
        assert code_of(again) == "label.verified-before"
        ledger.passed(attempt.id, receipt(), proof())
        kept = ledger.label(one)
        assert kept is not None and kept.proves and kept.number == 1
        two = begun(ledger, attempt, 2, reason="torn")
        ledger.label_printed(two)
        first, second = ledger.labels_of(kept.unit)
        assert (first.state, first.reason, first.number) == (LabelState.VOID, "torn", 1)
        assert (second.state, second.reason, second.number) == (LabelState.PRINTED, "torn", 2)
        with pytest.raises(Refused) as void:
            ledger.verify_label(one, "hw-1", slot="A")
        assert code_of(void) == "label.void"
        assert "label 1 of unit hw-1, void" in void.value.message and "torn" in void.value.message
        assert ledger.live_label(kept.unit) == second
        ledger.verify_label(two, "hw-1", slot="A")
        kinds = [event.kind for event in ledger.trace("hw-1").units[0].events if event.kind.startswith("label.")]
        assert kinds == [
            *("label.intent", "label.printed", "label.verified"),
            *("label.void", "label.intent", "label.printed", "label.verified"),
        ]
        with ledger._store.reading() as connection:
            text = LabelCode.of(two, "hw-1").for_people.lower()
            assert attempts_of(connection, text) == attempts_of(connection, two) == (attempt.id,)
            assert attempts_of(connection, "b827eb000001") == ()
        assert ledger.verify() == ()


def test_the_database_itself_keeps_one_live_label_per_unit(tmp_path: Path, both_engines: str) -> None:
    with opened(tmp_path) as ledger:
        one, other = proved(ledger, 1), proved(ledger, 2)
        begun(ledger, one, 1)
        begun(ledger, other, 2)
        with bare(ledger) as connection:
            again = (
                "INSERT INTO labels (nonce, number, unit, attempt, state, scan, sha256, printer, slot, reason, at, "
                "station, operator, software) SELECT :nonce, :number, unit, attempt, :state, scan, sha256, printer, "
                "slot, reason, at, station, operator, software FROM labels WHERE nonce = :old"
            )
            wanted = {"old": nonce(1), "state": "printed"}
            refused(connection, again, **wanted, nonce=nonce(3), number=2)
            refused(connection, again, **(wanted | {"state": "void"}), nonce=nonce(2), number=2)
            refused(connection, again, **(wanted | {"state": "void"}), nonce=nonce(3), number=1)


def test_a_failed_attempt_voids_its_label(ledger: Ledger) -> None:
    attempt = proved(ledger, 1)
    one = begun(ledger, attempt, 1)
    ledger.label_printed(one)
    ledger.verify_label(one, "hw-1", slot="A")
    ledger.failed(attempt.id, "unit.gone", "the unit went away")
    label = ledger.label(one)
    assert label is not None
    assert (label.state, label.reason) == (LabelState.VOID, "the attempt failed")


def test_a_label_of_a_crash_is_of_unknown_fate_until_the_unit_comes_back(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        attempt = proved(ledger, 1)
        begun(ledger, attempt, 1)
    with opened(tmp_path) as ledger:
        ledger.recover()
        assert ledger.attempt(attempt.id).state is AttemptState.UNKNOWN
        (finding,) = [found for found in ledger.doctor() if found.code == "LEDGER-LABEL"]
        assert "of unknown fate since" in finding.message
        second = proved(ledger, 1)
        before = ledger.label(nonce(1))
        assert before is not None and before.state is LabelState.VOID
        begun(ledger, second, 2)
        made = ledger.label(nonce(2))
        assert made is not None and made.number == 2
        assert not [found for found in ledger.doctor() if found.code == "LEDGER-LABEL"]


def test_who_gets_no_label(ledger: Ledger) -> None:
    early = admit(ledger, 1, serial="SN1")
    with pytest.raises(Refused) as caught:
        begun(ledger, early, 1)
    assert code_of(caught) == "label.not-passed"
    done = make_pass(ledger, 2, serial="SN2")
    ledger.change_unit("hw-2", UnitState.QUARANTINED, "smells")
    with pytest.raises(Refused) as caught:
        begun(ledger, done, 2)
    assert code_of(caught) == "label.unit-aside"
    ledger.release_unit("hw-2", "aired")
    begun(ledger, done, 2)
    ledger.change_unit("hw-2", UnitState.REWORK, "new antenna")
    newer = admit(ledger, 2, serial="SN2")
    with pytest.raises(Refused) as caught:
        begun(ledger, done, 3)
    assert f"attempt {newer.id} came after it" in caught.value.message


def test_a_refused_visit_does_not_hinder_a_reprint(ledger: Ledger) -> None:
    done = make_pass(ledger, 1, serial="SN1")
    with pytest.raises(Refused):
        admit(ledger, 1, serial="SN1")
    begun(ledger, done, 1)
    ledger.label_printed(nonce(1))


def test_without_a_scan_printed_is_the_end(ledger: Ledger) -> None:
    attempt = proved(ledger, 1)
    one = begun(ledger, attempt, 1, scan=False)
    ledger.label_printed(one)
    ledger.passed(attempt.id, receipt(), proof())
    label = ledger.label(one)
    assert label is not None and label.proves
    assert not [found for found in ledger.doctor() if found.code == "LEDGER-LABEL"]


def test_steps_that_make_no_sense_are_bugs(ledger: Ledger) -> None:
    attempt = proved(ledger, 1)
    one = begun(ledger, attempt, 1)
    ledger.label_printed(one)
    with pytest.raises(ValueError, match="cannot become printed"):
        ledger.label_printed(one)
    ledger.void_label(one, "because")
    assert ledger.void_label(one, "again").reason == "because"
    with pytest.raises(ValueError, match="there is no label"):
        ledger.void_label(nonce(9), "none")


def test_a_wrong_scan_and_a_later_one_are_told(ledger: Ledger) -> None:
    attempt = proved(ledger, 1)
    one = begun(ledger, attempt, 1)
    ledger.label_printed(one)
    label = ledger.label(one)
    assert label is not None
    ledger.wrong_scan("XXXX", None, slot="A", attempt=attempt.id, why="unknown")
    ledger.verify_label(one, "hw-1", slot="A")
    ledger.label_scanned(label, slot="B")
    told = {event.kind: event.data for event in ledger.trace("hw-1").units[0].events}
    assert told["label.wrong-scan"]["scanned"] == "XXXX"
    assert told["label.scanned"]["nonce"] == one


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("state = 'verified'", "is verified, and an event says that it is void"),
        ("sha256 = 'f'", "has another hash"),
        ("nonce = 'BBBBBBBBBBBBBBBB'", "no event says that it was to be printed"),
    ],
)
def test_a_label_that_was_changed_behind_the_ledger_shows(tmp_path: Path, change: str, what: str) -> None:
    with opened(tmp_path) as ledger:
        attempt = proved(ledger, 1)
        one = begun(ledger, attempt, 1)
        ledger.label_printed(one)
        ledger.void_label(one, "torn")
        assert ledger.verify() == ()
        with bare(ledger) as connection:
            connection.execute(text(f"UPDATE labels SET {change}"))
        (finding,) = ledger.verify()
        assert finding.code == "LEDGER-ROW" and what in finding.message


def test_a_label_that_nobody_scanned_is_not_verified_by_hand(ledger: Ledger, tmp_path: Path) -> None:
    with opened(tmp_path, "S2") as other:
        attempt = proved(other, 7)
        one = begun(other, attempt, 7)
        other.label_printed(one)
        with bare(other) as connection:
            connection.execute(text("UPDATE labels SET state = 'verified'"))
        (finding,) = other.verify()
        assert "is verified, and no event says so" in finding.message
        with bare(other) as connection:
            connection.execute(text("UPDATE labels SET state = 'printed'"))
