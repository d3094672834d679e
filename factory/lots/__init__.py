"""Work on a whole lot: its orders, its upload files, and what the portal answered."""

from factory.lots.against_ledger import compare_with_ledger, repair_from_ledger
from factory.lots.answers import read_verdicts, take_verdicts
from factory.lots.export import Exported, ExportError, Uploads, export
from factory.lots.imports import ImportedOrder, OrderRefused, import_order
from factory.lots.rows import RowsRefused
from factory.sheets.profiles.order import ORDER

__all__ = [
    "ORDER",
    "ExportError",
    "Exported",
    "ImportedOrder",
    "OrderRefused",
    "RowsRefused",
    "Uploads",
    "compare_with_ledger",
    "export",
    "import_order",
    "read_verdicts",
    "repair_from_ledger",
    "take_verdicts",
]
