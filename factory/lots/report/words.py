"""Figures as people read them."""

from __future__ import annotations

NOTHING = "–"  # noqa: RUF001 - what stands where there is no figure


def span(seconds: float) -> str:
    """A duration in words that are easily compared: 42 s, 3 min 20 s, 2 h 5 min, 3 d 4 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    for size, unit, below, smaller in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            left = whole % size // below
            return f"{whole // size} {unit}" + (f" {left} {smaller}" if left else "")
    raise AssertionError("unreachable")


def share(part: float | None, whole: int = 0) -> str:
    """A share in percent; never rounded up to all or down to none, which would be another statement."""
    if part is None:
        return NOTHING
    if 0.995 <= part < 1 or 0 < part < 0.005:
        return f"{min(max(part, 0.0001), 0.9999):.2%}"
    return f"{part:.1%}" if whole >= 100 and part < 1 else f"{part:.0%}"


def signed(change: float | None) -> str:
    """A change in percent with its sign; none of zero."""
    if change is None:
        return NOTHING
    return "0%" if abs(change) < 0.005 else f"{change:+.0%}"


def rate(per_hour: float | None) -> str:
    """Units per hour."""
    if per_hour is None:
        return NOTHING
    return f"{per_hour:,.0f}" if per_hour >= 20 else f"{per_hour:.1f}"


def some(count: int, what: str) -> str:
    """A count with its noun: 1 attempt, 1,024 attempts."""
    return f"{count:,} {what}" + ("" if count == 1 else "s")
