"""Writing cells of workbooks that people edit: always text, never a formula."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openpyxl.cell.cell import Cell

TEXT_FORMAT = "@"


def put_text(cell: Cell, text: str) -> None:
    """Put a text into a cell so that it stays one, whatever it begins with. Control characters, which a workbook
    cannot hold, are spelled out.
    """
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    plain = ILLEGAL_CHARACTERS_RE.sub(lambda hit: f"\\x{ord(hit[0]):02x}", text)[:32_767]
    cell.value = plain
    if plain:
        cell.data_type = "s"  # after the value: openpyxl takes "=1+1" for a formula otherwise
    cell.number_format = TEXT_FORMAT
