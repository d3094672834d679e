"""The table of labels: one row per label that was ever sent to a printer, for ever."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint, text

from factory.ledger.schema import Number, metadata

_NAME = String(255).with_variant(Text(), "postgresql")
_TIME = String(32)
LIVE = ("intent", "printed", "verified")
_LIVE = text("state IN ('intent', 'printed', 'verified')")

# The nonce is random and names the label, whichever ledger it came from; `number` counts the labels of a unit from 1.
# A unit has one live label, whatever the code does: a reprint voids the one before.
labels = Table(
    "labels",
    metadata,
    Column("id", Number, primary_key=True),
    Column("nonce", _NAME, nullable=False, unique=True),
    Column("number", Integer, nullable=False),
    Column("unit", Number, ForeignKey("units.id"), nullable=False),
    Column("attempt", Number, ForeignKey("attempts.id"), nullable=False),
    Column("state", _NAME, nullable=False),
    Column("scan", Boolean, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("printer", _NAME, nullable=False),
    Column("slot", _NAME, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", _TIME, nullable=False),
    Column("printed_at", _TIME),
    Column("verified_at", _TIME),
    Column("voided_at", _TIME),
    Column("station", _NAME, nullable=False),
    Column("operator", _NAME, nullable=False),
    Column("software", _NAME, nullable=False),
    UniqueConstraint("unit", "number", name="labels_unit_number"),
    Index("labels_live", "unit", unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE),
    Index("labels_attempt", "attempt"),
    Index("labels_state", "state"),
)
