"""The header of a sheet: tolerant of case and blanks, with a word about it, and strict about everything else."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from factory.sheets.characters import cleaned
from factory.sheets.finding import Trouble
from factory.sheets.profile import Column, Profile
from factory.sheets.reading.source import Cells
from factory.sheets.rules import Use

UNKNOWN = ""
"""Stands for a column whose header is not the profile's; its cells are not judged."""
BESIDE = "\0"
"""Stands for a column without any header; its cells must be empty."""


@dataclass(slots=True)
class Header:
    """What each column of the sheet is: a name of the profile, UNKNOWN or BESIDE; and the troubles by column."""

    columns: tuple[str, ...]
    troubles: list[tuple[Trouble, int | None, str]] = field(default_factory=list)

    def place(self, name: str) -> int | None:
        """The place of a column among the sheet's, or None."""
        return self.columns.index(name) if name in self.columns else None


def known_names(cells: Cells, profile: Profile) -> int:
    """How many cells of a row are names of the profile."""
    names = {_fold(column.name) for column in profile.columns}
    return len({_fold(cell) for cell in cells if isinstance(cell, str)} & names)


def is_header(cells: Cells, profile: Profile) -> bool:
    """True when a row is the header: at least two names of the profile, or nothing else."""
    filled = sum(1 for cell in cells if cell not in ("", None))
    found = known_names(cells, profile)
    return found >= 2 or 0 < found == filled


def read_header(cells: Cells, profile: Profile, use: Use, *, exact: bool) -> Header:
    """Match a header row against the profile. `exact` compares with the template's bytes (a CSV), else with names."""
    by_fold = {_fold(column.name): column for column in profile.columns}
    columns: list[str] = []
    header = Header(())
    for index, cell in enumerate(cells):
        text = cell if isinstance(cell, str) else "" if cell is None else str(cell)
        column = by_fold.get(_fold(text))
        if not text.strip():
            columns.append(BESIDE)
        elif column is None:
            columns.append(UNKNOWN)
            header.troubles.append((Trouble("HDR-UNKNOWN", {"found": text, "near": _near(text, by_fold)}), index, text))
        elif column.name in columns:
            columns.append(UNKNOWN)
            first = _letter(columns.index(column.name))
            header.troubles.append((Trouble("HDR-DUP", {"name": column.name, "first": first}), index, text))
        else:
            columns.append(column.name)
            trouble = _spelling(text, column, exact=exact)
            if trouble is not None:
                header.troubles.append((trouble, index, text))
    header.columns = tuple(columns)
    header.troubles.extend((trouble, place, "") for trouble, place in _absent(header.columns, profile, use))
    return header


def by_position(cells: Cells, profile: Profile) -> Header:
    """The layout of a sheet without a header: by position if it has the profile's width, else nothing is known."""
    fits = len(cells) == len(profile.columns)
    columns = profile.names if fits else (UNKNOWN,) * len(cells)
    what = "values" if fits else f"none of the columns of {profile.name}"
    return Header(columns, [(Trouble("HDR-NONE", {"what": what}), None, "")])


def _spelling(text: str, column: Column, *, exact: bool) -> Trouble | None:
    wanted = column.header if exact else column.name
    if text == wanted or (not exact and text == column.header):
        return None
    fields = {"found": text, "wanted": wanted, "name": column.name}
    if text.strip() != wanted.strip():
        if cleaned(text) == wanted.strip():
            return Trouble("HDR-SPACE", {**fields, "what": "has an invisible or odd character"})
        return Trouble("HDR-CASE", fields)
    if text[:1] == " " and wanted[:1] != " ":
        what = "has a leading space"
    elif text[:1] != " " and wanted[:1] == " ":
        what = "lacks the leading space"
    else:
        what = "has a space at the end"
    return Trouble("HDR-SPACE", {**fields, "what": what})


def _absent(columns: Sequence[str], profile: Profile, use: Use) -> list[tuple[Trouble, int | None]]:
    troubles: list[tuple[Trouble, int | None]] = []
    for column in profile.columns:
        if column.name not in columns:
            required = column.required and (use is Use.UPLOAD or column.work_required)
            if required or profile.complete:
                troubles.append((Trouble("HDR-MISSING" if required else "HDR-ABSENT", {"name": column.name}), None))
    present = [name for name in columns if name not in (UNKNOWN, BESIDE)]
    ordered = [name for name in profile.names if name in present]
    for name, wanted in zip(present, ordered, strict=True):
        if name != wanted:
            troubles.append((Trouble("HDR-ORDER", {"name": name, "wanted": wanted}), columns.index(name)))
    return troubles


def _near(text: str, known: dict[str, Column]) -> str:
    found = difflib.get_close_matches(_fold(text), known, n=1, cutoff=0.7)
    return f"; near {known[found[0]].name}" if found else ""


def _fold(text: object) -> str:
    return re.sub(r"[\s-]+", "_", cleaned(text).lower()) if isinstance(text, str) else ""


def _letter(index: int) -> str:
    from factory.sheets.profile import letter

    return letter(index)
