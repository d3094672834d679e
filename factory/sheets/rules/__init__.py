"""Every rule that a sheet is judged by, by its code."""

from __future__ import annotations

from factory.sheets.rules.cells import CHARACTERS, IDENTIFIERS, SPREADSHEET, VALUES
from factory.sheets.rules.files import BYTES, HEADERS, WORKBOOKS
from factory.sheets.rules.rows import HISTORY, ROWS
from factory.sheets.rules.rule import Level, Rule, Use

RULES: dict[str, Rule] = {
    rule.code: rule
    for rule in (*BYTES, *WORKBOOKS, *HEADERS, *ROWS, *SPREADSHEET, *CHARACTERS, *VALUES, *IDENTIFIERS, *HISTORY)
}

__all__ = ["RULES", "Level", "Rule", "Use"]
