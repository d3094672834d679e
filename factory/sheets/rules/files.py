"""Rules about the whole file, before any row is looked at (spreadsheet reference, sections 5 and 7, 22 to 30)."""

from __future__ import annotations

from factory.sheets.rules.rule import ERROR, WARNING, Level, Rule

_SAVE_CSV = "Save it as an .xlsx workbook, or write it with `factory sheet export`."
_SAVE_XLSX = "Open it in its own program and save it as an .xlsx workbook."

BYTES = (
    Rule("FILE-EMPTY", Level.FILE, ERROR, "the file is empty", "Was it saved, and copied whole?"),
    Rule("FILE-NOROWS", Level.FILE, ERROR, "there is a header and no row below it", "Was it saved, and copied whole?"),
    Rule("FILE-TYPE", Level.FILE, ERROR, "this is {what}, not a sheet. Not opened", "{hint}"),
    Rule(
        "FILE-NAME",
        Level.FILE,
        ERROR,
        "is named {named} and holds {what}; read as {what}",
        "Give it the right ending; was it renamed by hand?",
        work=WARNING,
    ),
    Rule("FILE-UTF16", Level.FILE, ERROR, "UTF-16 text; the portal takes {encoding}", _SAVE_CSV, work=WARNING),
    Rule(
        "FILE-SJIS", Level.FILE, ERROR, "Shift_JIS text, first at line {line}; the portal takes {encoding}", _SAVE_CSV
    ),
    Rule(
        "FILE-ENC", Level.FILE, ERROR, "byte {byte} at line {line} is not UTF-8; its meaning is not guessed", _SAVE_CSV
    ),
    Rule(
        "FILE-BOM",
        Level.FILE,
        ERROR,
        "starts with a byte order mark (EF BB BF); the portal reads it as part of the first header",
        "Write the file with `factory sheet export`.",
        work=WARNING,
    ),
    Rule(
        "FILE-NUL",
        Level.FILE,
        ERROR,
        "{count} NUL byte(s), first at line {line}",
        "The file is damaged: save it again.",
    ),
    Rule(
        "FILE-CR",
        Level.FILE,
        ERROR,
        "carriage return alone at line {line}; read as the end of a line",
        "Save it with the line ends of Linux or Windows.",
        work=WARNING,
    ),
    Rule(
        "FILE-EOL",
        Level.FILE,
        ERROR,
        "mixed line ends: {crlf} CR LF and {lf} LF",
        "Was it put together from two files?",
        work=WARNING,
    ),
    Rule(
        "FILE-DELIM",
        Level.FILE,
        ERROR,
        "fields are separated by {found}, the portal takes {wanted}; read as such",
        "Write the file with `factory sheet export`.",
        work=WARNING,
    ),
    Rule(
        "FILE-QUOTE",
        Level.FILE,
        ERROR,
        "{what} on line {line}; the rows from there on were not read",
        "Remove the quote or close it. The portal wants no quotes at all.",
    ),
    Rule(
        "FILE-QUOTED",
        Level.FILE,
        ERROR,
        "{count} quote character(s), first on line {line}; the portal's template has none",
        "Write the file with `factory sheet export`.",
        work=WARNING,
    ),
    Rule("FILE-CAP", Level.FILE, ERROR, "{have}, the portal takes {takes}: {split}", "{hint}", work=WARNING),
)

WORKBOOKS = (
    Rule("XLS-OLD", Level.FILE, ERROR, "an old binary workbook (.xls). Not opened", _SAVE_XLSX),
    Rule("XLS-ODS", Level.FILE, ERROR, "an OpenDocument sheet (.ods). Not opened", _SAVE_XLSX),
    Rule("XLS-BINARY", Level.FILE, ERROR, "a binary workbook (.xlsb). Not opened", _SAVE_XLSX),
    Rule("XLS-PASSWORD", Level.FILE, ERROR, "protected by a password. Not opened", "Save it without a password."),
    Rule(
        "XLS-BROKEN", Level.FILE, ERROR, "a damaged or cut-off workbook ({why}). Not opened", "Copy or save it again."
    ),
    Rule("XLS-BOMB", Level.FILE, ERROR, "unsafe archive ({why}). Not opened", "Ask the sender what this file is."),
    Rule("XLS-MACRO", Level.FILE, ERROR, "holds macros. Not opened", "Save it as .xlsx, without macros."),
    Rule(
        "XLS-LINK",
        Level.FILE,
        ERROR,
        "links to other files ({what}); its values may be stale. Not opened",
        "Paste the values (Paste Special, Values) into a new workbook.",
    ),
    Rule(
        "XLS-HIDDEN",
        Level.SHEET,
        WARNING,
        "{what}",
        "Hidden rows are read like all others: unhide and look at them.",
    ),
    Rule(
        "XLS-MERGED",
        Level.CELL,
        ERROR,
        "merged cells {range}: only their first cell has a value",
        "Unmerge them and fill in each cell.",
    ),
)

HEADERS = (
    Rule(
        "HDR-NONE",
        Level.HEADER,
        ERROR,
        "no header: the first row holds {what}; read by position",
        "Start from `factory sheet template`.",
    ),
    Rule(
        "HDR-SPACE",
        Level.HEADER,
        WARNING,
        '"{found}" {what}; differs from the template ("{wanted}")',
        "Read as {name}; `factory sheet export` writes the template's header.",
    ),
    Rule(
        "HDR-CASE",
        Level.HEADER,
        WARNING,
        '"{found}" differs in case from the template ("{wanted}")',
        "Read as {name}; `factory sheet export` writes the template's header.",
    ),
    Rule("HDR-MISSING", Level.HEADER, ERROR, "column {name} is missing", "Start from `factory sheet template`."),
    Rule(
        "HDR-ABSENT",
        Level.HEADER,
        ERROR,
        "column {name} is missing; the portal's template has it",
        "Leave the column in, its cells may be empty.",
        work=WARNING,
    ),
    Rule(
        "HDR-DUP",
        Level.HEADER,
        ERROR,
        "second column {name}; the first is {first}",
        "Remove one; this one was not read.",
    ),
    Rule(
        "HDR-UNKNOWN",
        Level.HEADER,
        ERROR,
        'unknown column "{found}"{near}',
        "Remove it, or correct its name; it was not read.",
    ),
    Rule(
        "HDR-ORDER",
        Level.HEADER,
        ERROR,
        "{name} stands where the template has {wanted}; read by name",
        "The portal may read by position: keep the template's order.",
        work=WARNING,
    ),
    Rule(
        "HDR-PLACE",
        Level.HEADER,
        ERROR,
        "the table starts at {cell}, not at A1",
        "Remove the rows and columns before it.",
        work=WARNING,
    ),
)
