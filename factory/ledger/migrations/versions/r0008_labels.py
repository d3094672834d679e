"""Labels."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TEXT = sa.String(255).with_variant(sa.Text(), "postgresql")
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.String(32)
_LIVE = sa.text("state IN ('intent', 'printed', 'verified')")


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "labels",
        sa.Column("id", _NUMBER, primary_key=True),
        sa.Column("nonce", _TEXT, nullable=False, unique=True),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("unit", _NUMBER, sa.ForeignKey("units.id"), nullable=False),
        sa.Column("attempt", _NUMBER, sa.ForeignKey("attempts.id"), nullable=False),
        sa.Column("state", _TEXT, nullable=False),
        sa.Column("scan", sa.Boolean(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("printer", _TEXT, nullable=False),
        sa.Column("slot", _TEXT, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        *(sa.Column(name, _TIME) for name in ("printed_at", "verified_at", "voided_at")),
        *(sa.Column(name, _TEXT, nullable=False) for name in ("station", "operator", "software")),
        sa.UniqueConstraint("unit", "number", name="labels_unit_number"),
    )
    op.create_index("labels_live", "labels", ["unit"], unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE)
    op.create_index("labels_attempt", "labels", ["attempt"])
    op.create_index("labels_state", "labels", ["state"])
