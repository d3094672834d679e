"""MAC addresses: 48 bits, one strict parser, and what makes an address no unit's address."""

from __future__ import annotations

import re
from dataclasses import dataclass

from factory.values.characters import InvalidValue, require_ascii, shown

_FORMS = re.compile(r"[0-9A-Fa-f]{12}|[0-9A-Fa-f]{2}(?P<mark>[:-])(?:[0-9A-Fa-f]{2}(?P=mark)){4}[0-9A-Fa-f]{2}")
_LOOKALIKE = {"O": "0", "o": "0", "l": "1", "I": "1", "S": "5", "s": "5", "Z": "2"}

# Defaults found on whole series of devices in the field (spreadsheet reference, section 8).
FIELD_DEFAULTS = frozenset({"00037fbadbad", "001a7dda710a", "000203040506", "b0aa33888888"})
_PATTERNS = frozenset({"0123456789ab", "123456789abc", "001122334455", "aabbccddeeff", "deadbeefcafe"})


@dataclass(frozen=True, slots=True, order=True)
class Mac:
    """An EUI-48 as six octets. That it is well formed does not make it a unit's address: see `defect`."""

    octets: bytes

    def __post_init__(self) -> None:
        if len(self.octets) != 6:
            raise ValueError("a MAC has six octets")

    @classmethod
    def parse(cls, text: str) -> Mac:
        """Parse twelve hex digits, or six pairs with one kind of separator (`:` or `-`).

        Raises InvalidValue that names the character and its position, or the form that was expected.
        """
        require_ascii(text, "MAC")
        if not _FORMS.fullmatch(text):
            raise _explain(text)
        return cls(bytes.fromhex(text.replace(":", "").replace("-", "")))

    @property
    def plain(self) -> str:
        """Twelve lower-case hex digits, the form that connectd sends (remote.it reference, section 1.2)."""
        return self.octets.hex()

    @property
    def colons(self) -> str:
        """Six lower-case pairs joined by colons, the form that Linux prints."""
        return self.octets.hex(":")

    @property
    def number(self) -> int:
        """The address as an integer, for offsets and pools."""
        return int.from_bytes(self.octets, "big")

    @property
    def is_multicast(self) -> bool:
        """True when the group bit is set; broadcast is multicast."""
        return bool(self.octets[0] & 1)

    @property
    def is_local(self) -> bool:
        """True when the address is locally administered."""
        return bool(self.octets[0] & 2)

    def plus(self, offset: int) -> Mac:
        """The address `offset` further on. Raises InvalidValue where that leaves the 24 bits of its OUI."""
        number = self.number + offset
        if number < 0 or number >> 24 != self.number >> 24:
            raise InvalidValue(f"{self.colons} {offset:+d} leaves its OUI block", code="MAC-POOL")
        return Mac(number.to_bytes(6, "big"))

    def defect(self) -> tuple[str, str] | None:
        """Return (code, why) when no unit can own this address, else None. Whether a locally administered
        address will do is the product's choice and not judged here.
        """
        plain = self.plain
        if plain == "0" * 12:
            return "ID-SENTINEL", "is the all-zero placeholder"
        if plain == "f" * 12:
            return "ID-SENTINEL", "is the all-FF broadcast address"
        if plain in FIELD_DEFAULTS:
            return "ID-SENTINEL", "is a chip maker's default that many devices in the field share"
        if plain in _PATTERNS or len(set(self.octets)) == 1:
            return "ID-SENTINEL", "is a test pattern"
        if self.is_multicast:
            return "MAC-MC", f"has the multicast bit set in its first octet {plain[:2]}"
        return None

    def __str__(self) -> str:
        return self.colons


def placeholders() -> tuple[Mac, ...]:
    """Every address that `defect` calls a placeholder, in their order."""
    same = (f"{octet:02x}" * 6 for octet in range(256))
    return tuple(sorted({Mac.parse(text) for text in (*FIELD_DEFAULTS, *_PATTERNS, *same)}))


def _explain(text: str) -> InvalidValue:
    what = f"MAC {shown(text)}"
    for position, character in enumerate(text, 1):
        if character not in "0123456789abcdefABCDEF:-. ":
            meant = _LOOKALIKE.get(character)
            hint = f"Did you mean {meant}?" if meant else "Only 0-9 and A-F, with : or - between pairs."
            return InvalidValue(f'{what} has "{character}" at {position}', code="ID-HEX", hint=hint)
    digits = re.sub(r"[^0-9A-Fa-f]", "", text)
    if len(digits) == 16:
        middle = " with FF-FE inside" if digits[6:10].lower() == "fffe" else ""
        return InvalidValue(f"{what} has 8 bytes{middle}: EUI-64 given, EUI-48 needed", code="MAC-64")
    if len(digits) != 12:
        why = f"{what} has {len(digits)} hex digits, 12 needed"
        return InvalidValue(why, code="ID-LEN", hint="Were leading zeros lost?" if len(digits) < 12 else "")
    return InvalidValue(
        f"{what} mixes or misplaces its separators",
        code="MAC-FMT",
        hint="Write 00:1b:77:00:00:11 or 001b77000011.",
    )
