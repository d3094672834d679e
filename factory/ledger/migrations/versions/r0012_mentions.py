"""What the events without an attempt are about, also those that were told before."""

from __future__ import annotations

import json
from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_TEXT = sa.String(255).with_variant(sa.Text(), "postgresql")
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_KINDS = ("upload.", "order.imported", "lot.", "flash.")
_NAMES = ("file", "hardware_id", "image", "name", "product_sha256", "sha256", "template_sha256", "upload")


def upgrade() -> None:
    """Add the table, and fill it from the events."""
    mentions = op.create_table(
        "mentions",
        sa.Column("name", _TEXT, primary_key=True),
        sa.Column("station", _TEXT, primary_key=True),
        sa.Column("seq", _NUMBER, primary_key=True, autoincrement=False),
        sa.ForeignKeyConstraint(["station", "seq"], ["events.station", "events.seq"]),
    )
    connection = op.get_bind()
    loose = sa.text("SELECT station, seq, kind, data FROM events WHERE attempt IS NULL")
    for station, seq, kind, data in connection.execute(loose).all():
        if kind.startswith(_KINDS):
            rows = [{"name": name, "station": station, "seq": seq} for name in sorted(set(_named(data)))]
            if rows:
                connection.execute(sa.insert(mentions), rows)


def _named(data: str) -> Iterator[str]:
    try:
        told = json.loads(data)
    except ValueError:
        return  # a damaged event: `verify` names it
    parts = [told] if isinstance(told, dict) else []
    for file in parts[0].get("files", ()) if parts else ():
        parts.append(file)
        for name, sha256 in file.get("companions", {}).items():
            yield from (name, sha256)
    for part in parts:
        yield from (str(part[name]) for name in _NAMES if part.get(name))
