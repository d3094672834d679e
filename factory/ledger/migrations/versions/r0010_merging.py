"""Ledgers merged into one, and journals of stations that were cut off."""

from __future__ import annotations

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this revision brings."""
