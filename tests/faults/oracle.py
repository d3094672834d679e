"""What must hold after every fault: each unit in one state, nothing given or listed twice, the chain intact."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import select

from factory.ledger import Ledger
from factory.ledger.schema import attempts, identity_values, upload_rows
from factory.values import AttemptState

_OPEN = ("admitted", "flashing", "flashed", "proved")
IN_BETWEEN = {"LEDGER-OPEN", "LEDGER-UNKNOWN", "LEDGER-RESTORE"}


def sound(ledger: Ledger, *, in_between: bool = False) -> None:
    """Assert it; with `in_between` attempts may wait for their unit."""
    codes = {finding.code for finding in ledger.doctor()}
    assert codes <= (IN_BETWEEN if in_between else set()), codes
    with ledger._store.reading() as connection:
        rows = connection.execute(select(attempts.c.unit, attempts.c.state).where(attempts.c.unit.is_not(None))).all()
        held = Counter(row.unit for row in rows if row.state in _OPEN)
        assert all(count == 1 for count in held.values()), held
        assert {row.state for row in rows} <= {str(state) for state in AttemptState}
        values = Counter((row.kind, row.value) for row in connection.execute(select(identity_values)))
        assert all(count == 1 for count in values.values()), values
        live = select(upload_rows.c.unit).where(upload_rows.c.state.not_in(("rejected", "needs-republish")))
        listed = Counter(connection.execute(live).scalars())
        assert all(count == 1 for count in listed.values()), listed
