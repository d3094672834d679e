"""What is committed is never taken for undone, and nothing is written where nobody would read it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine, text

from factory.ledger import Ledger, LedgerError, postgres
from factory.values import AttemptState, Event
from tests.ledger import made
from tests.ledger.made import admit, make_pass, opened


def test_a_listener_that_fails_loses_no_unit(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    failures: list[type[BaseException]] = []
    monkeypatch.setattr(threading, "excepthook", lambda hooked: failures.append(hooked.exc_type))
    told: list[Event] = []

    def broken(event: Event) -> None:
        raise ZeroDivisionError(event.kind)

    ledger.subscribe(broken)
    ledger.subscribe(told.append)
    attempt = make_pass(ledger, 1)
    assert attempt.state is AttemptState.PASSED
    assert [event.kind for event in told][-1] == "attempt.passed"
    assert failures == [ZeroDivisionError] * len(told)


def test_a_closed_ledger_writes_no_more(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    attempt = admit(ledger, 1)
    ledger.close()
    for late in (
        lambda: ledger.failed(attempt.id, "x", "y"),
        lambda: admit(ledger, 2, serial="SN2"),
        ledger.recover,
    ):
        with pytest.raises(LedgerError) as caught:
            late()
        assert caught.value.code == "ledger.closed"
    assert [entry.name for entry in tmp_path.iterdir()] == ["ledger.db"]
    with opened(tmp_path) as again:
        assert [left.id for left in again.recover()] == [attempt.id]


def test_closing_waits_for_the_write_under_way(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    with ledger._store.writing() as writer:
        closing = threading.Thread(target=ledger.close)
        closing.start()
        from factory.ledger.journal import append

        append(writer, "slot.state", data={"number": 1})
        assert closing.is_alive()
    closing.join(10)
    with opened(tmp_path) as again:
        assert again.record("slot.state").seq == 3


@pytest.mark.parametrize("fate", ["moved", "removed", "replaced"])
def test_a_ledger_taken_away_is_not_written_to(tmp_path: Path, fate: str) -> None:
    aside, path = tmp_path / "aside", tmp_path / "ledger.db"
    aside.mkdir()
    with opened(tmp_path) as ledger:
        attempt = admit(ledger, 1)
        path.rename(aside / path.name)
        if fate == "replaced":
            path.write_bytes((aside / path.name).read_bytes())
        if fate == "removed":
            (aside / path.name).unlink()
        for _ in range(2):
            with pytest.raises(LedgerError) as caught:
                ledger.failed(attempt.id, "x", "y")
            assert caught.value.code == "ledger.replaced"
            assert "put the file back" in caught.value.hint
        if fate == "moved":
            (aside / path.name).rename(path)
            ledger.failed(attempt.id, "x", "y")
            assert ledger.verify() == ()


def test_more_readers_than_any_pool_wait_for_nobody(ledger: Ledger) -> None:
    from contextlib import ExitStack

    with ExitStack() as stack:
        for _ in range(80):
            stack.enter_context(ledger._store.reading())
        admit(ledger, 1)


def test_time_that_jumps_changes_no_order(tmp_path: Path) -> None:
    from datetime import UTC, datetime, timedelta
    from itertools import count

    from factory.ledger import open_ledger
    from tests.ledger.made import BINDING, LOT

    start = datetime(2026, 11, 20, tzinfo=UTC)
    steps = count()

    def backward() -> datetime:
        return start - timedelta(days=next(steps))

    with open_ledger("ledger.db", folder=tmp_path, station="S1", clock=backward) as ledger:
        ledger.bind_lot(LOT, BINDING)
        passed = [make_pass(ledger, number, serial=f"SN{number}") for number in (1, 2, 3)]
        assert [unit.attempt for unit in ledger.passed_units(LOT)] == [attempt.id for attempt in passed]
        first = admit(ledger, 4, serial="SN4")
        ledger.failed(first.id, "x", "y")
        again = admit(ledger, 4, serial="SN4")
        assert again.note.startswith(f"attempt {first.id} failed")
        assert ledger.verify() == ()


def test_a_connection_that_was_cut_is_replaced_and_the_work_done_once(
    tmp_path: Path, postgres_server: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(made.SERVER, postgres_server.render_as_string(hide_password=False))
    with opened(tmp_path) as ledger:
        admit(ledger, 1)
        _cut(postgres_server)
        # Its station's session is gone too: the station is taken again before the next unit.
        monkeypatch.setattr(postgres, "IDLE_SECONDS", 0.0)
        assert admit(ledger, 2, serial="SN2").number == 1
        monkeypatch.setattr(postgres, "IDLE_SECONDS", 3600.0)
        _cut(postgres_server)
        assert ledger.record("slot.state", data={"number": 1}).kind == "slot.state"
        assert [attempt.serial for attempt in ledger.show().attempts] == ["SN2", "SN1"]
        assert ledger.verify() == ()


def _cut(server: URL) -> None:
    """End every session of station S1, as a restarted server or a router without patience does."""
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    mine = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'factory S1'"
    with engine.connect() as connection:
        assert connection.execute(text(mine)).scalars().all()
    engine.dispose()
