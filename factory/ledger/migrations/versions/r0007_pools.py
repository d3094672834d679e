"""MAC and serial pools: ranges, leases of stations, cells given to units."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TEXT = sa.String(255).with_variant(sa.Text(), "postgresql")
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the five tables."""
    op.create_table("pool_gate", sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False))
    op.create_table(
        "pools",
        sa.Column("id", _NUMBER, primary_key=True),
        *_named("product", "name", "kind"),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("each", "align", "low_water")),
        *_signed(),
        sa.UniqueConstraint("product", "name", name="pools_name"),
    )
    op.create_table(
        "pool_ranges",
        sa.Column("id", _NUMBER, primary_key=True),
        sa.Column("pool", _NUMBER, sa.ForeignKey("pools.id"), nullable=False),
        *_named("kind", "prefix"),
        sa.Column("width", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("low", "high", "first", "cells")),
        sa.Column("stride", sa.Integer(), nullable=False),
        sa.Column("taken", sa.BigInteger(), nullable=False),
        *_named("file"),
        sa.Column("sha256", sa.String(64), nullable=False),
        *_named("place"),
        *_signed(),
        sa.UniqueConstraint("kind", "prefix", "width", "low", name="pool_ranges_row"),
    )
    _partial("pool_ranges_leasable", "pool_ranges", ["pool", "id"], "taken < cells")
    op.create_table(
        "pool_leases",
        sa.Column("id", _NUMBER, primary_key=True),
        sa.Column("pool", _NUMBER, sa.ForeignKey("pools.id"), nullable=False),
        *_named("kind", "prefix"),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("stride", "cells", "next")),
        *_signed(),
        sa.UniqueConstraint("kind", "prefix", "width", "first", name="pool_leases_row"),
    )
    _partial("pool_leases_givable", "pool_leases", ["pool", "station", "id"], "next < cells")
    op.create_table(
        "pool_cells",
        sa.Column("kind", _TEXT, primary_key=True),
        sa.Column("value", _TEXT, primary_key=True),
        sa.Column("pool", _NUMBER, sa.ForeignKey("pools.id"), nullable=False),
        sa.Column("key", _TEXT),
        sa.Column("state", _TEXT, nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("unit", _NUMBER, sa.ForeignKey("units.id")),
        sa.Column("attempt", _NUMBER, sa.ForeignKey("attempts.id")),
        sa.Column("slot", _TEXT),
        sa.Column("changed", sa.String(32), nullable=False),
        *_signed(),
    )
    _partial("pool_cells_key", "pool_cells", ["pool", "key"], "state = 'given'", unique=True)
    op.create_index("pool_cells_unit", "pool_cells", ["unit"])
    op.create_index("pool_cells_at", "pool_cells", ["pool", "at"])


def _partial(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


def _named(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, _TEXT, nullable=False) for name in names]


def _signed() -> list[sa.Column[str]]:
    return [sa.Column("at", sa.String(32), nullable=False), *_named("station", "operator", "software")]
