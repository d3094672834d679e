"""What a cloud knows a unit by: hardware id, registration key, bulk identification code, names, categories.

Each is its own type with its own parser, so that a swapped argument is a type error. The permitted characters are
the safest choice where the vendor leaves them open (remote.it reference, sections 1.2, 7 and 8).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Self

from factory.values.characters import InvalidValue, describe, require_ascii, shown
from factory.values.mac import FIELD_DEFAULTS

MAX_LENGTH = 64
_FORBIDDEN = frozenset('/?#%"\\,|{}')
_ID_CHARACTERS = re.compile(r"[A-Za-z0-9._-]")
_NAME_CHARACTERS = re.compile(r"[A-Za-z0-9_ -]")
# What is certainly good, in one look: a batch checks a million of them. Anything else is judged character by character.
_GOOD_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_GOOD_TEXT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_ -]{0,62}[A-Za-z0-9_-])?")
_GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_CLOUD_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{16,43}")
_CODE_HINT = "Copy it from the portal: Products, the product's (i) icon, Bulk Identification Code."
_CATEGORY_FORBIDDEN = frozenset(',"\\`')
_FORMULA_LEADS = "=+-@"


@dataclass(frozen=True, slots=True, order=True)
class _Text:
    """A checked one-line ASCII text; subclasses say what may stand in it."""

    text: str
    what: ClassVar[str] = "text"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Check `text` and return the value. Raises InvalidValue naming the character and its position."""
        cls._check(text)
        return cls(text)

    @classmethod
    def _check(cls, text: str) -> None:
        require_ascii(text, cls.what)
        if len(text) > MAX_LENGTH:
            raise InvalidValue(f"{cls.what} has {len(text)} characters, limit {MAX_LENGTH}", code="VAL-LEN")

    def __str__(self) -> str:
        return self.text


class _Identifier(_Text):
    """A text that units paste raw into JSON and URLs: no blanks, nothing that changes either, no placeholder."""

    __slots__ = ()

    @classmethod
    def _check(cls, text: str) -> None:
        reason = sentinel(text)
        if reason:
            raise InvalidValue(f"{cls.what} {reason}", code="ID-SENTINEL", hint=_SENTINEL_HINT)
        if _GOOD_ID.fullmatch(text):
            return
        super()._check(text)
        for position, character in enumerate(text, 1):
            if character == " ":
                raise InvalidValue(f"{cls.what}: blank at {position}", code="CHR-SPACE")
            if character in _FORBIDDEN or not _ID_CHARACTERS.fullmatch(character):
                raise InvalidValue(
                    f"{cls.what}: {describe(character)} at {position}",
                    code="ID-CHR",
                    hint="Letters, digits, '.', '_' and '-' are safe in every place it is sent to.",
                )
        if text[0] in _FORMULA_LEADS:
            raise InvalidValue(f'{cls.what}: "{text[0]}" at 1; a spreadsheet would run it', code="CSV-INJ")
        if text[0] == "." or not any(character.isalnum() for character in text):
            # An id names files and is a part of URL paths: '..' must lead nowhere.
            message = f"{cls.what}: " + ('"." at 1' if text[0] == "." else "has no letter and no digit")
            raise InvalidValue(message, code="ID-CHR")


class HardwareId(_Identifier):
    """The id by which the cloud knows the device: unique in the whole system, exactly what the unit sends."""

    __slots__ = ()
    what: ClassVar[str] = "hardware id"

    @property
    def folded(self) -> str:
        """Case and separators removed: two ids with the same folded form are refused side by side."""
        return re.sub(r"[^a-z0-9]", "", self.text.lower()) or self.text


class RegistrationKey(_Identifier):
    """The key that registers the unit to the account. Secret: `text` is the only way to it, repr masks it."""

    __slots__ = ()
    what: ClassVar[str] = "registration key"

    def __repr__(self) -> str:
        return "RegistrationKey(***)"

    def __str__(self) -> str:
        return f"KEY...{self.text[-2:]}" if len(self.text) >= 12 else "KEY..."


