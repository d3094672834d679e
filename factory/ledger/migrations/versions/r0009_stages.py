"""Stations in order, lots that stop by themselves, and which transcript is whose."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TEXT = sa.String(255).with_variant(sa.Text(), "postgresql")
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.String(32)
_OPEN = sa.text("accepted IS NULL")


def upgrade() -> None:
    """Add the tables, and the columns that name an attempt's transcript and stage."""
    op.create_table(
        "stage_results",
        sa.Column("id", _NUMBER, primary_key=True),
        sa.Column("lot", _TEXT, sa.ForeignKey("lots.name"), nullable=False),
        sa.Column("stage", _TEXT, nullable=False),
        sa.Column("unit", _NUMBER, sa.ForeignKey("units.id")),
        sa.Column("attempt", _NUMBER, sa.ForeignKey("attempts.id")),
        sa.Column("hardware_id", _TEXT),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("outcome", _TEXT, nullable=False),
        sa.Column("code", _TEXT),
        sa.Column("cause", sa.Text()),
        sa.Column("measurements", sa.Text(), nullable=False),
        sa.Column("transcript", _TEXT),
        sa.Column("at", _TIME, nullable=False),
        *_signed(),
        sa.Column("slot", _TEXT, nullable=False),
        sa.Column("seq", _NUMBER, nullable=False),
        sa.UniqueConstraint("station", "seq", name="stage_results_event"),
    )
    for name, columns in (
        ("attempt", ["attempt", "stage"]),
        ("lot", ["lot", "stage", "outcome"]),
        ("unit", ["unit"]),
        ("transcript", ["transcript"]),
    ):
        op.create_index(f"stage_results_{name}", "stage_results", columns)
    op.create_table(
        "lot_stops",
        sa.Column("id", _NUMBER, primary_key=True),
        sa.Column("lot", _TEXT, sa.ForeignKey("lots.name"), nullable=False),
        sa.Column("stage", _TEXT, nullable=False),
        sa.Column("code", _TEXT, nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("slot", _TEXT, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        *_signed(),
        sa.Column("accepted", sa.Text()),
        sa.Column("accepted_at", _TIME),
        sa.Column("accepted_by", _TEXT),
        sa.Column("after_attempt", _NUMBER),
        sa.Column("after_result", _NUMBER),
    )
    op.create_index("lot_stops_open", "lot_stops", ["lot"], unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN)
    op.create_index("lot_stops_lot", "lot_stops", ["lot"])
    op.create_table(
        "pruned_transcripts",
        sa.Column("station", _TEXT, primary_key=True),
        sa.Column("name", _TEXT, primary_key=True),
        sa.Column("at", _TIME, nullable=False),
    )
    for name in ("transcript", "stage"):
        op.add_column("attempts", sa.Column(name, _TEXT, nullable=True))
    op.create_index("attempts_transcript", "attempts", ["transcript"])


def _signed() -> list[sa.Column[str]]:
    return [sa.Column(name, _TEXT, nullable=False) for name in ("station", "operator", "software")]
