"""Registrations with clouds, the uses of hardware keys, and one cloud id per unit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0004"
branch_labels = None
depends_on = None

_TEXT = sa.String(255).with_variant(sa.Text(), "postgresql")
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_LIVE = sa.text("state IN ('intent', 'registered', 'unknown')")
_CLOUD_ID = sa.text("kind = 'cloud-id'")


def upgrade() -> None:
    """Add both tables and the index."""
    op.create_table(
        "cloud_registrations",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("token", _TEXT, nullable=False, unique=True),
        sa.Column("unit", _NUMBER, sa.ForeignKey("units.id")),
        sa.Column("attempt", _NUMBER, sa.ForeignKey("attempts.id")),
        *(sa.Column(name, _TEXT, nullable=False) for name in ("hardware_id", "product", "lot")),
        sa.Column("sn", _TEXT),
        sa.Column("sent", sa.Text(), nullable=False),
        sa.Column("state", _TEXT, nullable=False),
        sa.Column("device", _TEXT, unique=True),
        sa.Column("fingerprint", _TEXT),
        sa.Column("parent", _TEXT),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("changed", sa.String(32), nullable=False),
        *_signed(),
    )
    op.create_index("cloud_registrations_lot", "cloud_registrations", ["lot"])
    for name, columns in (("live", ["unit"]), ("sn", ["product", "sn"])):
        op.create_index(
            f"cloud_registrations_{name}",
            "cloud_registrations",
            columns,
            unique=True,
            sqlite_where=_LIVE,
            postgresql_where=_LIVE,
        )
    op.create_table(
        "cloud_key_uses",
        sa.Column("fingerprint", _TEXT, primary_key=True),
        sa.Column("unit", _NUMBER, sa.ForeignKey("units.id"), primary_key=True),
        sa.Column("at", sa.String(32), nullable=False),
        *_signed(),
    )
    op.create_index(
        "identity_values_one_cloud_id",
        "identity_values",
        ["unit"],
        unique=True,
        sqlite_where=_CLOUD_ID,
        postgresql_where=_CLOUD_ID,
    )


def _signed() -> list[sa.Column[str]]:
    return [sa.Column(name, _TEXT, nullable=False) for name in ("station", "operator", "software")]
