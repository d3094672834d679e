"""What is wrong with a text that must be plain ASCII: each bad character by its name and its position."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from factory.errors import FactoryError

# Codes as in the spreadsheet reference, section 7; the same code means the same fault in a sheet and on the bench.
WIDE = "CHR-WIDE"
INVISIBLE = "CHR-INVIS"
SPACE = "CHR-SPACE"
CONTROL = "CHR-CTRL"
NOT_ASCII = "VAL-ASCII"

_INVISIBLE = frozenset("\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\ufeff")
_BLANKS = frozenset("\u00a0\u1680\u202f\u205f\u3000")


@dataclass(frozen=True, slots=True)
class CharacterFault:
    """One character that must not be there; `position` counts characters from 1."""

    code: str
    position: int
    what: str

    def __str__(self) -> str:
        return f"{self.what} at {self.position}"


class InvalidValue(FactoryError):  # noqa: N818 - reads as what it is where it is caught
    """A text is not the value that it should be; `code` is stable, the message names character and place."""

    def __init__(self, message: str, *, code: str, hint: str = "") -> None:
        super().__init__(message, hint=hint, code=code)


def ascii_faults(text: str) -> tuple[CharacterFault, ...]:
    """Find every non-ASCII and control character, and blanks at the outer ends, in order of position."""
    faults = [
        CharacterFault(_code(character), position, describe(character))
        for position, character in enumerate(text, 1)
        if not " " <= character <= "~"
    ]
    if text[:1] == " ":
        faults.append(CharacterFault(SPACE, 1, "blank"))
    if text[-1:] == " " and len(text) > 1:
        faults.append(CharacterFault(SPACE, len(text), "blank"))
    return tuple(sorted(faults, key=lambda fault: fault.position))


def describe(character: str) -> str:
    """Name one character so that a person finds it: 'full-width digit ONE', 'line feed', '"/"'."""
    if "!" <= character <= "~":
        return f'"{character}"'
    named = _NAMED.get(character)
    if named:
        return named
    number = f"U+{ord(character):04X}"
    name = unicodedata.name(character, "")
    if not name:
        return f"control character {number}" if unicodedata.category(character) == "Cc" else f"character {number}"
    if name.startswith("FULLWIDTH "):
        return _full_width(name.removeprefix("FULLWIDTH "))
    kind = "invisible " if _is_invisible(character) else ""
    return f"{kind}{number} {name}"


def require_ascii(text: str, what: str, *, code: str = NOT_ASCII) -> None:
    """Raise InvalidValue when `text` is empty, has a fault, or is not one line of plain ASCII."""
    if not text:
        raise InvalidValue(f"{what} is empty", code="VAL-EMPTY")
    faults = ascii_faults(text)
    if faults:
        first = faults[0]
        more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
        hint = "Only ASCII characters can be registered."
        raise InvalidValue(f"{what}: {first}{more}", code=first.code or code, hint=hint)


def shown(text: str, limit: int = 80) -> str:
    """Quote a text for an error: escaped, bounded, safe for a terminal."""
    cut = text if len(text) <= limit else text[:limit] + "..."
    return '"' + cut.encode("unicode_escape").decode("ascii").replace('"', '\\"') + '"'


_NAMED = {
    " ": "blank",
    "\n": "line feed",
    "\r": "carriage return",
    "\t": "tab",
    "\0": "NUL",
    "\x1b": "escape character",
    "\u00a0": "no-break space U+00A0",
    "\u3000": "full-width blank U+3000",
}


def _full_width(name: str) -> str:
    kind, _, which = name.rpartition(" ")
    if kind == "DIGIT":
        return f"full-width digit {which}"
    if kind.startswith("LATIN"):
        return f"full-width letter {which if 'CAPITAL' in kind else which.lower()}"
    return f"full-width {name.lower()}"


def _code(character: str) -> str:
    if unicodedata.category(character) == "Cc":
        return CONTROL
    if character in _BLANKS or unicodedata.category(character) == "Zs":
        return SPACE
    if _is_invisible(character):
        return INVISIBLE
    return WIDE if unicodedata.name(character, "").startswith("FULLWIDTH ") else NOT_ASCII


def _is_invisible(character: str) -> bool:
    return character in _INVISIBLE or unicodedata.category(character) in ("Cf", "Zl", "Zp")
