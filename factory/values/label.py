"""What a unit's label says to a scanner: one random code per label, and which unit it was made for.

A scanner is a keyboard, and types by key positions. The sixteen consonants here lie on the same keys of QWERTY, QWERTZ
and AZERTY keyboards, make no words, and nobody takes one for a digit (factory floor reference, section 6, fault 19).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from factory.values.characters import InvalidValue, shown

LETTERS = "BCDFGHJKLNPRSTVX"
NONCE = 16
_UNIT = 4
_CHECK = 4
CODE = NONCE + _UNIT + _CHECK
_NONCE = re.compile(f"[{LETTERS}]{{{NONCE}}}")
_CODE = re.compile(f"[{LETTERS}]{{{CODE}}}")
_JOINTS = re.compile(r"[\s-]+")


class LabelState(StrEnum):
    """The life of one label. It is voided, never changed: a reprint is another label."""

    INTENT = "intent"  # about to be sent to the printer: whether it exists is not known
    PRINTED = "printed"  # the printer took all of it
    VERIFIED = "verified"  # scanned back, and it was this unit's
    VOID = "void"  # must not be on any unit


@dataclass(frozen=True, slots=True)
class LabelCode:
    """The content of a label's code. `nonce` names the label, `unit` stands for the unit's hardware id."""

    nonce: str
    unit: str

    @classmethod
    def of(cls, nonce: str, hardware_id: str) -> Self:
        """The code of the label `nonce` for a unit. Raises InvalidValue for what is no nonce."""
        if not _NONCE.fullmatch(nonce):
            raise InvalidValue(f"{shown(nonce)} is no label's nonce", code="LABEL-NONCE")
        return cls(nonce, _letters("unit", hardware_id, _UNIT))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a code in any case, with or without the hyphens and blanks that people put in.

        Raises InvalidValue for a text of another form, or when its check does not hold.
        """
        letters = _JOINTS.sub("", text).upper()
        if not _CODE.fullmatch(letters):
            raise InvalidValue(f"{shown(text)} is no label's code", code="LABEL-FORM")
        code = cls(letters[:NONCE], letters[NONCE : NONCE + _UNIT])
        if code.text != letters:
            raise InvalidValue(f"{shown(text)} is damaged: its check does not hold", code="LABEL-CHECK")
        return code

    @property
    def text(self) -> str:
        """What stands in the code: 24 letters, of which the last four check the others."""
        body = self.nonce + self.unit
        return body + _letters("check", body, _CHECK)

    @property
    def for_people(self) -> str:
        """The code in groups of four, to be read out or typed."""
        return "-".join(self.text[start : start + 4] for start in range(0, CODE, 4))

    def is_of(self, hardware_id: str) -> bool:
        """Whether this label was made for the unit with this hardware id."""
        return self.unit == _letters("unit", hardware_id, _UNIT)


def nonce_of(random: bytes) -> str:
    """The nonce that eight random bytes make."""
    return _spelled(random, NONCE)


def _letters(purpose: str, text: str, count: int) -> str:
    return _spelled(hashlib.sha256(f"factory-label/1 {purpose} {text}".encode()).digest(), count)


def _spelled(content: bytes, count: int) -> str:
    digits = content.hex()[:count]
    return "".join(LETTERS[int(digit, 16)] for digit in digits)
