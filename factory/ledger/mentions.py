"""What an event that belongs to no attempt is about: files, hashes, hardware ids. So it is found without a scan."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKeyConstraint, String, Table, Text

from factory.ledger.schema import Number, metadata

_NAME = String(255).with_variant(Text(), "postgresql")

mentions = Table(
    "mentions",
    metadata,
    Column("name", _NAME, primary_key=True),
    Column("station", _NAME, primary_key=True),
    Column("seq", Number, primary_key=True, autoincrement=False),
    ForeignKeyConstraint(["station", "seq"], ["events.station", "events.seq"]),
)
