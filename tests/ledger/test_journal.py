"""The chain: append-only, in order, and loud about every change made behind its back."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from factory.ledger import Ledger, open_ledger
from factory.values import Event
from tests.ledger.made import admit, make_pass, opened


def _drop_triggers(bare: sqlite3.Connection) -> None:
    for (name,) in bare.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        bare.execute(f"DROP TRIGGER {name}")


@pytest.fixture
def told(tmp_path: Path) -> Path:
    with opened(tmp_path) as ledger:
        make_pass(ledger, 1)
        for number in range(3):
            ledger.record("slot.removed", slot="A", data={"number": number})
    with opened(tmp_path, "S2") as other:
        other.record("station.started")
    return tmp_path / "ledger.db"


def test_triggers_refuse_update_and_delete(told: Path) -> None:
    with sqlite3.connect(told) as bare:
        for statement in ("UPDATE events SET kind = 'x'", "DELETE FROM events"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                bare.execute(statement)


@pytest.mark.parametrize(
    ("statement", "place", "what"),
    [
        ("UPDATE events SET data = '{\"number\":7}' WHERE seq = 8", "event 8", "changed"),
        ("UPDATE events SET data = '{' WHERE seq = 8", "event 8", "changed"),
        (
            "UPDATE events SET at = '2026-01-01T00:00:00.000+00:00' WHERE seq = 3 AND station = 'S1'",
            "event 3",
            "changed",
        ),
        ("UPDATE events SET operator = 'Lee' WHERE seq = 1 AND station = 'S2'", "station S2, event 1", "changed"),
        ("DELETE FROM events WHERE seq = 8", "event 9", "events 8 to 8 are missing"),
        ("DELETE FROM events WHERE seq = 9", "event 8", "its head says event 9"),
        (
            "UPDATE events SET seq = CASE seq WHEN 7 THEN 108 WHEN 8 THEN 107 END WHERE seq IN (7, 8);"
            "UPDATE events SET seq = seq - 100 WHERE seq > 100",
            "event 7",
            "does not follow",
        ),
    ],
)
def test_verify_finds_what_was_changed(told: Path, statement: str, place: str, what: str) -> None:
    with open_ledger(str(told)) as ledger:
        assert ledger.verify() == ()
    with sqlite3.connect(told) as bare:
        _drop_triggers(bare)
        bare.executescript(statement)
    with open_ledger(str(told)) as ledger:
        findings = ledger.verify()
    assert any(place in finding.place and what in finding.message for finding in findings), findings
    lost = [finding for finding in findings if finding.code == "LEDGER-CONSTRAINT"]
    assert [finding.message.split(":")[0] for finding in lost] == [
        f"its trigger events_no_{verb} is missing" for verb in ("update", "delete")
    ]
    assert {finding.code for finding in findings} == {"LEDGER-CHAIN", "LEDGER-CONSTRAINT"}


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE attempts SET state = 'refused'", "attempt 1 is refused, and no event"),
        ("UPDATE attempts SET state = 'proved'", "attempt 1 is proved, and an event says that it ended"),
        ("UPDATE units SET state = 'open'", "unit 1 is open"),
        ("PRAGMA foreign_keys = OFF; DELETE FROM units", "names a row of units"),
    ],
)
def test_verify_finds_states_that_nobody_told(told: Path, statement: str, what: str) -> None:
    with sqlite3.connect(told) as bare:
        bare.executescript(statement)
    with open_ledger(str(told)) as ledger:
        findings = ledger.doctor()
    assert any(what in f"{finding.place} {finding.message}" for finding in findings), findings


def test_each_station_has_its_own_chain(told: Path) -> None:
    with opened(told.parent, "S2") as ledger:
        assert ledger.record("slot.removed").seq == 2
        assert ledger.verify() == ()


def test_a_wrong_clock_is_flagged_and_never_fails(tmp_path: Path) -> None:
    now = datetime(2026, 11, 20, 12, 0, 0, 123_456, tzinfo=UTC)
    moments = iter([now, now - timedelta(milliseconds=900), now - timedelta(hours=1), datetime(1970, 1, 1, tzinfo=UTC)])
    with open_ledger("ledger.db", folder=tmp_path, clock=lambda: next(moments)) as ledger:
        first, close, back, old = [ledger.record("slot.removed") for _ in range(4)]
        assert first.at.microsecond == 123_000
        assert "clock" not in first.data
        assert "clock" not in close.data
        assert "went back" in str(back.data["clock"])
        assert "before 2024" in str(old.data["clock"])
        assert [event.seq for event in (first, close, back, old)] == [1, 2, 3, 4]
        assert ledger.verify() == ()


def test_many_threads_make_one_chain_and_listeners_hear_it_in_order(ledger: Ledger) -> None:
    from concurrent.futures import ThreadPoolExecutor

    told: list[Event] = []
    ledger.subscribe(told.append)

    def work(thread: int) -> None:
        for step in range(10):
            ledger.record("slot.state", slot=str(thread), data={"step": step})
            ledger.show()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
    sequence = [event.seq for event in told]
    assert sequence == list(range(sequence[0] or 0, (sequence[0] or 0) + 160))


def test_doctor_names_what_is_in_between(ledger: Ledger) -> None:
    attempt = admit(ledger, 1)
    (finding,) = ledger.doctor()
    assert (finding.code, finding.place) == ("LEDGER-OPEN", f"attempt {attempt.id}")
    ledger.recover()
    (finding,) = ledger.doctor()
    assert finding.code == "LEDGER-UNKNOWN"
    assert "read anew" in finding.hint
