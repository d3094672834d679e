"""The tables of stations in order, of lots that stopped by themselves, and of transcripts that were removed."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text

from factory.ledger.columns import NAME, TIME, Number, metadata, signed

_OPEN = text("accepted IS NULL")


# One row per go at one stage. It belongs to the pass of `attempt`: a unit that is flashed again does its stages again.
# Without a unit it is a go at which no unit could be read. `seq` is the event that told it, in the station's chain;
# `measurements` is a list of canonical JSON.
stage_results = Table(
    "stage_results",
    metadata,
    Column("id", Number, primary_key=True),
    Column("lot", NAME, ForeignKey("lots.name"), nullable=False),
    Column("stage", NAME, nullable=False),
    Column("unit", Number, ForeignKey("units.id")),
    Column("attempt", Number, ForeignKey("attempts.id")),
    Column("hardware_id", NAME),
    Column("number", Integer, nullable=False),
    Column("outcome", NAME, nullable=False),
    Column("code", NAME),
    Column("cause", Text),
    Column("measurements", Text, nullable=False),
    Column("transcript", NAME),
    Column("at", TIME, nullable=False),
    *signed(),
    Column("slot", NAME, nullable=False),
    Column("seq", Number, nullable=False),
    UniqueConstraint("station", "seq", name="stage_results_event"),
    Index("stage_results_attempt", "attempt", "stage"),
    Index("stage_results_lot", "lot", "stage", "outcome"),
    Index("stage_results_unit", "unit"),
    Index("stage_results_transcript", "transcript"),
)

# `stage` is empty for the flash. Once `accepted` says why it goes on, only what began after `after_attempt` and
# `after_result` counts again.
lot_stops = Table(
    "lot_stops",
    metadata,
    Column("id", Number, primary_key=True),
    Column("lot", NAME, ForeignKey("lots.name"), nullable=False),
    Column("stage", NAME, nullable=False),
    Column("code", NAME, nullable=False),
    Column("cause", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("slot", NAME, nullable=False),
    Column("at", TIME, nullable=False),
    *signed(),
    Column("accepted", Text),
    Column("accepted_at", TIME),
    Column("accepted_by", NAME),
    Column("after_attempt", Number),
    Column("after_result", Number),
    Index("lot_stops_open", "lot", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("lot_stops_lot", "lot"),
)

# Transcripts that the station removed when their time was over: missing on purpose.
pruned_transcripts = Table(
    "pruned_transcripts",
    metadata,
    Column("station", NAME, primary_key=True),
    Column("name", NAME, primary_key=True),
    Column("at", TIME, nullable=False),
)
