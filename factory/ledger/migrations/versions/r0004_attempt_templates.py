"""What each attempt was made with: the hashes of product file and templates, which a lot may change on its way."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_HASHES = ("product_sha256", "template_sha256")


def upgrade() -> None:
    """Add both hashes; attempts of before get those that their lot is bound to now."""
    for name in _HASHES:
        op.add_column("attempts", sa.Column(name, sa.String(64), nullable=True))
        op.execute(f"UPDATE attempts SET {name} = (SELECT {name} FROM lots WHERE lots.name = attempts.lot)")  # noqa: S608
    op.create_index("attempts_template", "attempts", ["template_sha256"])
