"""Reading an upload file strictly: what is unknown is refused (remote.it reference, sections 1, 8)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

HEADER = (
    "REGISTRATION_KEY, HARDWARE_ID, DEVICE_NAME,CATEGORY_A,CATEGORY_B, CATEGORY_C, CATEGORY_D, CATEGORY_E,"
    " CATEGORY_F, CATEGORY_G, CATEGORY_H, CATEGORY_I, CATEGORY_J"
)
MAX_ROWS = 1000
MAX_BYTES = 250_000
_COLUMNS = 13
_PLACES = ("REGISTRATION_KEY", "HARDWARE_ID", "DEVICE_NAME", *(f"CATEGORY_{letter}" for letter in "ABCDEFGHIJ"))
_ID = re.compile(r"[A-Za-z0-9._:-]+")
_NAME = re.compile(r"[A-Za-z0-9_ .-]+")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a file is refused. `row` counts lines from 1, the header being 1; 0 is the file as a whole."""

    row: int
    column: str
    reason: str


@dataclass(frozen=True, slots=True)
class Line:
    """One device of an upload file."""

    row: int
    key: str
    hardware_id: str
    name: str
    categories: tuple[str, ...]


def read_upload(content: bytes) -> tuple[list[Line], list[Problem]]:
    """Return the devices of a file and everything that is wrong with it."""
    if len(content) > MAX_BYTES:
        return [], [Problem(0, "", f"the file has {len(content)} bytes; {MAX_BYTES} are allowed")]
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        return [], [Problem(row, "", f"not ASCII at byte {error.start}")]
    if "\r" in text:
        return [], [Problem(text.count("\n", 0, text.index("\r")) + 1, "", "line ends must be LF alone")]
    header, *rows = text.removesuffix("\n").split("\n")
    if header != HEADER:
        return [], [Problem(1, "", "the header is not the template's, byte for byte")]
    if not rows:
        return [], [Problem(0, "", "no devices")]
    if len(rows) > MAX_ROWS:
        return [], [Problem(0, "", f"{len(rows)} devices; {MAX_ROWS} are allowed in one upload")]
    lines: list[Line] = []
    problems: list[Problem] = []
    for number, text_of_row in enumerate(rows, 2):
        found = list(_row_problems(number, text_of_row))
        problems += found
        if not found:
            key, hardware_id, name, *categories = text_of_row.split(",")
            lines.append(Line(number, key, hardware_id, name, tuple(categories)))
    return lines, problems + list(_duplicates(lines))


def _row_problems(number: int, row: str) -> Iterator[Problem]:
    values = row.split(",")
    if len(values) != _COLUMNS:
        yield Problem(number, "", f"{len(values)} columns; there must be {_COLUMNS}")
        return
    for place, value in zip(_PLACES, values, strict=True):
        if not value.isprintable() or '"' in value or "\\" in value:
            yield Problem(number, place, "a quote, a backslash or a control character")
    key, hardware_id, name = values[:3]
    if not key or key != key.strip():
        yield Problem(number, _PLACES[0], "empty, or blanks around it")
    if key.startswith(("default.", "Issue")):
        yield Problem(number, _PLACES[0], "the package's placeholder")
    reason = id_problem(hardware_id)
    if reason:
        yield Problem(number, _PLACES[1], reason)
    if not _NAME.fullmatch(name) or name != name.strip():
        yield Problem(number, _PLACES[2], "a name of letters, digits, '_', '-', '.' and inner blanks is required")


def id_problem(hardware_id: str) -> str:
    """Why a hardware id cannot belong to a unit, or nothing (remote.it reference, sections 2.2, 2.3, 7)."""
    if hardware_id == "default.":
        return "the package's placeholder"
    if hardware_id.startswith("Issue"):
        return "the package's own complaint and no id"
    return "" if _ID.fullmatch(hardware_id) else "empty, or a character that does not survive the unit's requests"


def _duplicates(lines: list[Line]) -> Iterator[Problem]:
    ids: dict[str, int] = {}
    names: dict[str, int] = {}
    for line in lines:
        first = ids.setdefault(line.hardware_id.lower(), line.row)
        if first != line.row:
            yield Problem(line.row, _PLACES[1], f"the same as in row {first}")
        first = names.setdefault(line.name, line.row)
        if first != line.row:
            yield Problem(line.row, _PLACES[2], f"the same as in row {first}")
