"""What a ledger that was repaired by hand, or by another program, may have lost, and `verify` finds."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from factory.ledger import Ledger, UploadFile
from factory.values import UnitState
from tests.ledger import made
from tests.ledger.made import LOT, admit, make_pass

SHA = "e" * 64


@pytest.fixture
def lived(ledger: Ledger) -> Ledger:
    one = make_pass(ledger, 1).unit
    make_pass(ledger, 2, serial="SN2")
    assert one is not None
    ledger.mark_exported(LOT, [UploadFile("a.csv", 1, SHA, (one,))])
    ledger.change_unit("hw-2", UnitState.QUARANTINED, "smells burned")
    return ledger


@pytest.mark.usefixtures("both_engines")
def test_a_ledger_that_has_lived_is_sound(lived: Ledger) -> None:
    admit(lived, 3, serial="SN3")
    assert lived.verify() == ()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE units SET state = 'sold' WHERE id = 1", "unit 1: is 'sold', which is no state"),
        ("UPDATE upload_rows SET state = 'lost'", "upload row 1: is 'lost', which is no state"),
        ("UPDATE units SET state = 'scrapped' WHERE id = 1", "unit 1: is scrapped, and no event says so"),
        ("DROP INDEX upload_rows_live", "its unique index upload_rows_live is missing"),
        ("DROP INDEX attempts_lease", "its unique index attempts_lease is missing"),
        ("DROP TABLE cloud_key_uses", "table cloud_key_uses: is missing"),
        ("UPDATE attempts SET ended = x'ff' WHERE id = 1", "its column ended holds what it cannot hold in 1 rows"),
        ("UPDATE stations SET seq = 'many'", "its column seq holds what it cannot hold in 1 rows"),
        ("UPDATE upload_rows SET position = 1.5", "its column position holds what it cannot hold in 1 rows"),
        (
            "UPDATE upload_rows SET attempt = 2",
            "upload a.csv, row 1: lists a unit by an attempt in which it did not pass",
        ),
    ],
)
def test_what_was_lost_is_named(lived: Ledger, statement: str, said: str) -> None:
    assert lived.verify() == ()
    with made.bare(lived) as connection, connection.begin_nested() as undone:
        connection.execute(text(statement))
        from factory.ledger import checks

        found = checks.verify(connection)
        undone.rollback()
    assert any(said in str(finding) for finding in found), found


@pytest.mark.usefixtures("both_engines")
def test_a_lost_promise_is_named_on_both_engines(lived: Ledger) -> None:
    from factory.ledger import checks

    with made.bare(lived) as connection, connection.begin_nested() as undone:
        connection.execute(text("DROP INDEX identity_values_one_name"))
        found = checks.verify(connection)
        undone.rollback()
    assert [finding.code for finding in found] == ["LEDGER-CONSTRAINT"]
