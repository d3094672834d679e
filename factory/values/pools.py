"""Pools: values as numbers in a row, and how a supplier's row is cut into cells, one for each unit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from factory.values.characters import InvalidValue, require_ascii, shown
from factory.values.mac import Mac

_OUI_BITS = 24
_MAC_DIGITS = 12
# More digits than this do not fit into a database's whole numbers; those before stay part of the prefix.
_MOST_DIGITS = 18
_SERIAL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._:/+-]{0,62}[A-Za-z0-9])?")


class PoolKind(StrEnum):
    """What a pool gives."""

    MAC = "mac"
    SERIAL = "serial"


@dataclass(frozen=True, slots=True, order=True)
class Numbered:
    """One value as a number behind a prefix: a MAC has no prefix and twelve hex digits, a serial the digits at its end.

    Every value has exactly one such form, so that equal forms are equal values.
    """

    kind: PoolKind
    prefix: str
    width: int
    number: int

    @classmethod
    def parse(cls, kind: PoolKind, text: str) -> Numbered:
        """A MAC in any form, or a serial. Raises InvalidValue that says what is wrong with it."""
        if kind is PoolKind.MAC:
            return cls(kind, "", _MAC_DIGITS, Mac.parse(text).number)
        require_ascii(text, "serial")
        if not _SERIAL.fullmatch(text):
            raise InvalidValue(
                f"serial {shown(text)} has a character that serials of a pool cannot have",
                code="POOL-SERIAL",
                hint="Letters, digits and . _ : / + - within, 64 at most.",
            )
        digits = len(text) - len(text.rstrip("0123456789"))
        width = min(digits, _MOST_DIGITS)
        at = len(text) - width
        return cls(kind, text[:at], width, int(text[at:] or "0"))

    def text(self) -> str:
        """The value: plain hex for a MAC."""
        return text_of(self.kind, self.prefix, self.width, self.number)

    def in_row_with(self, other: Numbered) -> bool:
        """Whether both are numbers of the same row."""
        return (self.kind, self.prefix, self.width) == (other.kind, other.prefix, other.width)


@dataclass(frozen=True, slots=True, order=True)
class Run:
    """Values in a row, the numbers `low` to `high`, both included."""

    kind: PoolKind
    prefix: str
    width: int
    low: int
    high: int

    @classmethod
    def of(cls, first: Numbered, last: Numbered) -> Run:
        """From one value to another. Raises InvalidValue where no row leads there."""
        if not first.in_row_with(last):
            raise InvalidValue(
                f"no row leads from {first.text()} to {last.text()}", code="POOL-RANGE",
                hint="Both must have the same letters before their last digits, and as many digits.",
            )  # fmt: skip
        if last.number < first.number:
            raise InvalidValue(f"{last.text()} comes before {first.text()}", code="POOL-RANGE")
        return cls(first.kind, first.prefix, first.width, first.number, last.number)

    @classmethod
    def counted(cls, first: Numbered, count: int) -> Run:
        """So many values from one on. Raises InvalidValue where its digits do not suffice."""
        last = first.number + count - 1
        base = 16 if first.kind is PoolKind.MAC else 10
        if count < 1:
            raise InvalidValue(f"a count of {count} is no range", code="POOL-COUNT")
        if last >= base**first.width:
            message = f"{count} values from {first.text()} on need more than its {first.width} digits"
            raise InvalidValue(message, code="POOL-COUNT")
        return cls(first.kind, first.prefix, first.width, first.number, last)

    @property
    def size(self) -> int:
        """How many values these are."""
        return self.high - self.low + 1

    def text(self, number: int) -> str:
        """One of the values."""
        return text_of(self.kind, self.prefix, self.width, number)

    def crosses_block(self) -> bool:
        """Whether the addresses leave the 24 bits of one OUI."""
        return self.kind is PoolKind.MAC and self.low >> _OUI_BITS != self.high >> _OUI_BITS

    def __str__(self) -> str:
        first, last = (shown_value(self.kind, self.text(number)) for number in (self.low, self.high))
        return first if self.size == 1 else f"{first} to {last}"


@dataclass(frozen=True, slots=True)
class Cut:
    """A run cut into cells: the number of the first cell's first value, how many there are, from one to the next."""

    first: int
    cells: int
    stride: int


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """A pool as a product declares it. `count` values go to each unit, the first of them a multiple of `align`; a
    station leases `lease` cells at a time; fewer than `low_water` cells are a warning. `offsets` says which of the
    values belongs to which interface of a unit (empty for serials).
    """

    product: str
    name: str
    kind: PoolKind
    count: int = 1
    align: int = 1
    low_water: int = 0
    lease: int = 100
    offsets: Mapping[str, int] = field(default_factory=dict)

    def cut(self, run: Run) -> Cut:
        """The whole, aligned cells of a run; values that fill none are left over at its ends."""
        first = -(-run.low // self.align) * self.align
        stride = -(-self.count // self.align) * self.align
        room = run.high - first + 1
        cells = 0 if room < self.count else (room - self.count) // stride + 1
        return Cut(first, cells, stride)


def text_of(kind: PoolKind | str, prefix: str, width: int, number: int) -> str:
    """A value by its number: plain hex for a MAC, leading zeros for a serial."""
    if kind == PoolKind.MAC:
        return f"{number:0{_MAC_DIGITS}x}"
    return f"{prefix}{number:0{width}d}" if width else prefix


def shown_value(kind: PoolKind | str, text: str) -> str:
    """A pool's value as people read it: a MAC with its colons."""
    return Mac.parse(text).colons if kind == PoolKind.MAC else text
