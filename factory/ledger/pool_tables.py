"""The tables of pools: ranges that were imported, cells leased by stations, cells given to units.

A cell is what one unit gets: `count` values in a row. Numbers of MACs are the address itself, those of serials the
digits behind their `prefix`; `width` counts digits.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from factory.ledger.columns import NAME, SHA256, TIME, Number, metadata, signed

_GIVEN = text("state = 'given'")
_LEASABLE = text("taken < cells")
_GIVABLE = text("next < cells")


def _signed() -> list[Column[str]]:
    return [Column("at", TIME, nullable=False), *signed()]


# Whoever imports holds its one row until the commit: two imports at once could overlap unseen.
pool_gate = Table("pool_gate", metadata, Column("id", Integer, primary_key=True, autoincrement=False))

# What a cell is never changes: `each` (values per cell), `align` and `kind` are those of the first import. `low_water`
# is the newest product file's.
pools = Table(
    "pools",
    metadata,
    Column("id", Number, primary_key=True),
    Column("product", NAME, nullable=False),
    Column("name", NAME, nullable=False),
    Column("kind", NAME, nullable=False),
    Column("each", Integer, nullable=False),
    Column("align", Integer, nullable=False),
    Column("low_water", Integer, nullable=False),
    *_signed(),
    UniqueConstraint("product", "name", name="pools_name"),
)

# The supplier's values are `low` to `high`; cells begin at `first`, `stride` apart; the first `taken` are leased.
pool_ranges = Table(
    "pool_ranges",
    metadata,
    Column("id", Number, primary_key=True),
    Column("pool", Number, ForeignKey("pools.id"), nullable=False),
    Column("kind", NAME, nullable=False),
    Column("prefix", NAME, nullable=False),
    Column("width", Integer, nullable=False),
    Column("low", BigInteger, nullable=False),
    Column("high", BigInteger, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("cells", BigInteger, nullable=False),
    Column("stride", Integer, nullable=False),
    Column("taken", BigInteger, nullable=False),
    Column("file", NAME, nullable=False),
    Column("sha256", SHA256, nullable=False),
    Column("place", NAME, nullable=False),
    *_signed(),
    UniqueConstraint("kind", "prefix", "width", "low", name="pool_ranges_row"),
    Index("pool_ranges_leasable", "pool", "id", sqlite_where=_LEASABLE, postgresql_where=_LEASABLE),
)

# A lease stands alone: a station that is offline gives from it without the ranges. `next` counts the cells gone.
pool_leases = Table(
    "pool_leases",
    metadata,
    Column("id", Number, primary_key=True),
    Column("pool", Number, ForeignKey("pools.id"), nullable=False),
    Column("kind", NAME, nullable=False),
    Column("prefix", NAME, nullable=False),
    Column("width", Integer, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("stride", Integer, nullable=False),
    Column("cells", Integer, nullable=False),
    Column("next", Integer, nullable=False),
    *_signed(),
    UniqueConstraint("kind", "prefix", "width", "first", name="pool_leases_row"),
    Index("pool_leases_givable", "pool", "station", "id", sqlite_where=_GIVABLE, postgresql_where=_GIVABLE),
)

# `value` is the cell's first. A unit's `key` has one live cell of a pool; whose value is burned gets another.
pool_cells = Table(
    "pool_cells",
    metadata,
    Column("kind", NAME, primary_key=True),
    Column("value", NAME, primary_key=True),
    Column("pool", Number, ForeignKey("pools.id"), nullable=False),
    Column("key", NAME),
    Column("state", NAME, nullable=False),
    Column("reason", Text),
    Column("unit", Number, ForeignKey("units.id")),
    Column("attempt", Number, ForeignKey("attempts.id")),
    Column("slot", NAME),
    Column("changed", TIME, nullable=False),
    *_signed(),
    Index("pool_cells_key", "pool", "key", unique=True, sqlite_where=_GIVEN, postgresql_where=_GIVEN),
    Index("pool_cells_unit", "unit"),
    Index("pool_cells_at", "pool", "at"),
)
