"""The work sheet for the office: text cells, lists to choose from, and rules that turn a cell red while typing."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from factory.files import write_bytes
from factory.sheets.cell_text import TEXT_FORMAT, put_text
from factory.sheets.columns import ProductRules, judges
from factory.sheets.judge import ColumnJudge
from factory.sheets.profile import Profile, letter
from factory.sheets.reading.workbook import NOTES_SHEET
from factory.sheets.rules import Use
from factory.sheets.template_notes import add_notes
from factory.sheets.template_rules import Area, add_colours, add_validation

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

SHEET = "upload"
INK, NEEDED, FREE, UNUSED, LINE = "FFFFFF", "1F4E5F", "6B7F8C", "B8C2C9", "D5DDE2"


def write_template(path: Path, profile: Profile, product: ProductRules | None = None) -> Path:
    """Write an empty work sheet of a profile, with as many text rows as an upload may have, and the columns explained
    on a second sheet. Raises FileError, UsageError without defusedxml.
    """
    from openpyxl import Workbook

    from factory.sheets.xlsx import require_defused

    require_defused()
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = SHEET
    product = product or ProductRules()
    columns = judges(profile, product, Use.WORK)
    notes = book.create_sheet(NOTES_SHEET)
    lists = add_notes(notes, profile, columns, product.name)
    last = profile.max_rows + 1
    for index, judge in enumerate(columns.values()):
        area = Area(letter(index), 2, last, letter(len(columns) - 1))
        _column(sheet, area, judge)
        values = lists.get(judge.column.name)
        add_validation(sheet, area, judge, values)
        add_colours(sheet, area, judge, values)
    _head(sheet, profile, columns)
    stream = io.BytesIO()
    book.save(stream)
    write_bytes(path, stream.getvalue())
    return path


def _column(sheet: Worksheet, area: Area, judge: ColumnJudge) -> None:
    """Format one column as text, down to the last row of an upload and, for what is pasted below, beyond it."""
    from openpyxl.styles import Alignment, Border, Font, PatternFill, Protection, Side

    side = Side(style="thin", color=LINE)
    border = Border(bottom=side, right=side)
    font = Font(name="Consolas" if judge.form.identifier else "Calibri", size=11)
    unused = not judge.required and judge.column.secret
    grey = PatternFill("solid", fgColor="F2F4F5")
    aligned, free = Alignment(horizontal="left", vertical="center", indent=1), Protection(locked=False)
    for row in range(area.first, area.last + 1):
        cell = sheet[f"{area.column}{row}"]
        cell.number_format = TEXT_FORMAT
        cell.font, cell.border, cell.alignment, cell.protection = font, border, aligned, free
        if unused:
            cell.fill = grey
    width = max(judge.column.width if judge.required else 14, len(judge.column.name) + 5)
    dimension = sheet.column_dimensions[area.column]
    dimension.width = width
    dimension.number_format = TEXT_FORMAT
    dimension.protection = free


def _head(sheet: Worksheet, profile: Profile, columns: Mapping[str, ColumnJudge]) -> None:
    from openpyxl.styles import Alignment, Border, Font, PatternFill, Protection, Side
    from openpyxl.worksheet.properties import PageSetupProperties

    for index, judge in enumerate(columns.values()):
        cell = sheet.cell(1, index + 1)
        put_text(cell, judge.column.name)  # type: ignore[arg-type]
        colour = NEEDED if judge.required else UNUSED if judge.column.secret else FREE
        cell.font = Font(name="Calibri", size=11, bold=True, color=INK)
        cell.fill = PatternFill("solid", fgColor=colour)
        cell.alignment = Alignment(horizontal="left", vertical="center", indent=1)
        cell.border = Border(right=Side(style="thin", color=INK))
        cell.protection = Protection(locked=True)
    sheet.row_dimensions[1].height = 26
    for row in range(2, profile.max_rows + 2):
        sheet.row_dimensions[row].height = 18
    sheet.freeze_panes = "A2"
    sheet.sheet_view.zoomScale = 110
    sheet.sheet_view.showGridLines = False
    guard = sheet.protection
    guard.sheet = True  # against slips; it has no password and is no security
    guard.formatColumns = guard.formatRows = guard.sort = False  # these stay allowed
    sheet.print_title_rows = "1:1"
    sheet.page_margins.left = sheet.page_margins.right = 0.4
    sheet.page_margins.top = 0.5
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    sheet.sheet_properties.tabColor = NEEDED
    footer = sheet.oddFooter
    if footer is not None and footer.left is not None and footer.right is not None:
        footer.left.text, footer.right.text = profile.title or profile.name, "&P / &N"
