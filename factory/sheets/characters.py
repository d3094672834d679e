"""What is wrong with the characters of a cell, and what it would be in plain ones."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from factory.sheets.finding import Trouble
from factory.values import describe
from factory.values.characters import CONTROL, INVISIBLE, NOT_ASCII, SPACE, WIDE, ascii_faults

_OUTER_BLANKS = " \t\r\n\u00a0\u3000"
_PLAIN = re.compile(r"[!-~](?:[ -~]*[!-~])?")
LEADS = "=+-@\t\r"


def cleaned(text: str) -> str:
    """The text in plain characters as far as that is certain: compatibility forms, no invisible ones, no outer
    blanks. For judging and comparing only: a sheet is never repaired with it.
    """
    plain = unicodedata.normalize("NFKC", text)
    return "".join(one for one in plain if unicodedata.category(one) not in ("Cf", "Cc") or one == "\t").strip()


def character_troubles(text: str, *, secret: bool = False) -> Iterator[Trouble]:
    """Find what is not printable ASCII, and blanks at the ends: one trouble for each kind, with every position."""
    if _PLAIN.fullmatch(text):
        return
    spots: dict[tuple[str, str], list[int]] = {}
    for fault in ascii_faults(text):
        kind = "" if fault.code in (WIDE, NOT_ASCII) else fault.what
        spots.setdefault((fault.code, kind), []).append(fault.position - 1)
    for (code, what), places in spots.items():
        fields: dict[str, object] = {"what": what, "where": positions(places)}
        if code == WIDE:
            form = cleaned(text)
            fields["ascii"] = f'; ASCII form is "{form}"' if form.isascii() and not secret else ""
        elif code == NOT_ASCII:
            fields["what"] = describe(text[places[0]])
        elif code == SPACE:
            fields["where"] = _end(places, len(text))
        assert code in (WIDE, NOT_ASCII, SPACE, CONTROL, INVISIBLE)
        yield Trouble(code, fields, tuple(places))


def injection(text: str) -> Trouble | None:
    """Say whether a spreadsheet would run this text: a lead character at the start, or after blanks that are
    stripped before the test, or at the start of a further line (spreadsheet reference, section 4).
    """
    for line_start, line in _lines(text):
        bare = line.lstrip(" \u00a0\u3000\u200b\ufeff")
        skipped = len(line) - len(bare)
        if bare[:1] and bare[0] in LEADS and bare.strip("-") and not (line_start and bare[0] in "\t\r"):
            after = f" after {skipped} space{'s' * (skipped != 1)}" if skipped else ""
            after += " on a further line" if line_start else ""
            lead = describe(bare[0])
            return Trouble("CSV-INJ", {"lead": lead, "after": after}, (line_start + skipped,))
    return None


def positions(places: list[int]) -> str:
    """Positions for people, counted from 1: `3`, `1 and 2`, `1-12`, `1, 4 and 9 more`."""
    first, last = places[0] + 1, places[-1] + 1
    if len(places) == 1:
        return str(first)
    if last - first + 1 == len(places) and len(places) > 2:
        return f"{first}-{last}"
    if len(places) == 2:
        return f"{first} and {last}"
    if len(places) <= 4:
        return ", ".join(str(place + 1) for place in places[:-1]) + f" and {last}"
    return ", ".join(str(place + 1) for place in places[:3]) + f" and {len(places) - 3} more"


def _end(places: list[int], length: int) -> str:
    if places == [0]:
        return "the start"
    if places == [length - 1]:
        return "the end"
    return positions(places)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for line in text.split("\n"):
        yield start, line
        start += len(line) + 1
