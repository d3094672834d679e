"""Cells of a workbook that are no text: what a spreadsheet has made of an identifier, and what it may have been."""

from __future__ import annotations

import datetime
from decimal import Decimal

from factory.sheets.finding import Trouble
from factory.sheets.judge import ColumnJudge
from factory.sheets.reading.source import Mark


def typed_trouble(value: object, judge: ColumnJudge | None) -> Trouble:
    """Say what is wrong with a number, date or logical value; the digits of secret columns are not shown."""
    hidden = judge is not None and judge.limits.secret
    if isinstance(value, bool):
        return Trouble("XLS-BOOL", {"shown": "TRUE" if value else "FALSE"})
    if isinstance(value, (datetime.date, datetime.time, datetime.timedelta)):
        shown = "***" if hidden else str(value)
        return Trouble("XLS-DATE", {"shown": shown, "guess": _date_guess(value)})
    number = float(value) if isinstance(value, (int, float)) else 0.0
    digits = exact(number)
    fields = {"shown": "***" if hidden else as_shown(number), "cell": " cell"}
    if judge is None or not judge.form.identifier:
        return Trouble("XLS-DIGITS", fields)
    long = len(digits) >= 18 or (len(digits) > 15 and judge.form.name in ("imei", "iccid"))
    if long and digits.isdigit():
        return Trouble("XLS-15", {**fields, "shown": "***" if hidden else digits})
    return Trouble("XLS-NUM", {**fields, "why": f"a spreadsheet changed {judge.form.noun}"})


def mark_trouble(mark: Mark, *, secret: bool) -> Trouble:
    """Say what is wrong with a formula or an error cell."""
    if mark.kind == "error":
        return Trouble("XLS-ERR", {"shown": mark.text or "#ERROR"})
    shown = "***" if secret else f"={mark.text}" if mark.text else "(shared)"
    cached = "" if mark.cached else "; it was never calculated, there is no value"
    return Trouble("XLS-FORMULA", {"shown": shown, "cached": cached})


def as_shown(number: float) -> str:
    """A number as a spreadsheet shows it in a cell of general format: eleven digits, then scientific."""
    if number == int(number) and abs(number) < 1e11:
        return str(int(number))
    if abs(number) >= 1e11:
        mantissa, _, power = f"{number:.5E}".partition("E")
        return f"{mantissa.rstrip('0').rstrip('.')}E{int(power):+03d}"
    return f"{number:.10g}"


def as_text(value: object) -> str:
    """A cell as text; a number with all its digits. For showing and comparing, never as an identifier."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (int, float)):
        return exact(float(value))
    return "" if value is None else str(value)


def exact(number: float) -> str:
    """All digits of a number as a spreadsheet keeps them: fifteen, then zeros."""
    if number != number or abs(number) == float("inf"):
        return str(number)
    return format(Decimal(f"{number:.15g}"), "f")


def _date_guess(value: datetime.date | datetime.time | datetime.timedelta) -> str:
    if isinstance(value, datetime.date):
        return f'the text "{value.month}-{value.day}" or "{value.day}/{value.month}"'
    return "a text with a colon in it"
