"""First articles: which attempt was the first of its product, templates and board."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TEXT = sa.String(255).with_variant(sa.Text(), "postgresql")
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table of first articles."""
    op.create_table(
        "first_articles",
        sa.Column("product_sha256", sa.String(64), primary_key=True),
        sa.Column("template_sha256", sa.String(64), primary_key=True),
        sa.Column("board", _TEXT, primary_key=True),
        sa.Column("attempt", _NUMBER, sa.ForeignKey("attempts.id"), nullable=False),
        sa.Column("accepted", sa.Text()),
        sa.Column("at", sa.String(32), nullable=False),
        *(sa.Column(name, _TEXT, nullable=False) for name in ("station", "operator", "software")),
    )
