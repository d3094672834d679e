"""What a spreadsheet program makes of a text that it takes for something else (spreadsheet reference, section 1)."""

from __future__ import annotations

import datetime
import re

from factory.sheets.typed import as_text

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?")
_SCIENTIFIC = re.compile(r"[0-9](?:[.,](?P<places>[0-9]*))?[eE]\+?[0-9]+")
_DATE_TEXT = re.compile(r"(?P<first>[0-9]{1,4})[-/.](?P<second>[0-9]{1,2})(?:[-/.](?P<third>[0-9]{1,4}))?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DATE_SHOWN = re.compile(
    r"(?i)(?:[0-9]{1,2}-[a-z]{3}(?:-[0-9]{2,4})?|[a-z]{3}-[0-9]{2}|[0-9]{1,4}[-/][0-9]{1,2}[-/][0-9]{1,4})"
)


def cause_of(was: object, now: object) -> str:
    """Say what a spreadsheet program did if it, by itself, turns `was` into `now`; empty when it does not."""
    before = as_text(was)
    if isinstance(now, str):
        return _as_text_cell(before, now)
    if isinstance(now, bool):
        return "a spreadsheet took it for a logical value" if before.strip().upper() == as_text(now) else ""
    if isinstance(now, (int, float)):
        number = _number(before)
        return _number_cause(before) if number is not None and _near(number, float(now), 15) else ""
    if isinstance(now, (datetime.date, datetime.time, datetime.timedelta)):
        return "a spreadsheet took it for a date" if _may_be_date(before, now) else ""
    return ""


def _as_text_cell(before: str, now: str) -> str:
    if now == before.strip(" \u00a0") and now != before:
        return "a spreadsheet dropped the blanks around it"
    if now.upper() == before.upper() and now.upper() in ("TRUE", "FALSE"):
        return "a spreadsheet took it for a logical value"
    number, shown = _number(before), _number(now)
    if number is not None and shown is not None and before != now:
        scientific = _SCIENTIFIC.fullmatch(now)
        places = len(scientific["places"] or "") + 1 if scientific else 15
        return _number_cause(before) if _near(number, shown, places) else ""
    if _DATE_TEXT.fullmatch(before) and _DATE_SHOWN.fullmatch(now) and _same_numbers(before, now):
        return "a spreadsheet took it for a date"
    return ""


def _number_cause(before: str) -> str:
    digits = before.strip()
    if "e" in digits.lower():
        return "a spreadsheet took the E for an exponent"
    if digits.startswith("0") and len(digits) > 1:
        return "a spreadsheet dropped the leading zeros"
    if len(digits) > 15:
        return "a spreadsheet kept fifteen digits"
    return "a spreadsheet took it for a number"


def _number(text: str) -> float | None:
    bare = text.strip(" \u00a0")
    if not _NUMBER.fullmatch(bare):
        return None
    try:
        return float(bare.replace(",", "."))
    except ValueError:
        return None


def _near(exact: float, shown: float, digits: int) -> bool:
    """The same number when written with that many significant digits; an overflow shows as zero or as itself."""
    if exact == shown:
        return True
    return f"{exact:.{digits - 1}e}" == f"{shown:.{digits - 1}e}"


def _may_be_date(before: str, now: datetime.date | datetime.time | datetime.timedelta) -> bool:
    found = _DATE_TEXT.fullmatch(before.strip())
    if isinstance(now, datetime.date) and found:
        numbers = {int(part) for part in found.groups() if part}
        return {now.month, now.day} & numbers != set() and numbers <= {now.month, now.day, now.year, now.year % 100}
    return isinstance(now, (datetime.time, datetime.timedelta)) and ":" in before


def _same_numbers(before: str, now: str) -> bool:
    numbers = {int(part) for part in re.findall("[0-9]+", before)}
    shown = {int(part) for part in re.findall("[0-9]+", now)}
    shown |= {at for at, month in enumerate(_MONTHS, 1) if month in now.lower()}
    return numbers <= shown | {number % 100 for number in shown}
