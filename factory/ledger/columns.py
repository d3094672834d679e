"""The kinds of columns that every table is made of: plain SQL types, which every engine has."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Text

metadata = MetaData()

# SQLite numbers rows by itself only where the type is exactly INTEGER.
Number = BigInteger().with_variant(Integer, "sqlite")
TIME = String(32)
# SQLite never minded the length; PostgreSQL would refuse what a strange unit shows.
NAME = String(255).with_variant(Text(), "postgresql")
SHA256 = String(64)


def signed() -> list[Column[str]]:
    """Who wrote a row: station, operator, software version."""
    return [Column(name, NAME, nullable=False) for name in ("station", "operator", "software")]
