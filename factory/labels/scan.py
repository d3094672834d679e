"""What a keyboard scanner typed: the code of a label, or why it is none (factory floor reference, section 6)."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import Enum

from factory.labels.layouts import typed_elsewhere
from factory.values import InvalidValue, LabelCode, shown
from factory.values.label import CODE, LETTERS

_CODE = re.compile(f"[{LETTERS}]{{{CODE}}}")
_JOINTS = re.compile(r"[\s-]+")
_LONGEST = 400
_LAYOUT_HINT = "Set this computer's keyboard to US, or the scanner to the keyboard that it has; then scan again."
_AGAIN = "Scan it once more, straight and near."


class Fault(Enum):
    """Why a scan says nothing about any unit. LAYOUT and METHOD are the computer's, DAMAGED the scan's; FOREIGN is
    another code, as there are many on a unit's box.
    """

    EMPTY = "empty"
    LAYOUT = "layout"
    METHOD = "input-method"
    DAMAGED = "damaged"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class ScanFault:
    """A scan without a label's code: what it was, and what to do."""

    kind: Fault
    message: str
    hint: str


def read_scan(text: str) -> tuple[LabelCode, ...] | ScanFault:
    """The codes of one line, of which there are several where the scanner sends no Enter; the same one twice is one.

    Case, full-width letters, blanks, line ends, and what stood on the line before are no matter.
    """
    letters = _letters(text)
    codes: list[LabelCode] = []
    for match in _runs(letters):
        code = _parsed(match)
        if code is not None and code not in codes:
            codes.append(code)
    return tuple(codes) or _fault(text, letters)


def complete_code(typed: str) -> bool:
    """Whether what stands on the line is a whole code, so that no Enter need be waited for."""
    return _parsed(_letters(typed)[-CODE:]) is not None


def _letters(text: str) -> str:
    """As the scanner meant it: NFKC turns the full-width forms of an input method into letters."""
    return _JOINTS.sub("", unicodedata.normalize("NFKC", text[:_LONGEST])).upper()


def _runs(letters: str) -> list[str]:
    """Every place where a code could begin, each letter in one code only."""
    found, start = [], 0
    while start + CODE <= len(letters):
        part = letters[start : start + CODE]
        if _parsed(part) is None:
            start += 1
        else:
            found.append(part)
            start += CODE
    return found


def _parsed(letters: str) -> LabelCode | None:
    if not _CODE.fullmatch(letters):
        return None
    try:
        return LabelCode.parse(letters)
    except InvalidValue:
        return None


def _fault(text: str, letters: str) -> ScanFault:
    if not letters:
        return ScanFault(Fault.EMPTY, "the scanner sent nothing", _AGAIN)
    for name, meant in typed_elsewhere(text.strip()):
        if isinstance(read_plain(meant), LabelCode):
            message = f"the scanner's keyboard layout is not the computer's: this computer reads its keys as {name}"
            return ScanFault(Fault.LAYOUT, message, _LAYOUT_HINT)
    foreign = [character for character in letters if ord(character) > 127]
    if foreign:
        kind = unicodedata.name(foreign[0], "").split(" ")[0]
        if kind in ("HIRAGANA", "KATAKANA", "CJK", "HANGUL", "BOPOMOFO"):
            message = f"an input method is on: this computer makes {kind.title()} of what the scanner types"
            return ScanFault(
                Fault.METHOD, message, "Switch the input method off (half-width letters); then scan again."
            )
        message = f"the scanner's keyboard layout is not the computer's: it typed {shown(text.strip(), 40)}"
        return ScanFault(Fault.LAYOUT, message, _LAYOUT_HINT)
    own = sum(character in LETTERS for character in letters)
    if own == len(letters) and len(letters) >= 8:
        message = f"the scan is damaged: {len(letters)} letters, and a label has {CODE} with a check that holds"
        return ScanFault(Fault.DAMAGED, message, _AGAIN)
    message = f"{shown(text.strip(), 40)} is no code of a unit's label"
    return ScanFault(Fault.FOREIGN, message, "Scan the square code of the label that was just printed.")


def read_plain(text: str) -> LabelCode | None:
    """The code of a text that is nothing but a code."""
    return _parsed(_letters(text))
