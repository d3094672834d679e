"""What a station and an office ask all day is answered by an index, in a ledger of any size."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, inspect, text

from factory.ledger import Ledger, UploadFile, direct, holdings
from factory.ledger.articles import Kind
from factory.ledger.direct import execute
from factory.values import RowState, UnitState
from tests.ledger.made import LOT, admit, facts, make_pass, opened

pytestmark = pytest.mark.usefixtures("both_engines")

GROWING = frozenset(
    {
        "units",
        "identity_values",
        "attempts",
        "sightings",
        "events",
        "passes",
        "hooks",
        "host_keys",
        "upload_rows",
        "order_rows",
        "order_keys",
        "labels",
        "stage_results",
        "pool_cells",
        "mentions",
        "cloud_registrations",
    }
)
"""Tables with a row or more for each unit."""
FEW = frozenset({"hooks_due"})
"""Indexes of the few rows that wait for something: read from end to end."""

MAC = "b8:27:eb:00:00:01"
KIND = Kind("a" * 64, "b" * 64, "board")

Ask = Callable[[Ledger], object]
QUESTIONS: dict[str, Ask] = {
    "admit": lambda ledger: admit(ledger, 50, serial="SN50"),
    "admit again": lambda ledger: admit(ledger, 3, serial="SN3"),
    "a whole attempt": lambda ledger: make_pass(ledger, 51, serial="SN51"),
    "fail": lambda ledger: ledger.failed(admit(ledger, 52, serial="SN52").id, "x", "y"),
    "assign": lambda ledger: ledger.assign(facts(1, serial="SN1"), LOT),
    "recover": lambda ledger: ledger.recover(),
    "first article": lambda ledger: ledger.require_article(LOT, KIND),
    "restores of a unit": lambda ledger: ledger.pending_restores(facts(1, serial="SN1")),
    "host keys": lambda ledger: ledger.host_keys_of([MAC]),
    "trace a MAC": lambda ledger: ledger.trace(MAC),
    "trace a serial": lambda ledger: ledger.trace("SN1"),
    "trace an upload": lambda ledger: ledger.trace("one.csv"),
    "trace nothing": lambda ledger: ledger.trace("nobody"),
    "look for doubles": lambda ledger: ledger.holders(["b827eb000001", "sn1", "router 1", "hw1"]),
    "rework": lambda ledger: ledger.change_unit("SN2", UnitState.REWORK, "returned"),
    "quarantine": lambda ledger: ledger.change_unit("SN4", UnitState.QUARANTINED, "smells"),
    "release": lambda ledger: ledger.release_unit("SN4", "washed"),
    "a unit's record": lambda ledger: ledger.unit_record("hw-1", reason="new image"),
    "passed units": lambda ledger: ledger.passed_units(LOT, states=[RowState.UNLISTED]),
    "export": lambda ledger: ledger.mark_exported(
        LOT, [UploadFile("two.csv", 2, "e" * 64, (ledger.passed_units(LOT, states=[RowState.UNLISTED])[0].unit,))]
    ),
    "uploads of a lot": lambda ledger: ledger.uploads(LOT),
    "hooks to repeat": lambda ledger: ledger.hooks_to_repeat(),
    "an attempt": lambda ledger: ledger.attempt(1),
}


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Ledger]:
    with opened(tmp_path) as ledger:
        first = make_pass(ledger, 1, serial="SN1", hook=True)
        make_pass(ledger, 2, serial="SN2")
        ledger.failed(admit(ledger, 3, serial="SN3").id, "unit.gone", "it went away")
        make_pass(ledger, 4, serial="SN4")
        assert first.unit is not None
        ledger.mark_exported(LOT, [UploadFile("one.csv", 1, "f" * 64, (first.unit,))])
        yield ledger


def test_no_question_reads_a_whole_table(filled: Ledger, both_engines: str) -> None:
    # Of two tables with a handful of rows PostgreSQL walks whichever it likes.
    left_out = {"hooks to repeat"} if both_engines == "postgres" else set()
    read = {name: scanned(filled, ask) for name, ask in QUESTIONS.items() if name not in left_out}
    assert {name: found for name, found in read.items() if found} == {}


@pytest.mark.parametrize(
    ("index", "ask", "table"),
    [("attempts_unit", "admit again", "attempts"), ("attempts_image", "trace nothing", "attempts")],
)
def test_a_dropped_index_shows(filled: Ledger, index: str, ask: str, table: str) -> None:
    with filled._store.database.engine.begin() as connection:
        connection.execute(text(f"DROP INDEX {index}"))
    assert any(one.startswith(table) for one in scanned(filled, QUESTIONS[ask]))


def test_serials_are_looked_up_and_not_gone_through(filled: Ledger, both_engines: str) -> None:
    if both_engines == "postgres":
        # Which way it goes there depends on statistics: the index must be there to be chosen.
        indexes = inspect(filled._store.database.engine).get_indexes("identity_values")
        assert "identity_values_serial" in {index["name"] for index in indexes}
        return
    with filled._store.reading() as connection, statements_of(filled) as said:
        holdings.holders(connection, {"sn1"})
        (asked,) = [one for one in said if "'serial'" in one[0]]
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked[0]}", asked[1]).all()
    assert "identity_values_serial (kind=? AND name=?)" in str(plan)


def scanned(ledger: Ledger, ask: Ask) -> list[str]:
    """The growing tables that one question reads from end to end, each with its statement."""
    with statements_of(ledger) as said:
        ask(ledger)
    found = []
    with ledger._store.database.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            # A few rows are read faster without an index: what is asked here is whether there is one.
            for way in ("seqscan", "hashjoin", "mergejoin"):
                connection.exec_driver_sql(f"SET enable_{way} = off")
        for statement, values in said:
            plan = _sqlite if connection.dialect.name == "sqlite" else _postgres
            found += [f"{table}: {' '.join(statement.split())}" for table in plan(connection, statement, values)]
        connection.rollback()
    return found


@contextmanager
def statements_of(ledger: Ledger) -> Iterator[list[tuple[str, Any]]]:
    said: list[tuple[str, Any]] = []

    def hear(_c: object, _cursor: object, statement: str, values: Any, _context: object, many: bool = False) -> None:
        if statement.lstrip().startswith(("SELECT", "UPDATE", "DELETE", "WITH")):
            said.append((statement, values[0] if many else values))

    def hear_direct(connection: Connection, statement: str, values: Any) -> Any:
        hear(None, None, statement, tuple(values) if isinstance(values, list) else values, None)
        return execute(connection, statement, values)

    engine = ledger._store.database.engine
    event.listen(engine, "before_cursor_execute", hear)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(direct, "execute", hear_direct)
            yield said
    finally:
        event.remove(engine, "before_cursor_execute", hear)


def _sqlite(connection: Any, statement: str, values: Any) -> Iterator[str]:
    names = dict(re.findall(r"\b(\w+) AS (\w+)\b", statement))
    names = {alias: table for table, alias in names.items()}
    for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values):
        match = re.match(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?", row.detail)
        table = match and match[2] not in FEW and names.get(match[1], match[1])
        # The newest few of all are read from the end.
        if table in GROWING and ("WHERE" in statement or "LIMIT" not in statement):
            yield str(table)


def _postgres(connection: Any, statement: str, values: Any) -> Iterator[str]:
    plan = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", values).scalar_one()
    plans = json.loads(plan) if isinstance(plan, str) else plan

    def look(node: dict[str, Any], limited: bool) -> Iterator[str]:
        whole = node["Node Type"] == "Seq Scan" or (
            node["Node Type"] in ("Index Scan", "Index Only Scan") and "Index Cond" not in node
        )
        if whole and not limited and node.get("Index Name") not in FEW and node.get("Relation Name") in GROWING:
            yield str(node["Relation Name"])
        for child in node.get("Plans", ()):
            yield from look(child, limited or (node["Node Type"] == "Limit" and "WHERE" not in statement))

    yield from look(plans[0]["Plan"], limited=False)
