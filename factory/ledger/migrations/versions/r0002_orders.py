"""Orders, and what a portal answers: rows of expected units with their keys, reasons of refused upload rows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# SQLite never minded the length; PostgreSQL would refuse what a strange unit shows.
_TEXT = sa.String(255).with_variant(sa.Text(), "postgresql")

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the tables of orders and answers, and the reason of an upload row."""
    op.add_column("upload_rows", sa.Column("reason", sa.Text()))
    op.create_table(
        "answers",
        sa.Column("id", _NUMBER, primary_key=True),
        sa.Column("lot", _TEXT, sa.ForeignKey("lots.name"), nullable=False),
        _name("upload"),
        _name("file"),
        sa.Column("sha256", sa.String(64), nullable=False),
        *_signed(),
        sa.UniqueConstraint("lot", "upload", "sha256", name="answers_once"),
    )
    _orders()


def _orders() -> None:
    op.create_table(
        "orders",
        sa.Column("id", _NUMBER, primary_key=True),
        _name("lot"),
        _name("product"),
        _name("file"),
        sa.Column("sha256", sa.String(64), nullable=False),
        _name("profile"),
        sa.Column("rows", sa.Integer(), nullable=False),
        *_signed(),
    )
    op.create_index("orders_lot", "orders", ["lot"])
    op.create_table(
        "order_rows",
        sa.Column("order_id", _NUMBER, sa.ForeignKey("orders.id"), primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        _name("lot"),
        sa.Column("cells", sa.Text(), nullable=False),
        sa.Column("unit", _NUMBER, sa.ForeignKey("units.id"), nullable=True),
        sa.UniqueConstraint("lot", "unit", name="order_rows_one_unit"),
    )
    op.create_table(
        "order_keys",
        _name("lot", primary_key=True),
        _name("kind", primary_key=True),
        _name("value", primary_key=True),
        sa.Column("order_id", _NUMBER, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["order_id", "number"], ["order_rows.order_id", "order_rows.number"]),
    )
    op.create_index("order_keys_value", "order_keys", ["value"])
    op.create_index("order_keys_row", "order_keys", ["order_id", "number"])


def _name(column: str, *, primary_key: bool = False) -> sa.Column[str]:
    return sa.Column(column, _TEXT, nullable=False, primary_key=primary_key)


def _signed() -> list[sa.Column[str]]:
    time: sa.Column[str] = sa.Column("at", sa.String(32), nullable=False)
    return [time, _name("station"), _name("operator"), _name("software")]
