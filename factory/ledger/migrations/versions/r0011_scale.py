"""What a ledger of a million units needs: serials found as they are compared, and hooks that are due."""

from __future__ import annotations

import re

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_SERIAL = sa.text("kind = 'serial'")


def upgrade() -> None:
    """Write each serial without case and separators beside it, and add the indexes."""
    connection = op.get_bind()
    values = sa.table("identity_values", *(sa.column(name) for name in ("kind", "value", "name")))
    serials = connection.execute(sa.select(values.c.value).where(values.c.kind == "serial")).scalars().all()
    name = sa.update(values).where(values.c.kind == "serial", values.c.value == sa.bindparam("serial"))
    for start in range(0, len(serials), 10_000):
        part = [{"serial": serial, "name": _folded(serial)} for serial in serials[start : start + 10_000]]
        connection.execute(name, part)
    op.create_index(
        "identity_values_serial", "identity_values", ["kind", "name"], sqlite_where=_SERIAL, postgresql_where=_SERIAL
    )
    op.create_index(
        "hooks_due",
        "hooks",
        ["attempt"],
        sqlite_where=sa.text("done IS 0"),
        postgresql_where=sa.text("done IS false"),
    )


def _folded(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower()) or text.lower()
