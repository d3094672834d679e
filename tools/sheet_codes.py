#!/usr/bin/env python3
"""The table of codes in docs/sheets.md, made from the rules: `python tools/sheet_codes.py` puts it in place."""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from factory.sheets.rules import RULES, Rule
from factory.values import Severity

GUIDE = Path(__file__).resolve().parents[1] / "docs" / "sheets.md"
BEGIN, END = "<!-- codes: made by tools/sheet_codes.py -->", "<!-- end of codes -->"


def table() -> str:
    """The table of every rule: code, how bad, what it says, what to do."""
    lines = ["| Code | | What it says | What to do |", "|---|---|---|---|"]
    lines += [
        f"| `{rule.code}` | {_severity(rule)} | {_cell(rule.message)} | {_cell(rule.hint)} |" for rule in RULES.values()
    ]
    return "\n".join(lines)


def with_table(text: str) -> str:
    """The guide with the present table between its marks."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}"


def _severity(rule: Rule) -> str:
    if rule.work is Severity.WARNING and rule.severity is Severity.ERROR:
        return "error; in a work sheet warning"
    return rule.severity.value


def _cell(template: str) -> str:
    """A template for people: its fields as words in angle brackets."""
    plain = re.sub(r"\{(\w+)\}", lambda field: _FIELDS.get(field[1], f"*{field[1]}*"), template)
    return plain.replace("|", "\\|") or " "


_LEFT_OUT = ("cell", "cached", "why", "near", "meant", "folded", "shifted", "after", "ascii", "inside", "more")
_FIELDS = {**dict.fromkeys(_LEFT_OUT, ""), "hint": "*as fits*", "shown": "*value*"}


if __name__ == "__main__":
    GUIDE.write_text(with_table(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")
