"""The second sheet of a work sheet: what each column is, in words for the person who fills it in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from factory.sheets.cell_text import put_text
from factory.sheets.judge import ColumnJudge
from factory.sheets.profile import Profile, letter

if TYPE_CHECKING:
    from openpyxl.cell.cell import Cell
    from openpyxl.worksheet.worksheet import Worksheet

_WIDTHS = (24, 14, 62, 26, 30)
_HEADS = ("Column", "Needed", "What goes in", "Example", "Choose from")
_INK, _HEAD, _SOFT, _LINE = "1F4E5F", "1F4E5F", "EAF1F4", "C9D6DC"
_STEPS = (
    "One row for each unit, without blank rows between. The first row stays as it is.",
    "A red cell is wrong or stands there twice; an amber cell is still missing. Both disappear when it is right.",
    "Scan identifiers, or copy them from a text file. Never open the portal's CSV file in a spreadsheet program.",
    "Send this workbook back as it is (.xlsx). It is checked again, cell by cell, before anything is made of it.",
)


def add_notes(sheet: Worksheet, profile: Profile, columns: Mapping[str, ColumnJudge], product: str) -> dict[str, str]:
    """Fill the sheet. Returns the range of the allowed values of each column that has a list."""
    from openpyxl.styles import Alignment, Border, Font, PatternFill, Side

    for index, width in enumerate(_WIDTHS):
        sheet.column_dimensions[letter(index)].width = width
    title = f"Work sheet for {profile.title or profile.name}" + (f": {product}" if product else "")
    _put(sheet.cell(1, 1), title, Font(name="Calibri", size=18, bold=True, color=_INK))  # type: ignore[arg-type]
    sheet.row_dimensions[1].height = 30
    for number, step in enumerate(_STEPS, 1):
        sheet.merge_cells(start_row=number + 1, start_column=1, end_row=number + 1, end_column=len(_WIDTHS))
        _put(sheet.cell(number + 1, 1), f"{number}.  {step}", Font(name="Calibri", size=11))  # type: ignore[arg-type]
        sheet.row_dimensions[number + 1].height = 18
    top = len(_STEPS) + 3
    side = Side(style="thin", color=_LINE)
    for index, name in enumerate(_HEADS, 1):
        cell = sheet.cell(top, index)
        _put(cell, name, Font(name="Calibri", size=11, bold=True, color="FFFFFF"))  # type: ignore[arg-type]
        cell.fill = PatternFill("solid", fgColor=_HEAD)
        cell.alignment = Alignment(vertical="center", indent=1)
    sheet.row_dimensions[top].height = 22
    for row, judge in enumerate(columns.values(), top + 1):
        texts = (judge.column.name, _needed(judge), _what(judge), judge.column.example, ", ".join(judge.choices[:30]))
        for index, text in enumerate(texts, 1):
            cell = sheet.cell(row, index)
            bold = index == 1
            name = "Consolas" if index in (1, 4) else "Calibri"
            _put(cell, text, Font(name=name, size=10 if index in (1, 4) else 11, bold=bold))  # type: ignore[arg-type]
            cell.alignment = Alignment(vertical="center", wrap_text=True, indent=1)
            cell.border = Border(bottom=side)
            if (row - top) % 2 == 0:
                cell.fill = PatternFill("solid", fgColor=_SOFT)
        sheet.row_dimensions[row].height = max(20.0, 15.0 * max(-(-len(text) // (width - 4)) for text, width in
                                                               zip(texts, _WIDTHS, strict=True)) + 6)  # fmt: skip
    sheet.sheet_view.showGridLines = False
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True  # type: ignore[union-attr]
    sheet.sheet_properties.tabColor = "B8C2C9"
    sheet.protection.sheet = True
    return _lists(sheet, columns, top)


def _lists(sheet: Worksheet, columns: Mapping[str, ColumnJudge], top: int) -> dict[str, str]:
    """The allowed values, to the right of the table: the choices in the cells refer to them."""
    ranges = {}
    at = len(_WIDTHS) + 2
    for name, judge in columns.items():
        if judge.choices:
            put_text(sheet.cell(top, at), name)  # type: ignore[arg-type]
            for row, value in enumerate(judge.choices, top + 1):
                put_text(sheet.cell(row, at), value)  # type: ignore[arg-type]
            column = letter(at - 1)
            ranges[name] = f"'{sheet.title}'!${column}${top + 1}:${column}${top + len(judge.choices)}"
            sheet.column_dimensions[column].hidden = True
            at += 1
    return ranges


def _needed(judge: ColumnJudge) -> str:
    if judge.required:
        return "always"
    return "leave empty" if judge.column.secret else "if you like"


def _what(judge: ColumnJudge) -> str:
    longest = "" if judge.choices or judge.form.hex else f" At most {judge.limits.longest} characters."
    return f"{judge.column.note or judge.form.what.capitalize() + '.'}{longest if not judge.column.secret else ''}"


def _put(cell: Cell, text: str, font: object) -> None:
    put_text(cell, text)
    cell.font = font  # type: ignore[assignment]
