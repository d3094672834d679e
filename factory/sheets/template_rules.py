"""The rules inside a work sheet: what may be typed, and what turns a cell red. A paste passes the first, never both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from factory.sheets.judge import ColumnJudge

if TYPE_CHECKING:
    from openpyxl.formatting.rule import Rule
    from openpyxl.styles import Font, PatternFill
    from openpyxl.worksheet.worksheet import Worksheet

_LENGTHS = {"mac": (12, 12), "mac-colon": (17, 17), "imei": (15, 15), "iccid": (18, 22), "uuid": (36, 36)}
_ALPHABETS = {
    "mac": "0123456789abcdef", "mac-colon": "0123456789abcdef:", "imei": "0123456789", "iccid": "0123456789",
    "name": "abcdefghijklmnopqrstuvwxyz0123456789_- ", "id": "abcdefghijklmnopqrstuvwxyz0123456789._-",
    "key": "abcdefghijklmnopqrstuvwxyz0123456789._-",
}  # fmt: skip
_RED, _DARK_RED, _AMBER = "F8C9C4", "8B1A10", "FFE9A8"
_DIGITS_OF_A_NUMBER = 15


@dataclass(frozen=True, slots=True)
class Area:
    """The data cells of one column, and the last column of the table."""

    column: str
    first: int
    last: int
    end: str

    @property
    def cells(self) -> str:
        """The range, as B2:B1001."""
        return f"{self.column}{self.first}:{self.column}{self.last}"

    @property
    def top(self) -> str:
        """The first cell: a rule's formula is written for it."""
        return f"{self.column}{self.first}"

    @property
    def fixed(self) -> str:
        """The range with dollar signs."""
        return f"${self.column}${self.first}:${self.column}${self.last}"


def add_validation(sheet: Worksheet, area: Area, judge: ColumnJudge, values: str | None) -> None:
    """Refuse wrong typing: a list for columns with one (`values` is its range), else length and duplicates."""
    from openpyxl.worksheet.datavalidation import DataValidation

    column = judge.column
    if values is not None:
        rule = DataValidation(type="list", formula1=values, allow_blank=True)
        rule.error = "Choose one of the list."
    else:
        wrong = [_wrong_length(area.top, judge), *([_duplicate(area, judge)] if column.unique else [])]
        rule = DataValidation(type="custom", formula1=f"NOT(OR({','.join(wrong)}))", allow_blank=True)
        rule.error = _refusal(judge)
    rule.errorTitle, rule.errorStyle = column.name, "stop"
    rule.promptTitle, rule.prompt = column.name[:32], column.note[:250]
    rule.showErrorMessage = True
    rule.showInputMessage = bool(column.note)
    sheet.add_data_validation(rule)
    rule.add(area.cells)


def add_colours(sheet: Worksheet, area: Area, judge: ColumnJudge, values: str | None) -> None:
    """Colour what is wrong, however it came in: red for a wrong or doubled value, amber for one that is missing."""
    from openpyxl.styles import Font, PatternFill

    red, amber = PatternFill("solid", bgColor=_RED), PatternFill("solid", bgColor=_AMBER)
    font = Font(color=_DARK_RED, bold=True)
    top = area.top
    wrong = [
        f"NOT(ISTEXT({top}))",
        f"LEN(TRIM({top}))<>LEN({top})",
        _wrong_length(top, judge),
        _wrong_letters(top, judge) if values is None else f"ISNA(MATCH({top},{values},0))",
    ]
    sheet.conditional_formatting.add(
        area.cells, _rule(f'AND({top}<>"",OR({",".join(filter(None, wrong))}))', red, font)
    )
    if judge.column.unique:
        doubled = _rule(f'AND({top}<>"",{_duplicate(area, judge)})', red, font)
        sheet.conditional_formatting.add(area.cells, doubled)
    if judge.required:
        row = f"$A{area.first}:${area.end}{area.first}"
        missing = _rule(f'AND({top}="",COUNTA({row})>0)', amber)
        sheet.conditional_formatting.add(area.cells, missing)


def _rule(formula: str, fill: PatternFill, font: Font | None = None) -> Rule:
    from openpyxl.formatting.rule import Rule
    from openpyxl.styles.differential import DifferentialStyle

    return Rule(type="expression", formula=[formula], dxf=DifferentialStyle(fill=fill, font=font))


def _duplicate(area: Area, judge: ColumnJudge) -> str:
    if _LENGTHS.get(judge.form.name, (0, 0))[1] > _DIGITS_OF_A_NUMBER and judge.form.name != "mac-colon":
        # COUNTIF takes digits for a number and would call two long ones alike after the fifteenth.
        return f"SUMPRODUCT(--EXACT({area.fixed},{area.top}))>1"
    return f"COUNTIF({area.fixed},{area.top})>1"


def _wrong_length(top: str, judge: ColumnJudge) -> str:
    least, most = _LENGTHS.get(judge.form.name, (1, judge.limits.longest))
    return f"LEN({top})<>{most}" if least == most else f"OR(LEN({top})<{least},LEN({top})>{most})"


def _wrong_letters(top: str, judge: ColumnJudge) -> str:
    alphabet = _ALPHABETS.get(judge.form.name)
    if alphabet is None:
        # What a spreadsheet would run, and what the portal's file cannot carry.
        forbidden = "".join(sorted(judge.limits.forbidden)).replace('"', '""')
        lead = f'ISNUMBER(FIND(LEFT({top},1),"=+-@"))'
        bad = f'MID("{forbidden}",ROW($1:${len(judge.limits.forbidden)}),1)'
        return f"OR({lead},SUMPRODUCT(--ISNUMBER(FIND({bad},{top})))>0)"
    most = _LENGTHS.get(judge.form.name, (1, judge.limits.longest))[1]
    letters = f'MID(LOWER({top})&REPT("{alphabet[0]}",{most}),ROW($1:${most}),1)'
    return f'SUMPRODUCT(--ISERR(FIND({letters},"{alphabet}")))>0'


def _refusal(judge: ColumnJudge) -> str:
    twice = ", and no two rows alike" if judge.column.unique else ""
    if judge.form.name in _LENGTHS or judge.form.name in ("name", "id", "key"):
        return f"This must be {judge.form.what}{twice}."[:250]
    return f"At most {judge.limits.longest} characters{twice}."
