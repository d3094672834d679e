"""The forms of names, categories, versions and other texts."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from factory.sheets.characters import positions
from factory.sheets.finding import Trouble
from factory.sheets.forms import BACKTICK, Form, Limits, Refusal, characters, fixed, printable_shape
from factory.sheets.forms import NULLISH as EMPTY_WORDS
from factory.values import describe

_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_SEMVER = (
    r"(?:0|[1-9][0-9]*)\.(?:0|[1-9][0-9]*)\.(?:0|[1-9][0-9]*)"
    r"(?:-(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*)?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_UUID = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"


def _date_field(value: str) -> dict[str, object]:
    first, _, second = value.partition("-")
    month, other = (first, second) if first.isalpha() else (second, first)
    number = _MONTHS.split("|").index(month.title()) + 1
    return {"shown": value, "guess": f'"{number}-{other.lstrip("0")}" or "{other.lstrip("0")}-{number}"'}


NULLISH = Refusal(
    "VAL-NULLISH", EMPTY_WORDS, lambda v: {"shown": v},
    whole=True, starts=r"nNtTuU?\-",
)  # fmt: skip
_DATE = Refusal(
    "CSV-DATE", f"(?i:[0-9]{{1,2}}-(?:{_MONTHS})|(?:{_MONTHS})-[0-9]{{2}})", _date_field,
    whole=True, starts="0-9aAdDfFjJmMnNoOsS",
)  # fmt: skip
_NUMBER = Refusal(
    "XLS-NUM", r"[0-9]+[.,]?[0-9]*[eE]\+[0-9]+",
    lambda value: {"shown": value, "cell": "", "why": "a spreadsheet changed the text"}, whole=True, starts="0-9",
)  # fmt: skip
_ERROR_VALUE = Refusal(
    "XLS-ERR", r"#(?:N/A|REF!|VALUE!|DIV/0!|NAME\?|NUM!|NULL!)", lambda v: {"shown": v}, whole=True, starts="#"
)


_NOT_IN_NAMES = re.compile(r"[!-,./:-@\[-^`{-~]")


def _explain_name(text: str, limits: Limits) -> Iterator[Trouble]:
    yield from _explain_characters(text, limits, "NAME-CHR", _NOT_IN_NAMES)


def _explain_text(text: str, limits: Limits) -> Iterator[Trouble]:
    yield from _explain_characters(text, limits, "VAL-CHR", _none_of(limits.forbidden | {BACKTICK}))


@functools.cache
def _none_of(forbidden: frozenset[str]) -> re.Pattern[str]:
    return re.compile(characters("".join(sorted(forbidden))))


def _explain_characters(text: str, limits: Limits, code: str, bad: re.Pattern[str]) -> Iterator[Trouble]:
    wrong: dict[str, list[int]] = {}
    for hit in bad.finditer(text):
        wrong.setdefault(hit[0], []).append(hit.start())
    for one, places in wrong.items():
        fields = {"what": describe(one), "where": positions(places), "hint": "The portal cannot take it."}
        yield Trouble(code, fields, tuple(places))
    if len(text) > limits.longest:
        spots = tuple(range(limits.longest, len(text)))
        yield Trouble("VAL-LEN", {"length": len(text), "limit": limits.longest}, spots)


def _silent(_text: str, _limits: Limits) -> Iterator[Trouble]:
    """The form's own sentence says it all."""
    yield from ()


def _lower(text: str) -> str | None:
    return text.lower() or None


def _fixed_form(name: str, what: str, pattern: str) -> Form:
    return Form(name, what, fixed(pattern), _silent, lambda text: text or None)


NAME = Form(
    "name", "a name of letters, digits, '_', '-' and inner blanks",
    lambda limits: f"(?:-+|[A-Za-z0-9_][A-Za-z0-9_ -]{{0,{limits.longest - 1}}}+(?<! ))",
    _explain_name, _lower, (NULLISH, _DATE),
)  # fmt: skip
TEXT = Form("text", "a plain text", printable_shape, _explain_text, _lower, (NULLISH, _DATE, _NUMBER, _ERROR_VALUE))
VERSION = _fixed_form("semver", "a version such as 1.4.0 (SemVer)", _SEMVER)
UUID = _fixed_form("uuid", "a UUID of the form 8-4-4-4-12", _UUID)
CLOUD_ID = _fixed_form(
    "cloud-id", "a short code and 16 to 36 letters, digits, '-' or '_'", "[A-Za-z0-9][A-Za-z0-9_-]{16,43}"
)
