"""Work on a whole lot: its upload files."""

from factory.lots.export import Exported, ExportError, Uploads, export
from factory.lots.rows import RowsRefused

__all__ = ["ExportError", "Exported", "RowsRefused", "Uploads", "export"]
