"""The check digit of IMEI and ICCID numbers."""

from __future__ import annotations

_TWICE = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def check_digit(digits: str) -> int:
    """The Luhn digit that belongs after `digits` (ASCII digits only)."""
    total = sum(int(one) for one in digits[-2::-2]) + sum(_TWICE[int(one)] for one in digits[::-2])
    return -total % 10


def is_valid(digits: str) -> bool:
    """True when the last digit is the Luhn digit of those before it."""
    return int(digits[-1]) == check_digit(digits[:-1])
