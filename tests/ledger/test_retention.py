"""Transcripts go by age and by count, what failed the longest, and only by a clock that can be believed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from factory.config import KeepTranscripts
from factory.files import FileError
from factory.ledger import Attempt, Ledger, Refused, StagePlace
from factory.line import Pruned, prune
from factory.line import retention as module
from factory.units.deadline import Deadline
from factory.values import AttemptState, UnitState
from tests.ledger.made import IMAGE, LOT, admit, facts, identity, opened, proof, receipt
from tests.ledger.test_stages import place, require

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
KEEP = KeepTranscripts(days=100, count=1000, failed_days=700)


def name(days_ago: float, slot: str = "A") -> str:
    return f"{NOW - timedelta(days=days_ago):%Y%m%dT%H%M%SZ}-{slot}.txt"


def write(folder: Path, *names: str) -> None:
    folder.mkdir(exist_ok=True)
    for one in names:
        (folder / one).write_text("x" * 100)


def recent(folder: Path) -> None:
    """Work on some of the last days, which shows that the clock is right."""
    write(folder, *(name(day) for day in (0.5, 1.5, 2.5, 3.5, 4.5)))


def passed(ledger: Ledger, number: int, transcript: str) -> Attempt:
    attempt = admit(ledger, number, serial=f"SN{number}")
    ledger.advance(attempt.id, AttemptState.FLASHING, {"transcript": transcript}, image=IMAGE)
    ledger.advance(attempt.id, AttemptState.FLASHED, receipt().as_json())
    ledger.advance(attempt.id, AttemptState.PROVED, proof().as_json())
    ledger.passed(attempt.id, receipt(), proof())
    return attempt


def failed(ledger: Ledger, transcript: str) -> None:
    ledger.turn_away(lot=LOT, slot="A", code="unit.gone", text="no", state=AttemptState.FAILED, transcript=transcript)


def do(ledger: Ledger, folder: Path, keep: KeepTranscripts = KEEP, *, now: datetime = NOW, **changes: bool) -> Pruned:
    return prune(ledger, folder, keep, deadline=Deadline(30), now=now, **changes)


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_old_ones_of_units_that_are_done_go_and_the_others_stay(tmp_path: Path, both_engines: str) -> None:
    folder = tmp_path / "transcripts"
    recent(folder)
    young = left(folder)
    old = {
        what: name(200 + number, what)
        for number, what in enumerate(
            ("passed", "failed", "refused", "quarantined", "rework", "test-failed", "test-passed", "nobodys", "other")
        )
    }
    ancient = name(800, "failed")
    write(folder, *old.values(), ancient, "notes.md", "20260101T000000Z-A.txt.bak")
    (folder / "20200101T000000Z-link.txt").symlink_to("/etc/hostname")
    with opened(tmp_path) as ledger, opened(tmp_path, station="S2") as other:
        passed(ledger, 1, old["passed"])
        failed(ledger, old["failed"])
        failed(ledger, ancient)
        with pytest.raises(Refused, match="already passed"):
            ledger.admit(
                identity(1, serial="SN1"),
                facts(1, serial="SN1"),
                lot=LOT,
                slot="A",
                fingerprint=None,
                transcript=old["refused"],
            )
        passed(ledger, 2, old["quarantined"])
        ledger.change_unit("hw-2", UnitState.QUARANTINED, "a scratch")
        passed(ledger, 3, old["rework"])
        ledger.change_unit("hw-3", UnitState.REWORK, "again")
        passed(ledger, 4, old["test-failed"])
        ledger.stage_failed(place("test"), require(ledger, "test", 4, serial="SN4"), "check.x", "weak", [])
        passed(ledger, 5, "20260101T000000Z-gone.txt")
        staged = StagePlace(("flash", "test"), "test", LOT, "A", old["test-passed"])
        ledger.stage_passed(staged, require(ledger, "test", 5, serial="SN5"), [])
        passed(other, 6, old["other"])
        tried = do(ledger, folder, dry_run=True)
        assert tried.removed == 3
        assert left(folder) > set(old.values()), "a dry run removes nothing"
        done = do(ledger, folder)
        assert (done.removed, done.size, done.kept, done.left) == (3, 300, 5, 0)
        assert done.unknown == (old["other"], old["nobodys"]), "another station's is not ours to judge"
        gone = {old["passed"], old["test-passed"], ancient}
        assert left(folder) == young | (set(old.values()) - gone) | {
            "notes.md",
            "20260101T000000Z-A.txt.bak",
            "20200101T000000Z-link.txt",
        }
        assert ledger.pruned_transcripts("S1") == gone
        assert do(ledger, folder).removed == 0
        assert ledger.verify() == ()
        (history,) = ledger.trace("SN1").units
        told = [event.data.get("transcript") for event in history.events if event.kind == "attempt.flashing"]
        assert told == [old["passed"]], "its name stays"


def test_more_than_the_count_go_the_oldest_first(tmp_path: Path, ledger: Ledger) -> None:
    folder = tmp_path / "transcripts"
    names = [name(day + 0.5) for day in range(10, 0, -1)]
    write(folder, *names)
    for number, one in enumerate(names):
        if number == 1:
            failed(ledger, one)
        else:
            passed(ledger, number, one)
    done = do(ledger, folder, KeepTranscripts(days=100, count=6, failed_days=100))
    assert (done.removed, done.kept) == (3, 1)
    assert left(folder) == {names[1], *names[4:]}


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), "before 2024"),
        (NOW - timedelta(days=30), "was written later"),
        (NOW + timedelta(days=20_000), "worked on 0 of the last 60 days"),
    ],
)
def test_by_a_clock_that_is_wrong_nothing_goes(tmp_path: Path, ledger: Ledger, now: datetime, why: str) -> None:
    folder = tmp_path / "transcripts"
    recent(folder)
    for number, one in enumerate(sorted(left(folder))):
        passed(ledger, number, one)
    write(folder, name(500), "19700101T000003Z-A.txt")
    passed(ledger, 99, name(500))
    before = left(folder)
    done = do(ledger, folder, KeepTranscripts(days=1, count=1, failed_days=1), now=now)
    assert done.removed == 0
    assert why in done.refused
    assert left(folder) == before
    assert "19700101T000003Z-A.txt" in done.unknown, "what was written by a wrong clock has no age"


def test_a_person_may_vouch_for_the_clock(tmp_path: Path, ledger: Ledger) -> None:
    folder = tmp_path / "transcripts"
    write(folder, name(500))
    passed(ledger, 1, name(500))
    assert "0 of the last 60 days" in do(ledger, folder).refused
    assert do(ledger, folder, trust_clock=True).removed == 1
    assert do(ledger, tmp_path / "nowhere").removed == 0


def test_a_cut_after_it_was_told_is_made_good_the_next_time(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "transcripts"
    recent(folder)
    write(folder, name(200))
    passed(ledger, 1, name(200))

    def cut(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", cut)
        with pytest.raises(FileError, match="cannot remove"):
            do(ledger, folder)
    assert ledger.pruned_transcripts("S1") == {name(200)}
    assert do(ledger, folder).removed == 1
    assert name(200) not in left(folder)


def test_time_that_is_over_leaves_the_rest(tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 1)
    folder = tmp_path / "transcripts"
    recent(folder)
    write(folder, name(200), name(201))
    passed(ledger, 1, name(200))
    passed(ledger, 2, name(201))
    over = Deadline(0)
    done = prune(ledger, folder, KEEP, deadline=over, now=NOW)
    assert (done.removed, done.left) == (0, 2)
