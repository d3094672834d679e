"""Baseline: lots, units and what they own, attempts, the event chain, host keys, restores, hooks, uploads."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from factory.ledger import postgres, sqlite

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# SQLite never minded the length; PostgreSQL would refuse what a strange unit shows.
_TEXT = sa.String(255).with_variant(sa.Text(), "postgresql")

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_LIVE = "state NOT IN ('rejected', 'needs-republish')"
_NAMED = "kind = 'device-name'"
_LEASED = "state IN ('admitted', 'flashing', 'flashed', 'proved')"


def upgrade() -> None:
    """Make every table."""
    _lots_and_stations()
    _units()
    _attempts()
    _events()
    _bench()
    _uploads()


def _lots_and_stations() -> None:
    op.create_table(
        "lots",
        _name("name", primary_key=True),
        _name("product"),
        _sha256("product_sha256"),
        _sha256("template_sha256"),
        sa.Column("key_version", sa.Integer(), nullable=False),
        _time("bound_at"),
        *_signed(),
    )
    op.create_table(
        "stations", _name("name", primary_key=True), _number("seq", nullable=False), _sha256("hash"), _time("at")
    )


def _units() -> None:
    op.create_table(
        "units",
        _number("id", primary_key=True),
        _name("state"),
        _name("serial", nullable=True),
        _time("first_seen"),
        *_signed(),
        _name("slot"),
    )
    op.create_table(
        "identity_values",
        _name("kind", primary_key=True),
        _name("value", primary_key=True),
        _to("unit", "units.id"),
        _name("name"),
    )
    op.create_index("identity_values_unit", "identity_values", ["unit"])
    op.create_index("identity_values_value", "identity_values", ["value"])
    _unique_where("identity_values_one_name", "identity_values", "unit", _NAMED)


def _attempts() -> None:
    op.create_table(
        "attempts",
        _number("id", primary_key=True),
        _to("unit", "units.id", nullable=True),
        sa.Column("number", sa.Integer(), nullable=False),
        _lot(),
        *_signed(),
        _name("slot"),
        _name("state"),
        _name("hardware_id", nullable=True),
        _name("serial", nullable=True),
        _text("identity", nullable=True),
        sa.Column("key_version", sa.Integer()),
        _name("fingerprint", nullable=True),
        _sha256("image", nullable=True),
        _text("note"),
        _time("started"),
        _time("ended", nullable=True),
        _name("code", nullable=True),
        _text("cause", nullable=True),
        _text("receipt", nullable=True),
        _text("proof", nullable=True),
    )
    op.create_index("attempts_unit", "attempts", ["unit", "id"])
    op.create_index("attempts_lot", "attempts", ["lot", "state"])
    op.create_index("attempts_state", "attempts", ["state"])
    op.create_index("attempts_image", "attempts", ["image"])
    _unique_where("attempts_lease", "attempts", "unit", _LEASED)
    op.create_table(
        "sightings",
        _name("value", primary_key=True),
        _to("attempt", "attempts.id", primary_key=True),
        _name("kind", primary_key=True),
    )


def _events() -> None:
    op.create_table(
        "events",
        _name("station", primary_key=True),
        _number("seq", primary_key=True, autoincrement=False),
        _name("kind"),
        _name("slot", nullable=True),
        _to("attempt", "attempts.id", nullable=True),
        _time("at"),
        _name("operator"),
        _name("software"),
        _text("data"),
        _sha256("prev"),
        _sha256("hash"),
    )
    op.create_index("events_attempt", "events", ["attempt"])
    engine = sqlite if op.get_bind().dialect.name == "sqlite" else postgres
    for statement in engine.append_only("events"):
        op.execute(statement)


def _bench() -> None:
    op.create_table(
        "host_keys",
        sa.Column("mac", sa.String(12), primary_key=True, nullable=False),
        _name("fingerprint", primary_key=True),
        _name("algorithm"),
        _name("policy"),
        *_signed(),
        _name("slot"),
        _time("first_seen"),
        _time("last_seen"),
    )
    op.create_table(
        "restores",
        _number("id", primary_key=True),
        _to("attempt", "attempts.id"),
        _to("unit", "units.id"),
        *_signed(),
        _text("data"),
        _time("since"),
        _time("cleared", nullable=True),
    )
    op.create_index("restores_unit", "restores", ["unit"])
    op.create_table(
        "hooks",
        _to("attempt", "attempts.id", primary_key=True, autoincrement=False),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        _text("detail"),
        _time("last_at"),
    )


def _uploads() -> None:
    op.create_table(
        "passes",
        _number("id", primary_key=True),
        _to("unit", "units.id"),
        _to("attempt", "attempts.id", unique=True),
        _lot(),
        _time("at"),
    )
    op.create_index("passes_lot", "passes", ["lot", "id"])
    op.create_index("passes_unit", "passes", ["unit"])
    op.create_table(
        "uploads",
        _name("name", primary_key=True),
        _lot(),
        sa.Column("number", sa.Integer(), nullable=False),
        _sha256("sha256"),
        _text("companions"),
        _time("at"),
        *_signed(),
        sa.UniqueConstraint("lot", "number", name="uploads_lot_number"),
    )
    op.create_table(
        "upload_rows",
        _number("id", primary_key=True),
        sa.Column("upload", _TEXT, sa.ForeignKey("uploads.name"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        _to("unit", "units.id"),
        _to("attempt", "attempts.id"),
        _name("state"),
        _time("changed"),
        sa.UniqueConstraint("upload", "position", name="upload_rows_place"),
    )
    op.create_index("upload_rows_unit", "upload_rows", ["unit"])
    _unique_where("upload_rows_live", "upload_rows", "unit", _LIVE)


def _unique_where(name: str, table: str, column: str, condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, [column], unique=True, sqlite_where=where, postgresql_where=where)


def _name(column: str, *, nullable: bool = False, **options: Any) -> sa.Column[str]:
    return sa.Column(column, _TEXT, nullable=nullable, **options)


def _text(column: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(column, sa.Text(), nullable=nullable)


def _time(column: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(column, sa.String(32), nullable=nullable)


def _sha256(column: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(column, sa.String(64), nullable=nullable)


def _number(column: str, **options: Any) -> sa.Column[int]:
    return sa.Column(column, _NUMBER, **options)


def _to(column: str, target: str, *, nullable: bool = False, **options: Any) -> sa.Column[int]:
    return sa.Column(column, _NUMBER, sa.ForeignKey(target), nullable=nullable, **options)


def _lot() -> sa.Column[str]:
    return sa.Column("lot", _TEXT, sa.ForeignKey("lots.name"), nullable=False)


def _signed() -> list[sa.Column[str]]:
    return [_name("station"), _name("operator"), _name("software")]
