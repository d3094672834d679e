"""What the database promises and what it holds: whether the promises are still there, and are kept.

A file that was repaired by hand, or rows that were put in by another program, may have lost what the schema says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import Column, Connection, exists, or_, select, text

from factory.ledger.cloud_registrations import cloud_registrations
from factory.ledger.columns import metadata
from factory.ledger.schema import attempts, events, units, upload_rows
from factory.values import AttemptState, CloudState, RowState, UnitState

APPEND_ONLY = {"sqlite": ("events_no_update", "events_no_delete"), "postgresql": ("events_no_change",)}
_COLUMNS = {
    "sqlite": "SELECT made.name, columns.name FROM sqlite_master AS made, pragma_table_info(made.name) AS columns "
    "WHERE made.type = 'table'",
    "postgresql": "SELECT table_name, column_name FROM information_schema.columns "
    "WHERE table_schema = current_schema()",
}
_OBJECTS = {
    "sqlite": "SELECT name FROM sqlite_master",
    "postgresql": "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace "
    "UNION ALL SELECT tgname FROM pg_trigger WHERE tgrelid = 'events'::regclass AND tgenabled <> 'D'",
}
_TOLD = {UnitState.QUARANTINED: "unit.quarantined", UnitState.SCRAPPED: "unit.scrapped"}
_STATES: tuple[tuple[str, Column[Any], Collection[str]], ...] = (
    ("unit", units.c.state, tuple(map(str, UnitState))),
    ("attempt", attempts.c.state, tuple(map(str, AttemptState))),
    ("upload row", upload_rows.c.state, tuple(map(str, RowState))),
    ("cloud registration", cloud_registrations.c.state, tuple(map(str, CloudState))),
)


def broken(connection: Connection) -> Iterator[tuple[str, str]]:
    """Places and what is wrong there, in a database whose schema is whole."""
    yield from _illegal(connection)
    yield from _untold(connection)
    yield from _twice(connection)


def lost_columns(connection: Connection) -> Iterator[tuple[str, str]]:
    """Tables and columns that the schema has and the database has not: it cannot even be asked."""
    engine = connection.dialect.name
    there = {(row[0], row[1]) for row in connection.execute(text(_COLUMNS[engine]))}
    tables = {table for table, _ in there}
    for table in metadata.sorted_tables:
        if table.name not in tables:
            yield f"table {table.name}", "is missing"
            continue
        for column in table.columns:
            if (table.name, column.name) not in there:
                yield f"table {table.name}", f"its column {column.name} is missing"


def wrong_kinds(connection: Connection) -> Iterator[tuple[str, str]]:
    """Tables and columns that hold a text for a number, or the other way round: SQLite lets anything stand anywhere,
    and no other question can be asked of such a row.
    """
    if connection.dialect.name != "sqlite":
        return
    for table in metadata.sorted_tables:
        columns = [(column.name, _kinds(column)) for column in table.columns]
        faults = [f'total(typeof("{name}") NOT IN ({kinds}))' for name, kinds in columns]
        counts = connection.execute(text(f"SELECT {', '.join(faults)} FROM {table.name}")).one()  # noqa: S608 - our own names
        for (name, _), count in zip(columns, counts, strict=True):
            if count:
                yield f"table {table.name}", f"its column {name} holds what it cannot hold in {int(count)} rows"


def _kinds(column: Column[Any]) -> str:
    own = "'integer'" if issubclass(column.type.python_type, int) else "'text'"
    return f"{own}, 'null'" if column.nullable else own


def lost_promises(connection: Connection) -> Iterator[tuple[str, str]]:
    """Unique indexes and triggers that the schema has and the database has not."""
    engine = connection.dialect.name
    there = set(connection.execute(text(_OBJECTS[engine])).scalars())
    for table in metadata.sorted_tables:
        for name in sorted(str(index.name) for index in table.indexes if index.unique):
            if name not in there:
                yield f"table {table.name}", f"its unique index {name} is missing: a value could stand there twice"
    for name in APPEND_ONLY[engine]:
        if name not in there:
            yield "table events", f"its trigger {name} is missing: the past could be written anew"


def _illegal(connection: Connection) -> Iterator[tuple[str, str]]:
    for what, column, states in _STATES:
        key = next(iter(column.table.primary_key.columns))
        for row in connection.execute(select(key, column).where(column.not_in(states)).order_by(key)):
            yield f"{what} {row[0]}", f"is {row[1]!r}, which is no state"


def _untold(connection: Connection) -> Iterator[tuple[str, str]]:
    """Units that were set aside, and no event says who did it and why."""
    for state, kind in _TOLD.items():
        told = (
            exists()
            .where(attempts.c.unit == units.c.id, events.c.attempt == attempts.c.id, events.c.kind == kind)
            .correlate(units)
        )
        for row in connection.execute(
            select(units.c.id).where(units.c.state == str(state), ~told).order_by(units.c.id)
        ):
            yield f"unit {row.id}", f"is {state}, and no event says so"


def _twice(connection: Connection) -> Iterator[tuple[str, str]]:
    """Rows of an upload for an attempt that never passed, or is another unit's."""
    wrong = or_(attempts.c.unit != upload_rows.c.unit, attempts.c.state != str(AttemptState.PASSED))
    query = select(upload_rows.c.upload, upload_rows.c.position).join(attempts, attempts.c.id == upload_rows.c.attempt)
    for row in connection.execute(query.where(wrong).order_by(upload_rows.c.id)):
        yield f"upload {row.upload}, row {row.position}", "lists a unit by an attempt in which it did not pass"
