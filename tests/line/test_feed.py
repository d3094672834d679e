from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

from factory.line.feed import Feed, SlotFeed, SlotState
from factory.line.quota import Quota
from factory.line.summary import Outcome, Row, Summary
from factory.values import Event


def drained(feed: Feed) -> list[Event]:
    events = []
    while (event := feed.get(0)) is not None:
        events.append(event)
    return events


def test_progress_is_dropped_when_nobody_reads_and_outcomes_never() -> None:
    feed = Feed("S1", backlog=10)
    slot = SlotFeed(feed, "A")
    for sent in range(1000):
        slot.progress("flash", 1, sent, 1000)
        feed.put(Event("attempt.passed", "S1", datetime.now(UTC), "A", sent, sent))
    events = drained(feed)
    assert sum(event.kind == "attempt.progress" for event in events) < 10
    assert [event.attempt for event in events if event.kind == "attempt.passed"] == list(range(1000))


def test_events_of_many_threads_keep_each_threads_order() -> None:
    feed = Feed("S1")
    slots = [SlotFeed(feed, name) for name in "ABCD"]

    def talk(slot: SlotFeed) -> None:
        for count in range(200):
            slot.state(SlotState.WORKING, str(count))

    threads = [threading.Thread(target=talk, args=(slot,)) for slot in slots]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = drained(feed)
    for name in "ABCD":
        assert [event.data["text"] for event in events if event.slot == name] == [str(count) for count in range(200)]


def test_a_quota_never_gives_more_than_its_limit_and_takes_back() -> None:
    quota = Quota(2)
    assert quota.reserve()
    assert quota.reserve()
    assert not quota.reserve()
    quota.give_back(None)
    assert quota.reserve()
    quota.give_back(row(Outcome.PASSED))
    assert not quota.is_used_up
    quota.give_back(row(Outcome.FAILED))
    assert quota.is_used_up
    assert not quota.reserve()


def test_a_summary_counts_and_says_how_the_command_ends() -> None:
    rows = (row(Outcome.PASSED), row(Outcome.REFUSED), row(Outcome.FAILED))
    summary = Summary("L", "S1", rows, 1.23456)
    assert (summary.passed, summary.failed, summary.refused) == (1, 1, 1)
    assert summary.exit_code == 1
    assert summary.as_json()["seconds"] == 1.235
    assert Summary("L", "S1", rows[:1], 1.0).exit_code == 0
    assert Summary("L", "S1", rows[:1], 1.0, interrupted=True).exit_code == 130
    assert Summary("L", "S1", (row(Outcome.PASSED, hook="failed"),), 1.0).exit_code == 1
    assert Summary("L", "S1", (row(Outcome.FAILED, code="line.bug"),), 1.0).exit_code == 4


def row(outcome: Outcome, *, hook: str | None = None, code: str | None = None) -> Row:
    return Row("A", ("ssh:x",), outcome, 1.0, Path("t.txt"), hook=hook, code=code)
