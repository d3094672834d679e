"""What a station's journal took along from the server, beside rows of the ledger's own tables: how far the server's
chains had come, which kinds were settled, whom it knew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Column, Connection, Table, Text, select

from factory.ledger.columns import NAME, TIME, metadata
from factory.ledger.records import as_data

HEADS = "heads"
JOURNAL = "journal"

carried = Table(
    "carried",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("data", Text, nullable=False),
    Column("at", TIME, nullable=False),
)


def taken_along(connection: Connection, name: str) -> Mapping[str, Any] | None:
    """What was taken along under a name."""
    row = connection.execute(select(carried.c.data).where(carried.c.name == name)).first()
    return None if row is None else as_data(row.data)


def packed(name: str, data: Mapping[str, object], at: str) -> dict[str, str]:
    """A row of the table."""
    return {"name": name, "data": json.dumps(dict(data), sort_keys=True), "at": at}
