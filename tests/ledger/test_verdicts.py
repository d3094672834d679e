"""What a portal answers: accepted rows frozen, refused ones free again with their reason, unknown ones unknown."""

from __future__ import annotations

import pytest

from factory.errors import UsageError
from factory.ledger import Ledger, UploadFile, Verdict, VerdictsRefused
from factory.values import Event, RowState
from tests.ledger import made
from tests.ledger.made import LOT, make_pass

pytestmark = pytest.mark.usefixtures("both_engines")

A, B = "a" * 64, "b" * 64
RANK = {
    RowState.UNKNOWN: 0,
    RowState.REJECTED: 0,
    RowState.UPLOADED: 1,
    RowState.PREREGISTERED: 2,
    RowState.ONLINE: 3,
}


def exported(ledger: Ledger, *numbers: int, name: str = "u1.csv", number: int = 1) -> None:
    units = {unit.hardware_id: unit.unit for unit in ledger.passed_units(LOT)}
    rows = tuple(units[f"hw-{one}"] for one in numbers)
    ledger.mark_exported(LOT, [UploadFile(name, number, "c" * 64, rows)])


@pytest.fixture
def book(ledger: Ledger) -> Ledger:
    for number in (1, 2, 3):
        make_pass(ledger, number, serial=f"SN{number}")
    exported(ledger, 1, 2, 3)
    return ledger


def states(ledger: Ledger) -> dict[str, str]:
    return {unit.hardware_id: str(unit.row) for unit in ledger.passed_units(LOT)}


def test_an_answer_settles_the_rows(book: Ledger) -> None:
    verdicts = [
        Verdict("HW-1", RowState.PREREGISTERED, row=2),
        Verdict("hw-2", RowState.REJECTED, "duplicate hardware id", row=3),
    ]
    taken = book.take_verdicts(LOT, verdicts, file="answer.csv", sha256=A)
    assert taken.changed == {RowState.PREREGISTERED: 1, RowState.REJECTED: 1}
    assert (taken.rejected, taken.silent) == ((("hw-2", "duplicate hardware id"),), ("hw-3",))
    assert states(book) == {"hw-1": "preregistered", "hw-2": "rejected", "hw-3": "exported"}
    assert [unit.hardware_id for unit in book.passed_units(LOT, states={RowState.REJECTED})] == ["hw-2"]
    exported(book, 2, name="u2.csv", number=2)
    assert states(book)["hw-2"] == "exported"
    with pytest.raises(UsageError, match=r"already stands in u1.csv, row 1"):
        exported(book, 1, name="u3.csv", number=3)


def test_the_same_answer_twice_is_told(book: Ledger) -> None:
    verdict = [Verdict("hw-2", RowState.REJECTED, "no")]
    book.take_verdicts(LOT, verdict, file="answer.csv", sha256=A)
    exported(book, 2, name="u2.csv", number=2)
    with pytest.raises(UsageError, match=r"taken already, as answer.csv") as caught:
        book.take_verdicts(LOT, verdict, file="copy.csv", sha256=A)
    assert caught.value.code == "ledger.verdicts-taken"
    assert states(book)["hw-2"] == "exported", "an old answer does not refuse the new upload"
    book.take_verdicts(LOT, verdict, file="copy.csv", sha256=A, upload="u2.csv")
    assert states(book)["hw-2"] == "rejected"


def test_an_answer_to_an_older_upload(book: Ledger) -> None:
    book.take_verdicts(LOT, [Verdict("hw-2", RowState.REJECTED)], file="a", sha256=A)
    exported(book, 2, name="u2.csv", number=2)
    with pytest.raises(VerdictsRefused, match=r"row 4, hw-2: was exported again since, in u2.csv"):
        book.take_verdicts(LOT, [Verdict("hw-2", RowState.UPLOADED, row=4)], file="b", sha256=B, upload="u1.csv")
    with pytest.raises(UsageError, match=r"has no upload u9.csv") as caught:
        book.take_verdicts(LOT, [Verdict("hw-2", RowState.UPLOADED)], file="b", sha256=B, upload="u9.csv")
    assert "u1.csv, u2.csv" in caught.value.hint
    with pytest.raises(VerdictsRefused, match=r"hw-1: is not in u2.csv"):
        book.take_verdicts(LOT, [Verdict("hw-1", RowState.UPLOADED)], file="b", sha256=B, upload="u2.csv")


