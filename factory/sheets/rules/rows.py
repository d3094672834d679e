"""Rules about rows, about rows among themselves, and about what the ledger knows (spreadsheet reference, section 7)."""

from __future__ import annotations

from factory.sheets.rules.rule import ERROR, WARNING, Level, Rule

ROWS = (
    Rule(
        "ROW-WIDTH", Level.ROW, ERROR, "{have} fields, header has {wanted}{shifted}", "Compare it with its neighbours."
    ),
    Rule(
        "ROW-BESIDE",
        Level.CELL,
        ERROR,
        "a value beside the table, in a column without a header",
        "Remove it, or give the column its header.",
    ),
    Rule("ROW-BLANK", Level.ROW, ERROR, "blank row{more} inside the table", "Remove it.", work=WARNING),
    Rule("ROW-TRAIL", Level.ROW, ERROR, "{what} below the table", "Remove it.", work=WARNING),
    Rule("DUP-FILE", Level.CELL, ERROR, "same as row {other}{folded}", "Each unit stands in one row."),
)

HISTORY = (
    Rule("DUP-LEDGER", Level.CELL, ERROR, "same as {where}, {state}", "Remove the row, or use rework."),
    Rule("COL-SWAP", Level.CELL, ERROR, "{what}; swapped with {other}?", "Compare the columns with the header."),
    Rule(
        "LED-UNKNOWN",
        Level.ROW,
        ERROR,
        "in the sheet, but never passed the bench (no ledger record)",
        "Run the unit over the bench, or remove the row.",
    ),
    Rule("LED-MISSING", Level.FILE, ERROR, "{id} passed ({where}) and is not in the sheet", "Export the lot again."),
    Rule(
        "LED-STATE", Level.ROW, ERROR, "the ledger says {state} ({where})", "Remove the row until the unit has passed."
    ),
    Rule(
        "LED-DIFF",
        Level.CELL,
        ERROR,
        '"{shown}" differs from what was read off the unit, "{ledger}"',
        "Write the sheet again from the ledger (`factory sheet compare --lot ... --repair-from-ledger`).",
    ),
)