class BulkIdentificationCode(_Text):
    """The 36-character code of a product, as the portal shows it behind its (i) icon."""

    __slots__ = ()
    what: ClassVar[str] = "bulk identification code"

    @classmethod
    def _check(cls, text: str) -> None:
        super()._check(text)
        if not _GUID.fullmatch(text):
            raise InvalidValue(
                f"bulk identification code {shown(text)} is not of the form 8-4-4-4-12 hex digits",
                code="BIC-FMT",
                hint=_CODE_HINT,
            )
        if len(set(text.replace("-", ""))) == 1:
            raise InvalidValue("bulk identification code is a placeholder", code="ID-SENTINEL", hint=_CODE_HINT)


class DeviceName(_Text):
    """The name of the device in the account: letters, digits, '_', blank inside, '-'."""

    __slots__ = ()
    what: ClassVar[str] = "device name"

    @classmethod
    def _check(cls, text: str) -> None:
        if _GOOD_TEXT.fullmatch(text):
            return
        super()._check(text)
        for position, character in enumerate(text, 1):
            if not _NAME_CHARACTERS.fullmatch(character):
                hint = "Letters, digits, '_', '-' and inner blanks only."
                raise InvalidValue(f"device name: {describe(character)} at {position}", code="NAME-CHR", hint=hint)
        if text[0] in _FORMULA_LEADS:
            raise InvalidValue(f'device name: "{text[0]}" at 1; a spreadsheet would run it', code="CSV-INJ")


class Category(_Text):
    """A category value of the upload: plain ASCII, nothing that a CSV would have to quote."""

    __slots__ = ()
    what: ClassVar[str] = "category"

    @classmethod
    def _check(cls, text: str) -> None:
        if _GOOD_TEXT.fullmatch(text):
            return
        super()._check(text)
        for position, character in enumerate(text, 1):
            if character in _CATEGORY_FORBIDDEN:
                raise InvalidValue(f"category: {describe(character)} at {position}", code="VAL-CHR")
        if text[0] in _FORMULA_LEADS:
            raise InvalidValue(f'category: "{text[0]}" at 1; a spreadsheet would run it', code="CSV-INJ")


class SerialNumber(_Identifier):
    """A unit's serial number: unique within its model (Xyte reference, section 2.4)."""

    __slots__ = ()
    what: ClassVar[str] = "serial number"


class CloudId(_Text):
    """The maker's own id of a unit in Xyte: the partner's short code and 16 to 36 letters, digits, '_' or '-'; its
    case counts (Xyte reference, section 5.1).
    """

    __slots__ = ()
    what: ClassVar[str] = "cloud id"

    @classmethod
    def _check(cls, text: str) -> None:
        super()._check(text)
        if not _CLOUD_ID.fullmatch(text):
            raise InvalidValue(
                f"cloud id {shown(text)} is no short code with 16 to 36 letters, digits, '_' or '-'",
                code="ID-CHR",
                hint="It is made once per unit and stays: on the label, on the unit and in the cloud.",
            )


_SENTINEL_HINT = "The unit or the sheet still holds a placeholder: write or read the real value first."


def sentinel(text: str) -> str | None:
    """Say why `text` is a known placeholder and no identity, or None.

    Sources: remote.it reference, sections 2.1 to 2.3 and 5; spreadsheet reference, sections 7 (15) and 8.
    """
    folded = re.sub(r"[^0-9a-z]", "", text.lower())
    if folded == "default":
        return "is the package's placeholder 'default.'"
    if folded.startswith("issue"):
        return "is an error sentence of the unit ('Issue ...')"
    if folded.startswith("missing"):
        return "is the package's placeholder 'missing. ...'"
    if folded == "mysecret":
        return "is the debug value MYSECRET"
    if len(folded) > 1 and set(folded) <= {"0"}:
        return "is an all-zero placeholder"
    if len(folded) > 1 and set(folded) <= {"f"}:
        return "is an all-FF placeholder"
    if folded in FIELD_DEFAULTS:
        return "is a chip maker's default that many devices in the field share"
    return None
