"""One portal per module, and the order that an office hands in.

Another package adds a portal through the entry point group `factory.profiles`.
"""

from __future__ import annotations

from factory.errors import UsageError
from factory.sheets.profile import Profile
from factory.sheets.profiles.order import ORDER
from factory.sheets.profiles.remoteit_bulk import REMOTEIT_BULK
from factory.sheets.profiles.xyte import XYTE

GROUP = "factory.profiles"
_WITHOUT_A_SHEET = frozenset(("remoteit-package",))
_OURS = {one.name: one for one in (REMOTEIT_BULK, XYTE, ORDER)}


def profile_names() -> tuple[str, ...]:
    """The names of every profile that is installed, ours first."""
    from importlib.metadata import entry_points

    others = sorted({entry.name for entry in entry_points(group=GROUP)} - set(_OURS))
    return (*_OURS, *others)


def profile(name: str) -> Profile:
    """The profile of that name, ours or one of the entry point group `factory.profiles`.

    Raises UsageError when there is none, or when the entry point's object is no Profile.
    """
    if name in _OURS:
        return _OURS[name]
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP, name=name):
        try:
            found = entry.load()
        except (ImportError, AttributeError) as error:
            raise UsageError(f"the profile {name} ({entry.value}) cannot be loaded: {error}") from error
        if not isinstance(found, Profile):
            raise UsageError(f"{entry.value} is no Profile", hint="The entry point names a factory.sheets.Profile.")
        return found
    if name in _WITHOUT_A_SHEET:
        raise UsageError(
            f"{name} has no upload file: its units register without one",
            hint="For its orders: --profile order.",
            code="sheet.profile",
        )
    raise UsageError(f"there is no profile {name}", hint=f"Known: {', '.join(profile_names())}.", code="sheet.profile")


__all__ = ["GROUP", "ORDER", "REMOTEIT_BULK", "XYTE", "profile", "profile_names"]