def test_rows_that_do_not_fit_stop_the_whole_answer(book: Ledger) -> None:
    make_pass(book, 4, serial="SN4")
    book.take_verdicts(LOT, [Verdict("hw-1", RowState.ONLINE)], file="a", sha256=A)
    verdicts = [
        Verdict("hw-2", RowState.UPLOADED, row=2),
        Verdict("hw-9", RowState.UPLOADED, row=3),
        Verdict("hw-4", RowState.UPLOADED, row=4),
        Verdict("hw-1", RowState.REJECTED, "late", row=5),
        Verdict("hw-2", RowState.REJECTED, "no", row=6),
    ]
    with pytest.raises(VerdictsRefused) as caught:
        book.take_verdicts(LOT, verdicts, file="b", sha256=B)
    assert caught.value.reasons == (
        f"row 3, hw-9: is not in an upload of lot {LOT}",
        f"row 4, hw-4: is not in an upload of lot {LOT}",
        "row 5, hw-1: is online (u1.csv row 2), which is final, and rejected here",
        "row 6, hw-2: is rejected here and uploaded in row 2",
    )
    assert states(book)["hw-2"] == "exported"
    with pytest.raises(ValueError, match=r"no answer"):
        book.take_verdicts(LOT, [Verdict("hw-2", RowState.EXPORTED)], file="b", sha256=B)


@pytest.mark.parametrize("first", list(RANK))
@pytest.mark.parametrize("second", list(RANK))
def test_what_is_known_better_is_not_forgotten(book: Ledger, first: RowState, second: RowState) -> None:
    book.take_verdicts(LOT, [Verdict("hw-1", first, "why")], file="a", sha256=A)
    if second is RowState.REJECTED and RANK[first] > 1:
        with pytest.raises(VerdictsRefused, match=r"which is final"):
            book.take_verdicts(LOT, [Verdict("hw-1", second)], file="b", sha256=B)
        expected = first
    else:
        book.take_verdicts(LOT, [Verdict("hw-1", second)], file="b", sha256=B)
        if second is RowState.REJECTED:
            expected = second
        elif second is RowState.UNKNOWN:
            expected = first
        else:
            expected = second if RANK[second] > RANK[first] else first
    assert states(book)["hw-1"] == str(expected)


def test_an_answer_is_an_event_and_holds_no_more_than_it_says(book: Ledger) -> None:
    heard: list[Event] = []
    book.subscribe(heard.append)
    book.take_verdicts(LOT, [Verdict("hw-1", RowState.REJECTED, "no")], file="a.csv", sha256=A)
    (event,) = heard
    assert event.kind == "upload.verdicts"
    assert event.data["rejected"] == [{"hardware_id": "hw-1", "reason": "no"}]
    assert (event.data["silent"], event.data["sha256"]) == (2, A)
    head = book.head()
    assert (head.station, head.seq) == ("S1", event.seq)


def test_who_holds_a_value(book: Ledger) -> None:
    book.take_verdicts(LOT, [Verdict("hw-1", RowState.UPLOADED)], file="a.csv", sha256=A)
    held = book.holders({made.mac(1).plain, "hw2", "router 3", "sn1", "nobody"})
    assert sorted(held) == [made.mac(1).plain, "hw2", "router 3", "sn1"]
    (one,) = held["sn1"]
    assert (one.where, one.state) == (f"upload u1.csv row 2 of lot {LOT}", "passed, uploaded")
    assert one.passed and one.bars_order
    assert held[made.mac(1).plain] == (one,)
    assert [each.hardware_id for each in (*held["hw2"], *held["router 3"])] == ["hw-2", "hw-3"]


def test_a_whole_sheet_is_looked_up_with_few_statements(book: Ledger) -> None:
    from sqlalchemy import event

    count = []
    engine = book._store.database.engine
    event.listen(engine, "before_cursor_execute", lambda *_: count.append(1))
    assert len(book.holders({f"value-{number}" for number in range(5000)} | {"hw1"})) == 1
    assert len(count) <= 40
