"""One portal per module."""

from factory.sheets.profiles.remoteit_bulk import REMOTEIT_BULK

__all__ = ["REMOTEIT_BULK"]
