"""Rules about one cell (spreadsheet reference, section 7, 1 to 16 and 24 to 26)."""

from __future__ import annotations

from factory.sheets.rules.rule import ERROR, WARNING, Level, Rule

_TYPE_AGAIN = "Type it again, in plain characters."
_SCAN = "Re-scan the unit; keep the column formatted as text."

SPREADSHEET = (
    Rule("XLS-NUM", Level.CELL, ERROR, "{shown} is a number{cell}; {why}", _SCAN, "1.12234E+15"),
    Rule(
        "XLS-15",
        Level.CELL,
        ERROR,
        "{shown} is a number{cell}; digits after the 15th are lost",
        _SCAN,
        "89014103211118500000",
    ),
    Rule(
        "XLS-DIGITS",
        Level.CELL,
        WARNING,
        "{shown} is a number{cell}; were there leading zeros?",
        "Format the column as text and type it again.",
    ),
    Rule(
        "XLS-DATE",
        Level.CELL,
        ERROR,
        "date cell {shown}; was it {guess}?",
        "Format the column as text and type it again.",
    ),
    Rule(
        "CSV-DATE",
        Level.CELL,
        WARNING,
        '"{shown}" looks like a date that a spreadsheet made of {guess}',
        "Compare it with the order.",
        "4-Mar",
    ),
    Rule(
        "XLS-BOOL",
        Level.CELL,
        ERROR,
        "{shown} is a logical value; was it a text?",
        "Format the column as text and type it again.",
    ),
    Rule(
        "XLS-ERR",
        Level.CELL,
        ERROR,
        "{shown} is an error of the spreadsheet, not a value",
        "Type in the value.",
        "#N/A",
    ),
    Rule(
        "XLS-FORMULA",
        Level.CELL,
        ERROR,
        "formula {shown}; only values are allowed{cached}",
        "Paste the values (Paste Special, Values).",
    ),
    Rule(
        "CSV-INJ",
        Level.CELL,
        ERROR,
        "starts with {lead}{after}; a spreadsheet would run it",
        "Remove it; a quote before it would change the value.",
        " =1+1",
    ),
)

CHARACTERS = (
    Rule(
        "CHR-WIDE",
        Level.CELL,
        ERROR,
        "full-width characters at {where}{ascii}",
        _TYPE_AGAIN,
        "\uff10\uff10\uff11\uff2277000011",
    ),
    Rule(
        "CHR-INVIS",
        Level.CELL,
        ERROR,
        "{what} at position {where}",
        "It came with copy and paste: type it again.",
        "001b77\u200b000011",
    ),
    Rule("CHR-SPACE", Level.CELL, ERROR, "{what} at {where}", "Remove it.", "001b77000011\u00a0"),
    Rule("CHR-CTRL", Level.CELL, ERROR, "{what} at {where}", "Remove it.", "001b77\t000011"),
    Rule(
        "VAL-ASCII",
        Level.CELL,
        ERROR,
        "{what} at {where}; only ASCII can be registered",
        _TYPE_AGAIN,
        "Werk M\u00fcnchen",
    ),
    Rule("VAL-CHR", Level.CELL, ERROR, "{what} at {where}", "{hint}", "Cat, A"),
    Rule("ID-CHR", Level.CELL, ERROR, "{what} at {where}", "Letters, digits, '.', '_' and '-' are safe.", "SN/1"),
    Rule(
        "NAME-CHR", Level.CELL, ERROR, "{what} at {where}", "Letters, digits, '_', '-' and inner blanks only.", "Unit#1"
    ),
)

VALUES = (
    Rule("VAL-EMPTY", Level.CELL, ERROR, "is empty, a value is required{why}", "Fill it in."),
    Rule(
        "VAL-NULLISH",
        Level.CELL,
        WARNING,
        '"{shown}": real name or missing?',
        "Leave the cell empty if nothing is meant.",
        "NA",
    ),
    Rule("VAL-LEN", Level.CELL, ERROR, "has {length} characters, limit {limit}", "Shorten it.", "x" * 65),
    Rule("VAL-LIST", Level.CELL, ERROR, '"{shown}" is not in the list{near}', "Allowed: {allowed}.", "Rde"),
    Rule("VAL-FORM", Level.CELL, ERROR, '"{shown}" is not {what}', "{hint}", "1.4"),
)

IDENTIFIERS = (
    Rule(
        "ID-LEN",
        Level.CELL,
        ERROR,
        "{shown} has {length} {unit}, {needed} needed{why}",
        "Re-scan the unit.",
        "1122334455",
    ),
    Rule("ID-HEX", Level.CELL, ERROR, '"{shown}" has {what}; only {only}{meant}', "Re-scan the unit.", "OO1B77000011"),
    Rule(
        "ID-CASE",
        Level.CELL,
        WARNING,
        '"{shown}" has upper-case letters; the unit sends "{plain}"',
        "Read as {plain}; `factory sheet export` writes what the unit sends.",
        "001B77000011",
    ),
    Rule(
        "ID-SENTINEL",
        Level.CELL,
        ERROR,
        "placeholder: {what}",
        "The unit or the sheet still holds a placeholder: read the real value first.",
        "000000000000",
    ),
    Rule(
        "ID-PATTERN",
        Level.CELL,
        ERROR,
        '"{shown}" does not match the pattern {pattern} of the product',
        "Compare it with the label.",
    ),
    Rule("MAC-FMT", Level.CELL, ERROR, '{what} "{shown}"', "Write it as {plain}.", "00:1B-77:00:00:11"),
    Rule(
        "MAC-STYLE",
        Level.CELL,
        WARNING,
        '"{shown}" is written {what}; the unit sends "{plain}"',
        "Read as {plain}; `factory sheet export` writes what the unit sends.",
        "00:1b:77:00:00:11",
    ),
    Rule(
        "MAC-64",
        Level.CELL,
        ERROR,
        "8 bytes{inside}: EUI-64 given, EUI-48 needed",
        "Take the 6-byte address of the label.",
        "001B77FFFE000011",
    ),
    Rule(
        "MAC-MC",
        Level.CELL,
        ERROR,
        "first octet {octet} has the multicast bit set; not a unit address",
        "Re-scan the unit.",
        "011b77000011",
    ),
    Rule(
        "MAC-LAA",
        Level.CELL,
        ERROR,
        "first octet {octet} is locally administered; not allowed by this product",
        "Use the maker's address, or set allow_locally_administered in the product.",
        "021b77000011",
    ),
    Rule("MAC-OUI", Level.CELL, ERROR, "OUI {oui} is not on this product's list", "Is this unit of this product?"),
    Rule(
        "MAC-POOL",
        Level.CELL,
        ERROR,
        "outside the pool of {pool}; {left} addresses left",
        "Take an address of the pool.",
    ),
    Rule(
        "IMEI-LUHN",
        Level.CELL,
        ERROR,
        "IMEI {shown} has check digit {found}, expected {expected}",
        "Re-scan the label.",
        "352099001761491",
    ),
    Rule(
        "ICCID-LUHN",
        Level.CELL,
        ERROR,
        "ICCID {shown} has check digit {found}, expected {expected}",
        "Re-scan the card.",
        "8901410321111851073",
    ),
)
