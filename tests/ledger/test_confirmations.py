"""What was seen in the cloud moves rows up and never down, and only rows that stand for what the cloud holds."""

from __future__ import annotations

import pytest

from factory.errors import UsageError
from factory.ledger import Ledger, UploadFile, Verdict
from factory.values import Event, RowState
from tests.ledger.made import LOT, make_pass

pytestmark = pytest.mark.usefixtures("both_engines")

SEEN = (RowState.PREREGISTERED, RowState.ONLINE)
FIRST = (RowState.UPLOADED, RowState.UNKNOWN, RowState.PREREGISTERED, RowState.ONLINE, RowState.REJECTED)


def export(book: Ledger, *units: int, number: int = 1) -> None:
    book.mark_exported(LOT, [UploadFile(f"u{number}.csv", number, "c" * 64, units)])


@pytest.fixture
def book(ledger: Ledger) -> Ledger:
    for number in (1, 2, 3):
        make_pass(ledger, number, serial=f"SN{number}")
    export(ledger, *units(ledger).values())
    return ledger


def units(book: Ledger) -> dict[str, int]:
    return {unit.hardware_id: unit.unit for unit in book.passed_units(LOT)}


def states(book: Ledger) -> dict[str, RowState]:
    return {unit.hardware_id: unit.row for unit in book.passed_units(LOT)}


def test_rows_move_and_an_event_tells_it_once(book: Ledger) -> None:
    heard: list[Event] = []
    book.subscribe(heard.append)
    one, two, _ = units(book).values()
    seen = {one: RowState.ONLINE, two: RowState.PREREGISTERED}
    assert book.confirm_rows(LOT, seen, source="https://api.remote.it") == 2
    assert states(book) == {"hw-1": "online", "hw-2": "preregistered", "hw-3": "exported"}
    assert book.confirm_rows(LOT, seen, source="https://api.remote.it") == 0
    (event,) = heard
    assert (event.kind, event.data) == (
        "upload.confirmed",
        {"lot": LOT, "source": "https://api.remote.it", "preregistered": ["hw-2"], "online": ["hw-1"]},
    )


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("second", SEEN)
def test_never_down(book: Ledger, first: RowState, second: RowState) -> None:
    one = units(book)["hw-1"]
    book.take_verdicts(LOT, [Verdict("hw-1", first, "why")], file="a", sha256="a" * 64)
    book.confirm_rows(LOT, {one: second}, source="x")
    stays = first in (RowState.REJECTED, RowState.ONLINE) or first is second
    assert states(book)["hw-1"] == (first if stays else second)


def test_a_refused_row_that_was_exported_again_is_the_new_row(book: Ledger) -> None:
    one = units(book)["hw-1"]
    book.take_verdicts(LOT, [Verdict("hw-1", RowState.REJECTED)], file="a", sha256="a" * 64)
    export(book, one, number=2)
    assert book.confirm_rows(LOT, {one: RowState.ONLINE}, source="x") == 1
    assert book.exported_again(LOT) == {one: book.uploads(LOT)[1].at}
    uploads = book.trace("hw-1").units[0].uploads
    assert [(name, str(state)) for name, _, state in uploads] == [("u1.csv", "rejected"), ("u2.csv", "online")]


def test_what_was_never_exported_has_no_row(book: Ledger) -> None:
    make_pass(book, 4, serial="SN4")
    assert book.confirm_rows(LOT, {units(book)["hw-4"]: RowState.ONLINE}, source="x") == 0
    assert states(book)["hw-4"] == "unlisted"


def test_what_cannot_be_confirmed(book: Ledger) -> None:
    with pytest.raises(UsageError, match=r"there is no lot other"):
        book.confirm_rows("other", {}, source="x")
    with pytest.raises(ValueError, match=r"preregistered or online"):
        book.confirm_rows(LOT, {1: RowState.REJECTED}, source="x")
    assert book.confirm_rows(LOT, {}, source="x") == 0
