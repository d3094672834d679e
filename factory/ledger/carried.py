"""What a station's journal took along from the server, beside rows of the ledger's own tables: how far the server's
chains had come, and what it had settled.
"""

from __future__ import annotations

from sqlalchemy import Column, String, Table, Text

from factory.ledger.schema import metadata

HEADS = "heads"

carried = Table(
    "carried",
    metadata,
    Column("name", String(255).with_variant(Text(), "postgresql"), primary_key=True),
    Column("data", Text, nullable=False),
    Column("at", String(32), nullable=False),
)
