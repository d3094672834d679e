"""Several rows by one statement: a unit's values cost one round trip, and the statement is made once per number."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Table, text

from factory.ledger.direct import Direct

_MOST = 100
"""Rows of one statement; every engine takes a few hundred parameters."""


def insert_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows that name the same columns, in their order. Their values are texts, numbers and None."""
    for start in range(0, len(rows), _MOST):
        part = rows[start : start + _MOST]
        values = {f"{name}_{index}": value for index, row in enumerate(part) for name, value in row.items()}
        _statement(table, tuple(part[0]), len(part)).run(connection, values)


@functools.lru_cache(maxsize=256)
def _statement(table: Table, columns: tuple[str, ...], count: int) -> Direct:
    # Names come from the schema and from code, never from a unit.
    places = ", ".join(f"({', '.join(f':{name}_{index}' for name in columns)})" for index in range(count))
    return Direct(text(f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES {places}"))  # noqa: S608 - as said
