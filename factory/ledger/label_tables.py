"""The table of labels: one row per label that was ever sent to a printer, for ever."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text

from factory.ledger.columns import NAME, SHA256, TIME, Number, metadata, signed

LIVE = ("intent", "printed", "verified")
_LIVE = text("state IN ('intent', 'printed', 'verified')")

# The nonce is random and names the label, whichever ledger it came from; `number` counts the labels of a unit from 1.
# A unit has one live label, whatever the code does: a reprint voids the one before.
labels = Table(
    "labels",
    metadata,
    Column("id", Number, primary_key=True),
    Column("nonce", NAME, nullable=False, unique=True),
    Column("number", Integer, nullable=False),
    Column("unit", Number, ForeignKey("units.id"), nullable=False),
    Column("attempt", Number, ForeignKey("attempts.id"), nullable=False),
    Column("state", NAME, nullable=False),
    Column("scan", Boolean, nullable=False),
    Column("sha256", SHA256, nullable=False),
    Column("printer", NAME, nullable=False),
    Column("slot", NAME, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", TIME, nullable=False),
    Column("printed_at", TIME),
    Column("verified_at", TIME),
    Column("voided_at", TIME),
    *signed(),
    UniqueConstraint("unit", "number", name="labels_unit_number"),
    Index("labels_live", "unit", unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE),
    Index("labels_attempt", "attempt"),
    Index("labels_state", "state"),
)
