"""Labels against the chain: what a row says that makes a label valid, an event must have said before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, and_, select

from factory.ledger.errors import LedgerError
from factory.ledger.label_tables import labels
from factory.ledger.records import as_data
from factory.ledger.schema import events
from factory.values import LabelState

_AT_ONCE = 1000
_INTENT = "label.intent"


def contradictions(connection: Connection) -> Iterator[tuple[str, str]]:
    """Places and what is wrong there."""
    told = and_(events.c.attempt == labels.c.attempt, events.c.kind.like("label.%"))
    query = (
        select(labels.c.id, labels.c.nonce, labels.c.attempt, labels.c.state, labels.c.sha256)
        .add_columns(events.c.kind, events.c.data)
        .outerjoin(events, told)
        .order_by(labels.c.id)
        .execution_options(yield_per=_AT_ONCE)
    )
    for _, group in groupby(connection.execute(query), key=lambda row: row.id):
        rows = list(group)
        wrong = _wrong(rows[0], _told(rows))
        if wrong:
            yield f"attempt {rows[0].attempt}", f"label {rows[0].nonce} {wrong}"


def _told(rows: list[Row[Any]]) -> dict[str, Mapping[str, Any]]:
    """What the events said of one label, by their kind."""
    told: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        try:
            data = as_data(row.data)
        except LedgerError:
            continue  # the event itself is damaged, and its chain says so
        if data.get("nonce") == row.nonce:
            told[str(row.kind)] = data
    return told


def _wrong(label: Row[Any], told: Mapping[str, Mapping[str, Any]]) -> str:
    intent = told.get(_INTENT)
    if intent is None:
        return "is there, and no event says that it was to be printed"
    if intent.get("sha256") != label.sha256:
        return "has another hash than the event says that told its printing"
    if label.state == LabelState.VOID:
        return ""  # what a merge voids has no event of its own
    if f"label.{LabelState.VOID}" in told:
        return f"is {label.state}, and an event says that it is void"
    return "" if f"label.{label.state}" in told else f"is {label.state}, and no event says so"
