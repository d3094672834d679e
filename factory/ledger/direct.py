"""Statements that are run for every unit: written once as any other, and handed to the database's driver as they are.

A station's five commits are two dozen short statements, of which most of the time would go into preparing to run them.
What a statement says, and the transaction that it belongs to, are the same as on the usual way.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ClauseElement

_CURSOR = "factory_cursor"


@dataclass(frozen=True, slots=True)
class _Form:
    """A statement as one engine takes it: `fixed` are the values that belong to it, `order` is that of its marks, None
    where they are named.
    """

    text: str
    fixed: Mapping[str, Any]
    order: tuple[str, ...] | None


class Direct:
    """One statement. Its values are texts, numbers, truth values and None, by the names of its parameters."""

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement
        self._forms: dict[tuple[str, tuple[str, ...]], _Form] = {}
        self._row: Callable[..., Any] | None = None

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> list[Any]:
        """Run it; its rows, with their columns by name. Raises DBAPIError."""
        cursor = self._run(connection, values)
        found = cursor.fetchall()
        if found and self._row is None:
            made: Any = namedtuple  # its columns are known when it runs
            self._row = made("Row", [column[0] for column in cursor.description])._make
        return [self._row(one) for one in found] if found and self._row else []

    def run(self, connection: Connection, values: Mapping[str, Any]) -> int:
        """Run it; how many rows it changed. Raises DBAPIError."""
        return int(self._run(connection, values).rowcount)

    def _run(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        key = connection.dialect.name, tuple(values)
        form = self._forms.get(key)
        if form is None:
            form = self._forms[key] = self._compiled(connection, values)
        whole = {**form.fixed, **values}
        return execute(connection, form.text, whole if form.order is None else [whole[name] for name in form.order])

    def _compiled(self, connection: Connection, values: Mapping[str, Any]) -> _Form:
        made: Any = self._statement.compile(dialect=connection.dialect, column_keys=list(values))
        order = tuple(made.positiontup) if made.positiontup is not None else None
        return _Form(made.string, {name: one for name, one in made.params.items() if name not in values}, order)


def execute(connection: Connection, text: str, values: Any) -> Any:
    """Run a statement by the driver of a connection, within its transaction; the cursor. Raises DBAPIError."""
    driver: Any = connection.connection.driver_connection
    dialect: Any = connection.dialect
    try:
        # One cursor for as long as the connection: each is read to its end before it is used again.
        cursor: Any = connection.info.get(_CURSOR)
        if cursor is None:
            cursor = connection.info[_CURSOR] = driver.cursor()
        cursor.execute(text, values)
        return cursor
    except dialect.dbapi.Error as error:
        lost = dialect.is_disconnect(error, driver, None)
        if lost:
            connection.invalidate(error)
        raise DBAPIError.instance(
            text, values, error, dialect.dbapi.Error, connection_invalidated=lost, dialect=dialect
        ) from error
