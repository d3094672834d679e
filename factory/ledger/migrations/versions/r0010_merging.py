"""Ledgers merged into one, and journals of stations that were cut off."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_TEXT = sa.String(255).with_variant(sa.Text(), "postgresql")


def upgrade() -> None:
    """Add what an event was told as, the conflicts that were settled, and what a journal took along."""
    op.add_column("events", sa.Column("told", sa.Text()))
    op.create_table(
        "merge_conflicts",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        *(sa.Column(name, _TEXT, nullable=False) for name in ("station", "operator", "software")),
    )
    op.create_table(
        "carried",
        sa.Column("name", _TEXT, primary_key=True),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
    )
