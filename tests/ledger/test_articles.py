"""First articles: who goes first, who waits, what a failure stops, and what a crash does not prove."""

from __future__ import annotations

from pathlib import Path

import pytest

from factory.errors import FactoryError, UsageError
from factory.ledger import Attempt, Ledger
from factory.ledger.articles import Kind
from factory.values import AttemptState, Event
from tests.ledger.made import IMAGE, LOT, admit, opened, proof, receipt, to_proved

KIND = Kind("a" * 64, "b" * 64, "model Router 3")
OTHER = Kind("a" * 64, "b" * 64, "model Router 4")


def goes(ledger: Ledger, kind: Kind, attempt: Attempt) -> bool:
    article = ledger.claim_article(kind, attempt.id)
    return article is None or article.attempt == attempt.id


def flashing(ledger: Ledger, attempt: int) -> None:
    ledger.advance(attempt, AttemptState.FLASHING, image=IMAGE)


def test_the_first_goes_and_the_others_wait_until_it_has_passed(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        first, second = admit(ledger, 1), admit(ledger, 2, serial="SN2")
        assert goes(ledger, KIND, first)
        assert goes(ledger, KIND, first)
        waiting = ledger.claim_article(KIND, second.id)
        assert waiting is not None
        assert (waiting.attempt, waiting.slot, waiting.station) == (first.id, first.slot, "S1")
        assert goes(ledger, OTHER, second), "another board is another first article"
        ledger.require_article(LOT, KIND)
        to_proved(ledger, first)
        assert not goes(ledger, KIND, second), "proved is not passed yet"
        ledger.passed(first.id, receipt(), proof())
        third = admit(ledger, 3, serial="SN3")
        assert goes(ledger, KIND, third)


def test_it_holds_for_every_station_that_shares_the_ledger_and_after_a_restart(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger, opened(tmp_path, "S2") as other:
        first, second = admit(ledger, 1), admit(other, 2, serial="SN2")
        assert goes(ledger, KIND, first)
        assert not goes(other, KIND, second)
        flashing(ledger, first.id)
        ledger.failed(first.id, "prove.forgot", "it forgot")
        with pytest.raises(FactoryError, match=r"failed in slot A of station S1 .*: it forgot") as caught:
            other.require_article(LOT, KIND)
        assert caught.value.code == "ledger.first-article"
    with opened(tmp_path) as again, pytest.raises(FactoryError, match="it forgot"):
        again.require_article(LOT, OTHER)


def test_a_failure_stops_its_kind_in_every_lot_and_its_lot_for_every_kind(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        first = admit(ledger, 1)
        ledger.claim_article(KIND, first.id)
        flashing(ledger, first.id)
        ledger.failed(first.id, "prove.forgot", "it forgot")
        for lot, kind in ((LOT, OTHER), ("another", KIND)):
            with pytest.raises(FactoryError, match="it forgot"):
                ledger.require_article(lot, kind)
        ledger.require_article("another", OTHER)


def test_a_label_that_failed_says_nothing_against_the_image(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        first, second = admit(ledger, 1), admit(ledger, 2, serial="SN2")
        assert goes(ledger, KIND, first)
        to_proved(ledger, first)
        ledger.failed(first.id, "label.wrong", "another label was scanned")
        ledger.require_article(LOT, KIND)
        assert goes(ledger, KIND, second), "the next one is the first article"


def test_it_is_accepted_with_a_reason_which_is_an_event(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        with pytest.raises(UsageError, match="no first article that failed"):
            ledger.accept_articles(LOT, "in case")
        first = admit(ledger, 1)
        ledger.claim_article(KIND, first.id)
        flashing(ledger, first.id)
        ledger.failed(first.id, "prove.forgot", "it forgot")
        heard: list[Event] = []
        ledger.subscribe(heard.append)
        assert [one.attempt for one in ledger.accept_articles(LOT, "the jig was loose")] == [first.id]
        assert heard[0].kind == "article.accepted"
        assert heard[0].data["reason"] == "the jig was loose"
        ledger.require_article(LOT, KIND)
        assert goes(ledger, KIND, admit(ledger, 2, serial="SN2"))
        assert ledger.verify() == ()


def test_a_first_article_that_crashed_or_was_never_written_to_is_neither_a_pass_nor_a_failure(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        first = admit(ledger, 1)
        ledger.claim_article(KIND, first.id)
        flashing(ledger, first.id)
    with opened(tmp_path) as ledger:
        assert [one.id for one in ledger.recover()] == [first.id]
        second, third = admit(ledger, 2, serial="SN2"), admit(ledger, 3, serial="SN3")
        ledger.require_article(LOT, KIND)
        assert goes(ledger, KIND, second), "the next one is first"
        assert not goes(ledger, KIND, third)
        ledger.failed(second.id, "flash.leftover", "was registered before")  # refused by the preflight
        ledger.require_article(LOT, KIND)
        assert goes(ledger, KIND, third)
        flashing(ledger, third.id)
        ledger.failed(third.id, "line.interrupted", "the line was stopped")
        ledger.require_article(LOT, KIND)
