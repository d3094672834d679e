"""The tables of stations in order, of lots that stopped by themselves, and of transcripts that were removed."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint, text

from factory.ledger.schema import Number, metadata

_NAME = String(255).with_variant(Text(), "postgresql")
_TIME = String(32)
_OPEN = text("accepted IS NULL")


def _signed() -> list[Column[str]]:
    return [Column(name, _NAME, nullable=False) for name in ("station", "operator", "software")]


# One row per go at one stage. It belongs to the pass of `attempt`: a unit that is flashed again does its stages again.
# Without a unit it is a go at which no unit could be read. `seq` is the event that told it, in the station's chain;
# `measurements` is a list of canonical JSON.
stage_results = Table(
    "stage_results",
    metadata,
    Column("id", Number, primary_key=True),
    Column("lot", _NAME, ForeignKey("lots.name"), nullable=False),
    Column("stage", _NAME, nullable=False),
    Column("unit", Number, ForeignKey("units.id")),
    Column("attempt", Number, ForeignKey("attempts.id")),
    Column("hardware_id", _NAME),
    Column("number", Integer, nullable=False),
    Column("outcome", _NAME, nullable=False),
    Column("code", _NAME),
    Column("cause", Text),
    Column("measurements", Text, nullable=False),
    Column("transcript", _NAME),
    Column("at", _TIME, nullable=False),
    *_signed(),
    Column("slot", _NAME, nullable=False),
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
    Column("lot", _NAME, ForeignKey("lots.name"), nullable=False),
    Column("stage", _NAME, nullable=False),
    Column("code", _NAME, nullable=False),
    Column("cause", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("slot", _NAME, nullable=False),
    Column("at", _TIME, nullable=False),
    *_signed(),
    Column("accepted", Text),
    Column("accepted_at", _TIME),
    Column("accepted_by", _NAME),
    Column("after_attempt", Number),
    Column("after_result", Number),
    Index("lot_stops_open", "lot", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("lot_stops_lot", "lot"),
)

# Transcripts that the station removed when their time was over: missing on purpose.
pruned_transcripts = Table(
    "pruned_transcripts",
    metadata,
    Column("station", _NAME, primary_key=True),
    Column("name", _NAME, primary_key=True),
    Column("at", _TIME, nullable=False),
)
